"""What breaks when one person leaves, before they do."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections.queries.departures import resting_on
from connections.views.doors import requires
from portal import people
from portal.models import Membership
from portal.policy import Permission
from portal.requests import OrganizationRequest


@require_GET
@requires(Permission.MEMBER_EDIT)
def departure(request: OrganizationRequest, membership_id: UUID) -> HttpResponse:
    """The connections that this member granted, and what stands on each."""
    try:
        member = people.member(membership_id)
    except Membership.DoesNotExist:
        raise Http404 from None
    rows = resting_on(member.user_id, request.organization.slug)
    context = {
        "member": member,
        "name": str(member.user),
        "rows": rows,
        "services": len({name for row in rows for name in row.services}),
        "losses": people.places_lost(member),
    }
    return render(request, "connections/departure.html", context)
