"""An organization's settings: its name, who owns it, and leaving it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import erasure, people, queries
from portal.forms import RenameForm, TransferForm
from portal.policy import Permission, authorize
from portal.refused import Impossible
from portal.requests import OrganizationRequest
from portal.step_up import recently_proven
from portal.views.answers import done, found_or_404


@require_GET
def settings(request: OrganizationRequest) -> HttpResponse:
    authorize(request.actor, Permission.ORGANIZATION_VIEW)
    return _page(request)


@require_http_methods(["GET", "POST"])
def rename(request: OrganizationRequest) -> HttpResponse:
    authorize(request.actor, Permission.ORGANIZATION_EDIT)
    if request.method == "GET":
        return redirect("organization_settings", request.organization.slug)
    form = RenameForm(request.POST, actor=request.actor)
    if done(form, lambda values: people.rename_organization(actor=request.actor, **values)):
        messages.success(request, "The organization has its new name.")
        return redirect("organization_settings", request.organization.slug)
    return _page(request, rename_form=form)


@require_http_methods(["GET", "POST"])
@found_or_404
@recently_proven("organization_settings")
def transfer(request: OrganizationRequest) -> HttpResponse:
    authorize(request.actor, Permission.ORGANIZATION_TRANSFER)
    if request.method == "GET":
        return redirect("organization_settings", request.organization.slug)
    form = TransferForm(
        request.POST, actor=request.actor, heirs=queries.heirs(actor_id=request.actor.id)
    )
    heir = done(
        form,
        lambda values: people.transfer_ownership(
            actor=request.actor,
            membership_id=values["heir"],
            confirm_name=values["confirm_name"],
        ),
        field="confirm_name",
    )
    if heir is None:
        return _page(request, transfer_form=form)
    messages.success(request, f"{heir.user} owns the organization now, and you are an admin.")
    return redirect("organization_settings", request.organization.slug)


@require_POST
@found_or_404
def leave(request: OrganizationRequest) -> HttpResponse:
    """Needs the organization's name typed, as everything that cannot be taken back."""
    typed = request.POST.get("confirm_name", "").strip()
    try:
        if typed != request.organization.name:
            raise Impossible("The name does not match. Type it exactly as it is written.")
        people.leave(actor=request.actor)
    except Impossible as error:
        messages.error(request, str(error))
        return redirect("organization_settings", request.organization.slug)
    messages.success(request, f"You have left {request.organization.name}.")
    return redirect("organizations")


def _may_erase(request: OrganizationRequest) -> bool:
    return request.actor.may(Permission.ORGANIZATION_ERASE)


def _page(request: OrganizationRequest, **bound: Any) -> HttpResponse:
    heirs = queries.heirs(actor_id=request.actor.id)
    me = people.membership_of(request.user.id)
    context = {
        "rename_form": RenameForm(actor=request.actor, initial={"name": request.organization.name}),
        "transfer_form": TransferForm(actor=request.actor, heirs=heirs),
        "heirs": heirs,
        "losses": people.departure_preview(me),
        "is_last_owner": people.is_last_owner(me),
        "may_register": request.actor.may(Permission.CONSUMER_EDIT),
        "may_edit": request.actor.may(Permission.ORGANIZATION_EDIT),
        "may_import": request.actor.may(Permission.CONNECTION_IMPORT),
        "erasure": erasure.open_one(),
        "to_erase": erasure.preview() if _may_erase(request) else {},
        "may_erase": _may_erase(request),
        "may_transfer": request.actor.may(Permission.ORGANIZATION_TRANSFER),
        **bound,
    }
    status = 400 if bound else 200
    return render(request, "portal/organization_settings.html", context, status=status)
