"""Who leased a connection's token, when and why."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections.queries import leases
from connections.views.doors import requires, tab_of
from portal.policy import Permission, allows
from portal.requests import OrganizationRequest


@require_GET
@requires(Permission.CONNECTION_VIEW)
def of_connection(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """For those who read its details and may see service keys; to others it is a 403."""
    page = tab_of(request, connection_id, "connection")
    if not (page.rights.details and allows(request.actor, Permission.SERVICE_KEY_VIEW)):
        raise PermissionDenied("Leases are for those who may see service keys.")
    context = {"page": page, "shown": leases.of_connection(request, page.connection)}
    return render(request, "connections/connection/leases.html", context)
