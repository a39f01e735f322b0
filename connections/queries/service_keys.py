"""Service keys as their pages show them: the list, and one key with what it leased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connections.models import (
    Connection,
    KeyScope,
    KeyUse,
    Lease,
    LeaseOutcome,
    ServiceKey,
)
from connections.queries import products
from connections.queries.key_uses import RECENT, counted
from portal import cursor as cursors
from portal.phrases import plural
from portal.templatetags.portal import when

STATES: Final = {"": "Live keys", "frozen": "Frozen", "ended": "Expired or revoked", "all": "All"}
MOST_TOUCHED: Final = 200
SCOPES: Final = {scope.value: scope.label for scope in KeyScope}
BRIEFLY: Final = {
    KeyScope.READ.value: "facts",
    KeyScope.LEASE.value: "reading tokens",
    KeyScope.LEASE_WRITE.value: "writing tokens",
}
STOPS: Final = {
    "too_many": "It asked for more different connections in an hour than it may.",
    "by_hand": "Somebody here froze it.",
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
class Touched:
    """A connection that a key asked for, with how often it got a token lately."""

    id: UUID
    name: str
    last_at: datetime
    count: str


@dataclass(frozen=True, slots=True)
class LeaseLine:
    lease: Lease
    connection: str
    outcome: str
    tone: str


@dataclass(frozen=True, slots=True)
class KeyPage:
    key: ServiceKey
    how: State
    may: list[str]
    reach: str
    only: list[Any]
    touched: list[Touched]
    leases: list[LeaseLine]
    previous: str
    next: str
    outcome: str
    outcomes: list[tuple[str, str]]
    connection: str

    @property
    def touched_count(self) -> str:
        """How many connections it asked for lately, in words."""
        words = plural(len(self.touched), "connection")
        return f"{words} or more" if len(self.touched) >= MOST_TOUCHED else words

    @property
    def is_filtered(self) -> bool:
        return bool(self.outcome or self.connection)


def key_page(request: HttpRequest, key: ServiceKey) -> KeyPage:
    """One key: what it may, what it used in 30 days, and a page of its leases."""
    outcome, connection = request.GET.get("outcome", ""), request.GET.get("connection", "")
    page = cursors.page(
        _leases(key, outcome, connection),
        by=("-at", "-id"),
        cursor=request.GET.get("cursor", ""),
    )
    touched = touched_by(key)
    names: dict[Any, str] = {each.id: each.name for each in touched}
    names |= _names({lease.connection_id for lease in page.rows} - names.keys())
    return KeyPage(
        key=key,
        how=state_of(key),
        may=may(key),
        reach=reach(key),
        only=list(Connection.objects.filter(id__in=key.connections).order_by("name")),
        touched=touched,
        leases=[_line(lease, names) for lease in page.rows],
        previous=cursors.link(request, page.previous),
        next=cursors.link(request, page.next),
        outcome=outcome,
        outcomes=[("", "Any outcome"), *LeaseOutcome.choices],
        connection=connection,
    )


def _leases(key: ServiceKey, outcome: str, connection: str) -> QuerySet[Lease]:
    found: QuerySet[Lease] = Lease.objects.filter(service_key_id=key.id)
    if outcome:
        if outcome not in LeaseOutcome.values:
            raise BadRequest("There is no such outcome.")
        found = found.filter(outcome=outcome)
    if connection:
        try:
            found = found.filter(connection_id=UUID(connection))
        except ValueError:
            raise BadRequest("There is no such connection.") from None
    return found


def _line(lease: Lease, names: Mapping[Any, str]) -> LeaseLine:
    granted = lease.outcome == LeaseOutcome.GRANTED
    name = names.get(lease.connection_id) or f"Unknown: {lease.asked}"
    return LeaseLine(lease, name, lease.get_outcome_display(), "good" if granted else "warning")


def _names(ids: set[Any]) -> dict[Any, str]:
    return dict(Connection.objects.filter(id__in=ids - {None}).values_list("id", "name"))


def touched_by(key: ServiceKey, within: timedelta = RECENT) -> list[Touched]:
    """The connections that the key asked for lately, the last one first."""
    uses = KeyUse.objects.filter(service_key_id=key.id, last_at__gte=timezone.now() - within)
    found = list(uses.order_by("-last_at").values_list("connection_id", "last_at")[:MOST_TOUCHED])
    names = _names({connection_id for connection_id, _ in found})
    counts = counted(Lease.objects.filter(service_key_id=key.id), "connection_id", within)
    return [
        Touched(each, names.get(each, ""), last_at, counts.told(each)) for each, last_at in found
    ]
