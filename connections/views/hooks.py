"""A connection's webhooks: the tab, what is chosen there, and what is asked of workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.flows import (
    hook_choice,
    hook_endpoints,
    hook_repairs,
    hook_rounds as rounds,
    hook_trial,
)
from connections.flows.hook_endpoints import Made
from connections.flows.problems import FlowProblem
from connections.hook_forms import HookChoiceForm
from connections.models import Arrival, Connection, Hook
from connections.queries.connection import ConnectionPage
from connections.queries.hook_inventory import HookWishList, inventory
from connections.queries.hooks import hooks_tab
from connections.views.doors import accepted, attempt, connection_of, requires, tab_of, to
from portal import tenancy
from portal.policy import Permission
from portal.requests import OrganizationRequest, with_own_transactions
from portal.secret import Secret

VIEW = Permission.CONNECTION_VIEW
TAB = "connection_hooks"
MANAGERS = "Only those who manage this connection change how its events arrive."


@require_GET
@with_own_transactions
@requires(VIEW)
def hooks(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """How events arrive, the address for those who manage the connection, and every container."""
    address = _address(request, connection_id)
    with tenancy.transaction():
        return _page(request, tab_of(request, connection_id, TAB), address=address)


def _address(request: OrganizationRequest, connection_id: UUID) -> str:
    """Empty for everybody else, and while there is none."""
    with tenancy.transaction():
        page = tab_of(request, connection_id, TAB)
        has_one = hook_endpoints.endpoint_of(page.connection) is not None
        if not (page.rights.manage and has_one) or page.is_revoked:
            return ""
    return hook_endpoints.address_for(actor=request.actor, connection=page.connection)


def _page(
    request: OrganizationRequest,
    page: ConnectionPage,
    *,
    address: str = "",
    form: HookChoiceForm | None = None,
) -> HttpResponse:
    shown = hooks_tab(page.connection, page.product)
    wish = HookWishList.read(request.GET)
    cursor = request.GET.get("cursor", "")
    context: dict[str, Any] = {
        "page": page,
        "shown": shown,
        "address": address,
        "form": form or HookChoiceForm.of(page.connection, shown.offer, page.product),
        "inventory": inventory(page.connection, product=page.product, wish=wish, cursor=cursor),
    }
    status = 400 if form is not None and form.errors else 200
    return render(request, "connections/connection/hooks.html", context, status=status)


@require_POST
@with_own_transactions
@requires(VIEW)
def choose(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Save where webhooks hang and what they tell of; a first secret is shown once."""
    with tenancy.transaction():
        page = _managed(request, connection_id)
        offered = hook_choice.offer(page.connection)
        form = HookChoiceForm.of(page.connection, offered, page.product, request.POST)
    found: list[Made] = []
    if accepted(
        form,
        lambda: found.append(
            hook_choice.choose(
                actor=request.actor,
                connection=page.connection,
                arrival=Arrival(form.cleaned_data["arrival"]),
                events=form.cleaned_data["events"],
                mends_itself=form.cleaned_data["mends_itself"],
            )
        ),
    ):
        return _secret(request, page.connection, found[0].address, found[0].secret)
    address = _address(request, connection_id)
    with tenancy.transaction():
        return _page(request, page, address=address, form=form)


def _managed(request: OrganizationRequest, connection_id: UUID) -> ConnectionPage:
    page = tab_of(request, connection_id, TAB)
    if not page.rights.manage:
        raise PermissionDenied(MANAGERS)
    return page


def _secret(
    request: OrganizationRequest, connection: Connection, address: str, secret: Secret | None
) -> HttpResponse:
    """The secret, in this answer only; back to the tab where there is no new one."""
    if secret is None:
        messages.success(request, "Saved. Workers look at the webhooks now.")
        return to(request, TAB, connection.id)
    with tenancy.transaction():
        page = _managed(request, connection.id)
        context = {"page": page, "address": address, "secret": secret.reveal()}
        answer = render(request, "connections/connection/hook_secret.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


@require_http_methods(["GET", "POST"])
@with_own_transactions
@requires(VIEW)
def new_secret(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """What a new secret means, and in the answer to it the secret."""
    with tenancy.transaction():
        page = _managed(request, connection_id)
        if request.method == "GET":
            context = {
                "page": page,
                "preview": _told(page.connection),
                "untold": hook_endpoints.untold(page.connection),
            }
            return render(request, "connections/connection/hook_new_secret.html", context)
    try:
        made = hook_endpoints.rotate_secret(
            actor=request.actor,
            connection=page.connection,
            ends_former=request.POST.get("ends_former") == "1",
        )
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return to(request, TAB, connection_id)
    return _secret(request, page.connection, made.address, made.secret)


def _told(connection: Connection) -> hook_repairs.Preview:
    """How many hooks at the vendor a new secret has to be told to."""
    return hook_repairs.telling(connection)


@require_POST
@with_own_transactions
@requires(VIEW)
def end_former(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    with tenancy.transaction():
        page = _managed(request, connection_id)
    attempt(
        request,
        lambda: hook_endpoints.end_former(actor=request.actor, connection=page.connection),
        "Only the newest secret holds from now on.",
    )
    return to(request, TAB, connection_id)


@require_http_methods(["GET", "POST"])
@with_own_transactions
@requires(VIEW)
def poll_only(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """What would be removed at the vendor; then it is."""
    with tenancy.transaction():
        page = _managed(request, connection_id)
        if request.method == "GET":
            context = {"page": page, "preview": hook_repairs.removal(page.connection)}
            return render(request, "connections/connection/hooks_polling.html", context)
    attempt(
        request,
        lambda: hook_choice.poll_only(actor=request.actor, connection=page.connection),
        "Changes are found by asking at intervals from now on. Workers remove our webhooks.",
    )
    return to(request, TAB, connection_id)


@require_http_methods(["GET", "POST"])
@requires(VIEW)
def repair(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """What a repair of everything would do, and what it costs; then it is asked for."""
    page = _managed(request, connection_id)
    if request.method == "POST":
        return _deed(request, page, hook_repairs.repair_all, "Workers repair what is wrong.")
    plan = rounds.plan_of(page.connection)
    context = {"page": page, "plan": plan, "preview": hook_repairs.preview(page.connection, plan)}
    return render(request, "connections/connection/hooks_repair.html", context)


@require_POST
@requires(VIEW)
def repair_one(request: OrganizationRequest, connection_id: UUID, hook_id: UUID) -> HttpResponse:
    page = _managed(request, connection_id)
    if not Hook.objects.filter(id=hook_id, connection_id=connection_id).exists():
        raise Http404
    return _deed(
        request,
        page,
        lambda **given: hook_repairs.repair_one(hook_id=hook_id, **given),
        "A worker repairs it.",
    )


@require_POST
@requires(VIEW)
def look(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    page = _managed(request, connection_id)
    return _deed(request, page, hook_repairs.look, "Workers look at every container.")


@require_POST
@requires(VIEW)
def cancel(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    page = _managed(request, connection_id)
    done = "The work ends. What was done stays, and nothing repairs itself until you choose that."
    return _deed(request, page, hook_repairs.cancel, done)


@require_POST
@requires(VIEW)
def test(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    page = _managed(request, connection_id)
    return _deed(request, page, hook_trial.ask, "A test is on its way to the public address.")


def _deed(
    request: OrganizationRequest, page: ConnectionPage, deed: Callable[..., object], done: str
) -> HttpResponse:
    """One flow, said with its outcome, and back to the tab."""
    connection = connection_of(page.connection.id)
    attempt(request, lambda: deed(actor=request.actor, connection=connection), done)
    return to(request, TAB, page.connection.id)
