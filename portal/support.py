"""Support's looks: into one organization, with a reason, for an hour, on its own record.

A look reads through the `support` login role, which may change nothing and sees no sealed column.
It cannot be extended; whoever needs longer gives a reason again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import send_mail
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone

from portal import audit, roles, tenancy, work
from portal.audit import Action
from portal.memberships import FoundOrganization
from portal.models import Membership, Organization, SupportLook
from portal.models.support import LOOK_LIFETIME
from portal.policy import Actor, Role
from portal.staff import support_required

View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the page that support sees of an organization, with the way to more."""

    title: str
    url: str
    state: str
    line: str
    at: datetime | None = None


_entries: list[Callable[[FoundOrganization], Iterable[Entry]]] = []


def on_look(entries: Callable[[FoundOrganization], Iterable[Entry]]) -> Any:
    """Register what else support's page of an organization lists; called in the support role."""
    _entries.append(entries)
    return entries


def entries_of(organization: FoundOrganization) -> list[Entry]:
    return [entry for entries in _entries for entry in entries(organization)]


def organization_for(staff_id: UUID, slug: str) -> FoundOrganization | None:
    """The organization with exactly this address; None too when the asker is not support."""
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, slug, name FROM portal_organization_for_support(%s, %s)", [slug, staff_id]
        )
        row = cursor.fetchone()
    return FoundOrganization(*row) if row else None


def begin_look(*, actor: Actor, organization: FoundOrganization, reason: str) -> SupportLook:
    """The actor may look for an hour; while a look is open there is no second one."""
    with tenancy.acting_for(organization), tenancy.transaction():
        subject = Organization.objects.select_for_update(no_key=True).get(id=organization.id)
        open_now = open_look(actor)
        if open_now is not None:
            return open_now
        now = timezone.now()
        look: SupportLook = SupportLook.objects.create(
            staff_id=actor.id, reason=reason, started_at=now, ends_at=now + LOOK_LIFETIME
        )
        audit.record(
            Action.SUPPORT_LOOK_BEGUN,
            actor=actor,
            subject=subject,
            reason=reason,
            ends_at=look.ends_at,
        )
        work.later("tell_support_look", look_id=look.id)
    return look


def end_look(*, actor: Actor, organization: FoundOrganization) -> None:
    """Nothing more can be looked at; harmless when nothing was open."""
    with tenancy.acting_for(organization), tenancy.transaction():
        subject = Organization.objects.get(id=organization.id)
        look = open_look(actor)
        if look is not None:
            look.ended_at = timezone.now()
            look.save(update_fields=["ended_at"])
            audit.record(Action.SUPPORT_LOOK_ENDED, actor=actor, subject=subject)


def open_look(actor: Actor) -> SupportLook | None:
    """The actor's open look into the acting organization."""
    now = timezone.now()
    query = SupportLook.objects.filter(staff_id=actor.id, ended_at=None, ends_at__gt=now)
    found: SupportLook | None = query.first()
    return found


def support_look_required(view: View) -> View:
    """For `support/<slug>/…`: the look is recorded, then the view runs in the support role.

    The view takes (request, …) without the slug; it finds `request.organization` and `.look`.
    Without an open look the person is asked for a reason; an unknown organization is 404.
    """

    @wraps(view)
    @support_required
    def guarded(request: Any, slug: str, *args: Any, **kwargs: Any) -> HttpResponse:
        found = organization_for(request.user.id, slug)
        if found is None:
            raise Http404
        with tenancy.acting_for(found):
            look = _looked(request)
            if look is None:
                return redirect("support_organization", slug)
            request.organization, request.look = found, look
            with roles.using_role("support"), tenancy.transaction():
                return view(request, *args, **kwargs)

    return guarded


def _looked(request: Any) -> SupportLook | None:
    """The open look, with this page on the organization's record before it is shown."""
    with tenancy.transaction():
        look = open_look(request.actor)
        if look is not None:
            subject = Organization.objects.get(id=tenancy.organization_id())
            audit.record(
                Action.SUPPORT_LOOKED, actor=request.actor, subject=subject, page=request.path
            )
    return look


@work.job("tell_support_look")
def tell(claim: work.Claim, *, look_id: str) -> None:
    """The organization's owners know by mail that support looks, who, and why."""
    with tenancy.transaction():
        look = SupportLook.objects.select_related("staff").get(id=look_id)
        organization = Organization.objects.get(id=look.organization_id)
        owners = Membership.objects.filter(role=Role.OWNER, user__is_active=True)
        addresses = list(owners.values_list("user__email", flat=True))
    words = {"look": look, "organization": organization, "portal_url": settings.PORTAL_URL}
    text = render_to_string("emails/support_look.txt", words)
    for address in addresses:
        send_mail(f"Support looks at {organization.name}", text, None, [address])
