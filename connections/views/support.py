"""Support's read-only look at an organization's connections; each look is on its own record."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections.queries.support import support_list, support_page
from portal.requests import OrganizationRequest
from portal.support import support_look_required


@require_GET
@support_look_required
def connections(request: OrganizationRequest) -> HttpResponse:
    search = request.GET.get("q", "").strip()
    shown = support_list(request, request.organization.slug, search, request.GET.get("cursor", ""))
    return render(request, "connections/support/list.html", {"shown": shown, "search": search})


@require_GET
@support_look_required
def connection(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Why did it break, since when, who must act: from one page, without a secret."""
    context = {"shown": support_page(request, connection_id)}
    return render(request, "connections/support/connection.html", context)
