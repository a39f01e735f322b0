"""Service keys as their pages show them: the list, and one key with what it leased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import BadRequest
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connections.models import Connection, KeyScope, ServiceKey
from connections.queries import leases, products
from connections.queries.key_uses import GOT, TouchedPage, touched_by
from connections.queries.leases import LeasePage
from portal import cursor as cursors
from portal.phrases import plural
from portal.templatetags.portal import when

STATES: Final = {"": "Live keys", "frozen": "Frozen", "ended": "Expired or revoked", "all": "All"}
SCOPES: Final = {scope.value: scope.label for scope in KeyScope}
BRIEFLY: Final = {
    KeyScope.READ.value: "facts",
    KeyScope.LEASE.value: "reading tokens",
    KeyScope.LEASE_WRITE.value: "writing tokens",
}
STOPS: Final = {
    "too_many": "It asked for more different connections in an hour than it may.",
    "by_hand": "Somebody here froze it.",
    "restored_backup": "A restored backup does not know whether it was revoked since.",
    "exposed": "It was sent in an address, where logs keep it.",
}


@dataclass(frozen=True, slots=True)
class State:
    """How a key is: the badge, its word, and one sentence."""

    state: str
    word: str
    line: SafeString


def state_of(key: ServiceKey) -> State:
    """How this key is now."""
    if key.is_revoked:
        line = format_html("Revoked {}. It stays here for the record.", when(key.revoked_at))
        return State("paused", "Revoked", line)
    if key.is_expired:
        return State("paused", "Expired", format_html("Expired {}.", when(key.expires_at)))
    if key.frozen_at is not None:
        why = STOPS.get(key.frozen_because, "")
        return State("broken", "Frozen", format_html("Frozen {}. {}", when(key.frozen_at), why))
    used = (
        format_html("Last used {}.", when(key.last_used_at))
        if key.last_used_at
        else format_html("{}", "Not used yet.")
    )
    ends = format_html(" Expires {}.", when(key.expires_at)) if key.expires_at else ""
    return State("working", "Live", format_html("{}{}", used, ends))


# ── The list ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class KeyLine:
    key: ServiceKey
    how: State
    may: str
    reach: str


@dataclass(frozen=True, slots=True)
class KeyList:
    lines: list[KeyLine]
    previous: str
    next: str
    state: str
    search: str
    states: list[tuple[str, str]]
    is_empty: bool


def key_list(request: HttpRequest) -> KeyList:
    """One page of keys, the newest first; raises BadRequest for a state there is not."""
    state, search = request.GET.get("state", ""), request.GET.get("q", "").strip()[:80]
    if state not in STATES:
        raise BadRequest("There is no such state.")
    found = ServiceKey.objects.filter(_in_state(state))
    if search:
        found = found.filter(Q(name__icontains=search) | Q(prefix__startswith=search))
    page = cursors.page(found, by=("-created_at", "id"), cursor=request.GET.get("cursor", ""))
    return KeyList(
        lines=[KeyLine(key, state_of(key), may_briefly(key), reach(key)) for key in page.rows],
        previous=cursors.link(request, page.previous),
        next=cursors.link(request, page.next),
        state=state,
        search=search,
        states=list(STATES.items()),
        is_empty=not page.rows and not search and not ServiceKey.objects.exists(),
    )


def _in_state(state: str) -> Q:
    ended = Q(revoked_at__isnull=False) | Q(expires_at__lte=timezone.now())
    return {
        "": ~ended,
        "frozen": ~ended & Q(frozen_at__isnull=False),
        "ended": ended,
        "all": Q(),
    }[state]


def may(key: ServiceKey) -> list[str]:
    """What it may ask for, in words."""
    return [SCOPES.get(scope, scope) for scope in key.scopes]


def may_briefly(key: ServiceKey) -> str:
    """The same for a list."""
    words = ", ".join(BRIEFLY[scope] for scope in key.scopes if scope in BRIEFLY)
    return words[:1].upper() + words[1:]


def reach(key: ServiceKey) -> str:
    """Which connections it is for, in a few words."""
    names = ", ".join(products.name_of(slug) for slug in key.connectors)
    if not key.connections:
        return f"Every connection of {names}"
    return f"{plural(len(key.connections), 'connection')} of {names}"


# ── One key ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class KeyPage:
    key: ServiceKey
    how: State
    may: list[str]
    reach: str
    only: list[Any]
    touched: TouchedPage
    got_options: list[tuple[str, str]]
    leases: LeasePage

    @property
    def touched_count(self) -> str:
        """How many connections it asked for lately, in words."""
        return plural(self.touched.of_all, "connection")


def key_page(request: HttpRequest, key: ServiceKey) -> KeyPage:
    """One key: what it may, what it used in 30 days, and a page of its leases."""
    return KeyPage(
        key=key,
        how=state_of(key),
        may=may(key),
        reach=reach(key),
        only=list(Connection.objects.filter(id__in=key.connections).order_by("name")),
        touched=touched_by(request, key),
        got_options=list(GOT.items()),
        leases=leases.of_key(request, key),
    )
