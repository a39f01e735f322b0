"""Links between two connections: all of them, those of one connection, and one of them in its
tabs. What is changed is in `relay_setup.py` and `relay_deeds.py`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections.queries import relay_commands, relay_log, relay_outbox, relay_page
from connections.queries.relay_page import RelayPage
from connections.queries.relay_repositories import PartWish, part_list
from connections.queries.relay_setup import ends, joins_some
from connections.queries.relays import RelayWish, links_of, relay_list
from connections.views.doors import requires, tab_of
from portal.policy import Permission
from portal.requests import OrganizationRequest

VIEW = Permission.RELAY_VIEW
DETAILS = "What a link sends is shown to those who manage both of its connections."


def sent(request: OrganizationRequest) -> Any:
    """What a form was sent with; None where it is only shown."""
    return request.POST if request.method == "POST" else None


@require_GET
@requires(VIEW)
def index(request: OrganizationRequest) -> HttpResponse:
    """Every link that joins two connections this person sees."""
    shown = relay_list(
        slug=request.organization.slug,
        wish=RelayWish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
    )
    context: dict[str, Any] = {
        "shown": shown,
        "may_join": joins_some(request.actor),
    }
    if shown.is_empty:
        context["ends"] = ends(request.actor)
    return render(request, "connections/relay/list.html", context)


@require_GET
@requires(VIEW)
def of_connection(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The links that a connection is an end of."""
    page = tab_of(request, connection_id, "connection_links")
    rows = links_of(page.connection, slug=request.organization.slug)
    context = {"page": page, "rows": rows}
    return render(request, "connections/relay/of_connection.html", context)


# ── One of them ───────────────────────────────────────────────────────────────────────────────


def page_of(request: OrganizationRequest, relay_id: UUID, tab: str) -> RelayPage:
    """The frame around a tab; another organization's link is a 404 like none at all."""
    link = relay_page.find(relay_id)
    if link is None:
        raise Http404
    page = relay_page.relay_page(
        link=link, slug=request.organization.slug, actor=request.actor, tab=tab
    )
    is_detail = any(name == tab and detail for _, name, detail in relay_page.TABS)
    if is_detail and not page.rights.details:
        raise PermissionDenied(DETAILS)
    return page


def changed_by(request: OrganizationRequest, relay_id: UUID, tab: str = "relay") -> RelayPage:
    """The same for who may change it; others read a 403."""
    page = page_of(request, relay_id, tab)
    if not page.rights.change:
        raise PermissionDenied("A link is changed by those who manage both of its connections.")
    return page


def run_by(request: OrganizationRequest, relay_id: UUID, tab: str = "relay") -> RelayPage:
    """The same for who may pause it or send again; others read a 403."""
    page = page_of(request, relay_id, tab)
    if not page.rights.run:
        raise PermissionDenied("That is for those who manage both of its connections.")
    return page


@require_GET
@requires(VIEW)
def one(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """How it is, how far a back-fill or a removal is, and every repository with what came of it."""
    page = page_of(request, relay_id, "relay")
    parts = part_list(
        page.link,
        wish=PartWish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
    )
    return render(request, "connections/relay/one.html", {"page": page, "parts": parts})


@require_GET
@requires(VIEW)
def log(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """Each request to the target, with what it said."""
    page = page_of(request, relay_id, "relay_log")
    shown = relay_log.relay_log(
        page.link,
        wish=relay_log.LogWish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
    )
    return render(request, "connections/relay/log.html", {"page": page, "shown": shown})


@require_GET
@requires(VIEW)
def outbox(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """What waits, and what failed for good."""
    page = page_of(request, relay_id, "relay_outbox")
    shown = relay_outbox.box_list(
        page.link,
        wish=relay_outbox.BoxWish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
    )
    return render(request, "connections/relay/outbox.html", {"page": page, "shown": shown})


@require_GET
@requires(VIEW)
def commands(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """What commits' messages asked of the target."""
    page = page_of(request, relay_id, "relay_commands")
    shown = relay_commands.deed_list(
        page.link,
        wish=relay_commands.DeedWish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
    )
    return render(request, "connections/relay/commands.html", {"page": page, "shown": shown})
