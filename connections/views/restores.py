"""The exact list of what restored backups left behind, for an organization and for operators."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections.queries import restores
from connections.queries.restores import HeldRow
from connections.views.consumers import OperatorRequest
from connections.views.doors import requires
from portal.policy import Permission
from portal.requests import OrganizationRequest
from portal.staff import operator_required


@require_GET
@requires(Permission.AUDIT_VIEW)
def own(request: OrganizationRequest) -> HttpResponse:
    """The organization's connections that a restore held back."""
    rows = restores.of_organization(request.organization.slug, request.actor)
    return render(request, "connections/restores.html", _counted(rows))


@require_GET
@operator_required
def platform(request: OperatorRequest) -> HttpResponse:
    """Those of every organization, by name, for the campaign that follows a restore."""
    rows = restores.of_platform(request.user.id)
    return render(request, "connections/restores_platform.html", _counted(rows))


def _counted(rows: list[HeldRow]) -> dict[str, object]:
    waiting = sum(row.over_at is None for row in rows)
    return {"rows": rows, "waiting": waiting, "over": len(rows) - waiting}
