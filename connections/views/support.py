"""Support's read-only look at connections and links; each look is on the organization's record."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections.queries.relay_support import support_link
from connections.queries.relays import RelayWish, relay_list
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


@require_GET
@support_look_required
def links(request: OrganizationRequest) -> HttpResponse:
    """The organization's links between connections, with their health and lag."""
    slug = request.organization.slug
    shown = relay_list(
        slug=slug,
        wish=RelayWish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
        page="support_relay",
    )
    return render(request, "connections/support/links.html", {"shown": shown})


@require_GET
@support_look_required
def link(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """One link: what waits, what failed and who must act, and its last requests."""
    shown = support_link(relay_id, slug=request.organization.slug)
    return render(request, "connections/support/link.html", {"shown": shown})
