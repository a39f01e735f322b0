"""How a browser holds the connect links it has opened, and what each page of one starts from."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from connections import registry
from connections.contracts import Manifest
from connections.flows import connect_links, guests
from connections.lookups import FoundConnectLink
from connections.models import ConnectLink, PendingLink
from portal import tenancy
from portal.policy import Actor

SESSION = "connect_links"  # the id of each link that was opened here, and its address's hash
BROWSER = "connect_browser"  # what links are begun under: it outlives a change of the session's key
MOST_OPENED = 50


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who came by a connect link, and how far this browser has come with it."""

    found: FoundConnectLink
    link: ConnectLink
    manifest: Manifest
    pending: PendingLink | None
    browser: str

    @property
    def sponsor(self) -> Actor:
        return connect_links.sponsor(self.link)

    def page(self, name: str) -> str:
        """The address of one of this link's pages."""
        return reverse(name, args=[self.link.id])


View = Callable[[HttpRequest, Guest], HttpResponse]


def by_connect_link(view: View) -> Callable[..., HttpResponse]:
    """The view acts for the organization of the link, which this session has opened, while it
    works."""

    @wraps(view)
    def inner(request: HttpRequest, connect_link_id: UUID) -> HttpResponse:
        kept = _opened(request).get(str(connect_link_id))
        found = guests.found(bytes.fromhex(kept)) if kept else None
        if found is None or found.id != connect_link_id:
            return gone(request, connect_link_id)
        with tenancy.acting_for(found.organization_id), tenancy.transaction():
            guest = _guest(request, found)
            return view(request, guest) if guest else gone(request, connect_link_id)

    return login_not_required(inner)


def gone(request: HttpRequest, connect_link_id: UUID | None = None) -> HttpResponse:
    opened = _opened(request)
    if opened.pop(str(connect_link_id), None):
        request.session[SESSION] = opened
    return render(request, "connections/connect/gone.html", status=404)


def browser(request: HttpRequest) -> str:
    """What this browser begins links under; empty before it has opened one."""
    known: str = request.session.get(BROWSER, "")
    return known


def _opened(request: HttpRequest) -> dict[str, str]:
    return dict(request.session.get(SESSION) or {})


def remember(request: HttpRequest, connect_link_id: UUID, kept: bytes) -> None:
    """This session has opened the link. A key that somebody planted opens nothing (O35): who is
    signed in got a new one then, and everybody else gets it here."""
    if not request.user.is_authenticated:
        request.session.cycle_key()
    if BROWSER not in request.session:
        request.session[BROWSER] = secrets.token_urlsafe(32)
    others = {key: each for key, each in _opened(request).items() if key != str(connect_link_id)}
    latest = list(others.items())[1 - MOST_OPENED :]
    request.session[SESSION] = dict(latest) | {str(connect_link_id): kept.hex()}


def _guest(request: HttpRequest, found: FoundConnectLink) -> Guest | None:
    known = ConnectLink.objects.select_related("relink").filter(id=found.id).first()
    if known is None:
        return None
    pending = guests.under_way(known, browser(request))
    if not guests.is_usable(known) and not guests.may_look_back(known, pending):
        return None
    manifest = registry.get(known.connector).manifest
    return Guest(found, known, manifest, pending, browser(request))
