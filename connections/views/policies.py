"""Rotation policies: the organization's with a look at whom it hits, a connection's, exceptions."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.due_forms import ExceptionForm, PolicyForm
from connections.flows import policies, policy_settings
from connections.flows.policies import Rule
from connections.queries import policies as shown
from connections.queries.connection import ConnectionPage
from connections.views.doors import (
    accepted,
    attempt,
    connection_of,
    requires,
    status_of,
    tab_of,
    to,
)
from portal.policy import Permission, allows, refusal
from portal.requests import OrganizationRequest

VIEW, EDIT = Permission.CONNECTION_VIEW, Permission.ROTATION_EDIT
SAVED = "From now on the policy is as you see it."


@require_http_methods(["GET", "POST"])
@requires(EDIT)
def general(request: OrganizationRequest) -> HttpResponse:
    """The organization's policy. The first press shows whom it would hit, the second saves it."""
    rule = Rule.of(policies.of_organization())
    simulation = None
    if request.method == "GET":
        form = PolicyForm(initial=PolicyForm.shown(rule), members=shown.people())
    else:
        form = PolicyForm(request.POST, members=shown.people(), actor=request.actor)
        if request.POST.get("confirm") == "1":
            if accepted(
                form,
                lambda: policy_settings.set_general(actor=request.actor, rule=form.rule()),
            ):
                messages.success(request, SAVED)
                return to(request, "rotation_policy")
        elif form.is_valid():
            simulation = shown.simulate(form.rule(), slug=request.organization.slug)
    context = {
        "form": form,
        "simulation": simulation,
        "counts": shown.counts(),
        "words": shown.words(rule),
    }
    return render(request, "connections/policies/general.html", context, status=status_of(form))


# ── One connection's ──────────────────────────────────────────────────────────────────────────


@require_GET
@requires(VIEW)
def own(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """What is asked of this connection, its own policy and its exception."""
    page = tab_of(request, connection_id, "connection_settings")
    policy = policies.of_connection(connection_id)
    form = PolicyForm(initial=PolicyForm.shown(Rule.of(policy)), members=shown.people())
    return _own(request, page, form, ExceptionForm())


@require_POST
@requires(VIEW)
def own_set(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """It is asked for this as well."""
    page = tab_of(request, connection_id, "connection_settings")
    if not page.rights.manage:
        raise PermissionDenied("Your role does not let you edit this connection.")
    form = PolicyForm(request.POST, members=shown.people(), actor=request.actor)
    if accepted(
        form,
        lambda: policy_settings.set_own(
            actor=request.actor, connection=page.connection, rule=form.rule()
        ),
    ):
        messages.success(request, SAVED)
        return to(request, "connection_rotation", connection_id)
    return _own(request, page, form, ExceptionForm())


@require_POST
@requires(VIEW)
def exception(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The organization's policy does not hold for it until that day."""
    page = tab_of(request, connection_id, "connection_settings")
    if not allows(request.actor, EDIT):
        raise refusal(EDIT)
    form = ExceptionForm(request.POST, actor=request.actor)
    if accepted(
        form,
        lambda: policy_settings.except_from(
            actor=request.actor,
            connection=page.connection,
            until=form.moment(),
            because=form.cleaned_data["because"],
        ),
    ):
        messages.success(request, f"{page.connection} is excepted. It is on record with why.")
        return to(request, "connection_rotation", connection_id)
    policy = policies.of_connection(connection_id)
    own_form = PolicyForm(initial=PolicyForm.shown(Rule.of(policy)), members=shown.people())
    return _own(request, page, own_form, form)


@require_POST
@requires(VIEW)
def exception_end(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    found = connection_of(connection_id)
    attempt(
        request,
        lambda: policy_settings.end_exception(actor=request.actor, connection=found),
        "The organization's policy holds for it again.",
    )
    return to(request, "connection_rotation", connection_id)


def _own(
    request: OrganizationRequest, page: ConnectionPage, form: PolicyForm, other: ExceptionForm
) -> HttpResponse:
    standing = shown.standing(page.connection)
    context = {
        "page": page,
        "shown": standing,
        "words": shown.words(standing.rule),
        "form": form,
        "exception_form": other,
        "may_except": allows(request.actor, EDIT) and not page.is_revoked,
    }
    status = max(status_of(form), status_of(other))
    return render(request, "connections/policies/own.html", context, status=status)
