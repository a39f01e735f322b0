"""Erasing an organization: the owner's wish in its settings, and the operators' page."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal import erasure, tenancy
from portal.audit import Action
from portal.erasure import Asked
from portal.forms import ErasureForm
from portal.models import AuditEvent, Tombstone
from portal.policy import Permission, authorize
from portal.refused import Impossible
from portal.requests import OrganizationRequest
from portal.staff import operator_required
from portal.step_up import proof_wanted, recently_proven
from portal.views.answers import found_or_404

LATEST = 20


@require_POST
@found_or_404
@recently_proven("organization_settings")
def ask(request: OrganizationRequest) -> HttpResponse:
    """Needs the organization's name typed and a fresh proof of who asks."""
    authorize(request.actor, Permission.ORGANIZATION_ERASE)
    typed = request.POST.get("confirm_name", "")
    form = ErasureForm(request.POST)
    try:
        if not form.is_valid():
            raise Impossible(form.errors["because"][0])
        erasure.ask(actor=request.actor, typed_name=typed, because=form.cleaned_data["because"])
    except Impossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Asked. Nothing changes until an operator confirms it.")
    return redirect("organization_settings", request.organization.slug)


@require_POST
@found_or_404
def take_back(request: OrganizationRequest) -> HttpResponse:
    """The organization stays."""
    authorize(request.actor, Permission.ORGANIZATION_ERASE)
    try:
        erasure.take_back(actor=request.actor, organization_id=request.organization.id)
    except Impossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Taken back. The organization stays as it is.")
    return redirect("organization_settings", request.organization.slug)


@require_GET
@operator_required
def index(request: OrganizationRequest) -> HttpResponse:
    """Who asks to be erased, what is in its days of grace, and what is gone."""
    stones = list(Tombstone.objects.order_by("-sequence")[:LATEST])
    context = {
        "rows": erasure.all_open(request.user.id),
        "stones": _on_record(stones),
        "stone_count": Tombstone.objects.count(),
        "grace_days": settings.ERASE_GRACE_DAYS,
        "backup_days": settings.BACKUP_DAYS,
    }
    return render(request, "portal/platform_erasures.html", context)


def _on_record(stones: list[Tombstone]) -> list[tuple[Tombstone, AuditEvent | None]]:
    """Each with what the record says of it: its name, and what stays at vendors."""
    ids = [stone.erased_id for stone in stones]
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        found = AuditEvent.objects.filter(action=Action.KEYS_DESTROYED, subject_id__in=ids)
        events = {event.subject_id: event for event in found.order_by("sequence")}
    return [(stone, events.get(stone.erased_id)) for stone in stones]


@require_POST
@operator_required
def confirm(request: OrganizationRequest, erasure_id: UUID) -> HttpResponse:
    """The days of grace begin."""
    if asked := proof_wanted(request, "/platform/erasures/"):
        return asked
    wanted = _wanted(request, erasure_id)
    try:
        erasure.confirm(
            actor=request.actor,
            organization_id=wanted.organization_id,
            typed_name=request.POST.get("confirm_name", ""),
        )
    except Impossible as error:
        messages.error(request, str(error))
    else:
        days = settings.ERASE_GRACE_DAYS
        messages.success(request, f"{wanted.name} is erased in {days} days, unless taken back.")
    return redirect("platform_erasures")


@require_POST
@operator_required
def end(request: OrganizationRequest, erasure_id: UUID) -> HttpResponse:
    """The organization stays."""
    wanted = _wanted(request, erasure_id)
    try:
        erasure.take_back(actor=request.actor, organization_id=wanted.organization_id)
    except Impossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{wanted.name} stays as it is.")
    return redirect("platform_erasures")


def _wanted(request: OrganizationRequest, erasure_id: UUID) -> Asked:
    for one in erasure.all_open(request.user.id):
        if one.id == erasure_id:
            return one
    raise Http404
