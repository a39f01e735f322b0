"""The overview of an organization, and the catalogue of what it can link."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections import registry
from connections.flows import rights
from connections.queries import catalogue as queries, overview as overviews
from connections.queries.coming import coming
from connections.views.doors import requires
from portal.policy import Permission, allows
from portal.requests import OrganizationRequest


@require_GET
@requires(Permission.CONNECTION_VIEW)
def overview(request: OrganizationRequest) -> HttpResponse:
    """What needs this person, how everything is, what expires, what changed."""
    shown = overviews.overview(
        slug=request.organization.slug,
        actor=request.actor,
    )
    context = {
        "shown": shown,
        "may_link": allows(request.actor, Permission.CONNECTION_LINK),
        "coming": None if shown.is_empty else coming(request.actor),
    }
    return render(request, "connections/overview.html", context)


@require_GET
@requires(Permission.CONNECTION_VIEW)
def catalogue(request: OrganizationRequest) -> HttpResponse:
    context = {
        "products": queries.catalogue(),
        "may_send": allows(request.actor, Permission.CONNECT_LINK_SEND),
        "may_link": allows(request.actor, Permission.CONNECTION_LINK),
    }
    return render(request, "connections/catalogue.html", context)


@require_GET
@requires(Permission.CONNECTION_VIEW)
def product(request: OrganizationRequest, connector: str) -> HttpResponse:
    """One product: what it gives, what it asks, the ways to link it, what its vendor removed."""
    if connector not in registry.connectors():
        raise Http404
    context = {
        "shown": queries.product_page(connector),
        "may_link": allows(request.actor, Permission.CONNECTION_LINK)
        or rights.allowed_once(request.actor, None, connector) is not None,
        "may_send": allows(request.actor, Permission.CONNECT_LINK_SEND),
        "may_edit_consumers": allows(request.actor, Permission.CONSUMER_EDIT),
    }
    return render(request, "connections/product.html", context)
