"""The wizard: what for, how, consent. `arriving.py` has the way back and the last step."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections import registry
from connections.contracts import BASE_URL, Manifest, Method, MethodKind
from connections.flows import hosts, link
from connections.flows.problems import FlowProblem
from connections.forms import CapabilitiesForm, LinkForm
from connections.models import LinkStage, PendingLink
from connections.queries import linking
from connections.views.doors import (
    SeeOther,
    accepted,
    attempt,
    connection_of,
    pending_of,
    status_of,
    to,
)
from portal.memberships import teams_shown
from portal.policy import Permission
from portal.requests import OrganizationRequest

WITH_WORKER = frozenset({LinkStage.ANSWERED, LinkStage.CONFIRM_ACCOUNT, LinkStage.DONE})


@require_POST
def begin(request: OrganizationRequest, connector: str) -> HttpResponse:
    """A new link to this product, at its first step; the flow asks whether this person may."""
    if connector not in registry.connectors():
        raise Http404
    pending = link.begin(
        actor=request.actor,
        connector=connector,
        user_id=request.user.id,
        session_key=request.session.session_key or "",
    )
    return to(request, "link_what", pending.id)


@require_POST
def relink(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The same connection, linked again in place."""
    connection = connection_of(connection_id)
    try:
        pending = link.begin(
            actor=request.actor,
            connector=connection.connector,
            user_id=request.user.id,
            session_key=request.session.session_key or "",
            relink=connection,
        )
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return to(request, "connection", connection.id)
    return to(request, "link_what", pending.id)


@require_http_methods(["GET", "POST"])
def what(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """Step 1: the capabilities, and the scopes they cost."""
    pending = pending_of(request, link_id)
    if pending.stage in WITH_WORKER:
        return to(request, "link_check", pending.id)
    manifest = registry.get(pending.connector).manifest
    form = CapabilitiesForm(
        request.POST or None,
        capabilities=manifest.capabilities,
        actor=request.actor,
        initial={"reason": pending.reason},
    )
    chosen = pending.capabilities
    if request.method == "POST":
        chosen = request.POST.getlist("capabilities")
        if "show" not in request.POST and _chosen(request, pending, form):
            return to(request, "link_how", pending.id)
    context = frame(request, pending, manifest, "link_what") | {
        "form": form,
        "chosen": chosen,
        "sheets": linking.scope_sheets(manifest, chosen),
    }
    return render(request, "connections/link/what.html", context, status=status_of(form))


def _chosen(request: OrganizationRequest, pending: PendingLink, form: CapabilitiesForm) -> bool:
    return accepted(
        form,
        lambda: link.choose(
            actor=request.actor,
            pending=pending,
            capabilities=form.cleaned_data["capabilities"],
            reason=form.cleaned_data["reason"],
        ),
    )


@require_GET
def scopes(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """The scope list for what is ticked at this moment; nothing is kept."""
    pending = pending_of(request, link_id)
    manifest = registry.get(pending.connector).manifest
    sheets = linking.scope_sheets(manifest, request.GET.getlist("capabilities"))
    return render(request, "connections/link/_scopes.html", {"sheets": sheets})


@require_GET
def how(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """Step 2: the ways to link; the choice stands in the address of step 3."""
    pending = pending_of(request, link_id)
    if pending.stage in WITH_WORKER:
        return to(request, "link_check", pending.id)
    manifest = registry.get(pending.connector).manifest
    ways = linking.ways(manifest, pending)
    barred = not all(way.is_possible for way in ways)
    context = frame(request, pending, manifest, "link_how") | {"ways": ways, "barred": barred}
    return render(request, "connections/link/how.html", context)


@require_http_methods(["GET", "POST"])
def consent(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """Step 3: what to allow and where; a pasted secret goes straight to the flow that seals it."""
    pending = pending_of(request, link_id)
    if pending.stage in WITH_WORKER:
        return to(request, "link_check", pending.id)
    manifest = registry.get(pending.connector).manifest
    method = _method(manifest, request.GET.get("method") or pending.method)
    if method is None:
        return to(request, "link_how", pending.id)
    form = _form(request, pending, manifest, method)
    offers: list[Method] = []
    ask = False
    if request.method == "POST" and form.is_valid():
        try:
            _prepare(request, pending, method, form)
        except FlowProblem as problem:
            offers = _offers(manifest, method, form, problem)
            ask = problem.code == hosts.NOT_YOURS
            form.refuse(problem)
        else:
            leaves = method.kind is MethodKind.AUTHORIZATION_CODE
            return to(request, "link_leave" if leaves else "link_check", pending.id)
    return _consent_page(request, pending, manifest, method, form, offers, ask)


def _consent_page(
    request: OrganizationRequest,
    pending: PendingLink,
    manifest: Manifest,
    method: Method,
    form: LinkForm,
    offers: list[Method],
    ask: bool,
) -> HttpResponse:
    chosen = [manifest.capability(key) for key in pending.capabilities]
    context = frame(request, pending, manifest, "link_consent") | {
        "method": method,
        "form": form,
        "offers": offers,
        "ask": ask and urlencode({"connector": manifest.slug, BASE_URL: form.data[BASE_URL]}),
        "sheet": linking.scope_sheet(manifest, chosen, method.vocabulary),
        "guide": linking.filled(method.steps, link.callback_url(manifest.slug)),
        "leaves": method.kind is MethodKind.AUTHORIZATION_CODE,
        "no_place": "team" in form.fields and not getattr(form.fields["team"], "choices", ()),
        "obstacles": [why for c in chosen if (why := manifest.obstacle(c, method))],
    }
    return render(request, "connections/link/consent.html", context, status=status_of(form))


@require_GET
def leave(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """On to the vendor. A page rather than a redirect: the answer to a form may not leave our
    origin under `form-action 'self'`, and without script there has to be something to click."""
    pending = pending_of(request, link_id)
    if pending.stage in WITH_WORKER:
        return to(request, "link_check", pending.id)
    try:
        address = link.depart(
            actor=request.actor,
            pending=pending,
            session_key=request.session.session_key or "",
        )
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return to(request, "link_how", pending.id)
    manifest = registry.get(pending.connector).manifest
    context = frame(request, pending, manifest, "link_consent") | {"address": address}
    response = render(request, "connections/link/leave.html", context)
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_POST
def abandon(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """Nothing is linked, and what was sealed for it is gone."""
    pending = pending_of(request, link_id)
    back = pending.relink_id
    attempt(
        request,
        lambda: link.abandon(actor=request.actor, pending=pending),
        "Nothing was linked. What you had entered is gone.",
    )
    return (
        to(request, "connection", back)
        if back
        else SeeOther(reverse("catalogue", args=[request.organization.slug]))
    )


def _method(manifest: Manifest, key: str) -> Method | None:
    return next((method for method in manifest.choices if method.key == key), None)


def _form(
    request: OrganizationRequest, pending: PendingLink, manifest: Manifest, method: Method
) -> LinkForm:
    teams = linking.team_choices(manifest.slug, within=teams_shown(request.membership))
    known_at = {BASE_URL: pending.fields.get(BASE_URL, "")}
    kept = pending.fields if pending.method == method.key else known_at
    return LinkForm(
        request.POST or None,
        asked=manifest.fields_of(method),
        teams=teams,
        usable=linking.consumers_for(method, manifest.slug, request.organization.id),
        is_relink=pending.relink_id is not None,
        actor=request.actor,
        initial={
            **kept,
            "name": pending.name or linking.free_name(manifest.name),
            "team": str(pending.team_id or ""),
            "consumer": str(pending.consumer_id or ""),
        },
    )


def _prepare(
    request: OrganizationRequest, pending: PendingLink, method: Method, form: LinkForm
) -> None:
    given = form.cleaned_data
    usable = linking.consumers_for(method, pending.connector, request.organization.id)
    consumer = given.get("consumer") or (usable[0].id if usable else None)
    link.prepare(
        actor=request.actor,
        pending=pending,
        method=method.key,
        name=given.get("name", pending.name),
        team_id=UUID(given["team"]) if given.get("team") else None,
        consumer_id=UUID(str(consumer)) if consumer else None,
        fields=form.method_values(),
        secret=form.secret(),
    )


def _offers(
    manifest: Manifest, method: Method, form: LinkForm, problem: FlowProblem
) -> list[Method]:
    """The ways that fit the token that was pasted, or its successor."""
    if problem.code not in {"wrong_kind", "dead_token"}:
        return []
    secret = form.secret()
    text = secret.reveal() if secret else ""
    prefix = next((each for each in manifest.token_prefixes if text.startswith(each.prefix)), None)
    keys = prefix.methods if prefix else ()
    if problem.code == "dead_token":
        keys = tuple(m.key for m in manifest.choices if m.kind.is_pasted)
    return [m for m in manifest.choices if m.key in keys and m.key != method.key]


def frame(
    request: OrganizationRequest, pending: PendingLink, manifest: Manifest, step: str
) -> dict[str, object]:
    """What every step shows: which product, which steps, whether it is a link again."""
    return {
        "pending": pending,
        "manifest": manifest,
        "steps": linking.steps(pending, request.organization.slug, step),
        "relink": pending.relink,
        "may_register": request.actor.may(Permission.CONSUMER_EDIT),
    }
