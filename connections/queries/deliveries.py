"""Deliveries as people see them: a list by filters and cursor, and what each came to in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet

from connections.models import Connection, Delivery, DeliveryState, HookEndpoint, Repository
from connections.queries import products
from portal import clock, cursor as cursors

ORDER: Final = ("-received_at", "id")
MOST_COUNTED: Final = 1000
MOST_NAMES: Final = 200
LIST_FIELDS: Final = (
    *("id", "connection_id", "received_at", "sender_id", "event_key", "state", "error"),
    *("error_detail", "attempts", "possible_replay", "conflict", "size", "effect"),
    *("repository_id", "next_at", "applied_at"),
)
STATES: Final[Mapping[str, str]] = {
    "": "Any outcome",
    "new": "Waiting",
    "applied": "Applied",
    "ignored": "Nothing to do",
    "dead": "Failed",
    "discarded": "Discarded",
    "conflict": "Same id, other content",
    "replayed": "Possibly sent twice",
    "foreign": "Of another workspace",
}
TIMES: Final[Mapping[str, tuple[str, timedelta | None]]] = {
    "": ("Last 7 days", timedelta(days=7)),
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 hours", timedelta(days=1)),
    "month": ("Last 30 days", timedelta(days=30)),
    "all": ("All 90 days", None),
}
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    DeliveryState.NEW: ("hourglass", "plain"),
    DeliveryState.APPLIED: ("circle-check", "good"),
    DeliveryState.IGNORED: ("circle-minus", "plain"),
    DeliveryState.DEAD: ("circle-x", "danger"),
    DeliveryState.DISCARDED: ("trash", "plain"),
}
# What is said of an outcome; `errors.py` has no word for these, as no vendor answered anything.
REASONS: Final[Mapping[str, str]] = {
    "unreadable": "It is no message that can be read",
    "reading_failed": "Reading it failed",
    "never_finished": "Reading it ended the worker each time",
    "body_gone": "Its body was no longer kept",
    "connection_gone": "The connection takes no webhooks any more",
    "foreign": "It is about a workspace that this connection does not have",
}
BECAUSE: Final[Mapping[str, str]] = {
    "ping": "A test of the webhook",
    "unknown_event": "An event that we do not know",
    "foreign": "Of a workspace that this connection does not have",
    "not_chosen": "Of a workspace that nobody chose",
}


def reason_of(code: str) -> str:
    """What a person reads for the code of a failure."""
    return REASONS.get(code, code.replace("_", " ").capitalize()) if code else ""


@dataclass(frozen=True, slots=True)
class DeliveryWish:
    """Which deliveries the address asks for; every value was checked."""

    search: str = ""
    state: str = ""
    event: str = ""
    time: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> DeliveryWish:
        """Raises BadRequest for a filter that is not on the list (F15)."""
        state, time = query.get("state", ""), query.get("time", "")
        if state not in STATES or time not in TIMES:
            raise BadRequest("There is no such filter.")
        return cls(query.get("q", "").strip()[:200], state, query.get("event", "")[:100], time)

    def parameters(self) -> dict[str, str]:
        named = {"q": self.search, "state": self.state, "event": self.event, "time": self.time}
        return {name: value for name, value in named.items() if value}

    @property
    def is_filtered(self) -> bool:
        return bool(self.parameters())

    @property
    def sender(self) -> UUID | None:
        """The sender's id that is searched for, if it is one."""
        try:
            return UUID(self.search.strip("{}")) if self.search else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One line: what came, what it says, and what came of it."""

    id: UUID
    received_at: datetime
    event: str
    title: str
    says: str
    repository: str
    word: str
    icon: str
    tone: str
    because: str
    attempts: int
    next_at: datetime | None
    is_conflict: bool
    is_replay: bool
    size: int


@dataclass(frozen=True, slots=True)
class DeliveryList:
    wish: DeliveryWish
    rows: list[DeliveryRow]
    previous: str
    next: str
    count: str
    events: list[tuple[str, str]]
    is_first: bool

    @property
    def states(self) -> list[tuple[str, str]]:
        return list(STATES.items())

    @property
    def times(self) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in TIMES.items()]


def delivery_list(*, connection: Connection, wish: DeliveryWish, cursor: str) -> DeliveryList:
    """The page of this connection's deliveries that wish and cursor name, the latest first."""
    rows = _wanted(connection, wish)
    window = cursors.page(rows.only(*LIST_FIELDS), by=ORDER, cursor=cursor)
    titles = titles_of(connection.connector)
    return DeliveryList(
        wish=wish,
        rows=rows_of(window.rows, titles),
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        count=counted(rows) if window.rows else "",
        events=[("", "Any event"), *titles.items()],
        is_first=not window.previous,
    )


def titles_of(connector: str) -> dict[str, str]:
    """The events that the product's webhooks tell of, by the vendor's word."""
    manifest = products.manifest_of(connector)
    found = manifest.hooks.events if manifest and manifest.hooks else ()
    return {event.key: event.title for event in found}


def counted(rows: QuerySet[Delivery]) -> str:
    """How many there are, up to a thousand: more than that nobody counts for a page."""
    found = rows.order_by()[: MOST_COUNTED + 1].count()
    if found > MOST_COUNTED:
        return f"more than {MOST_COUNTED:,} deliveries"
    return f"{found:,} {'delivery' if found == 1 else 'deliveries'}"


def _wanted(connection: Connection, wish: DeliveryWish) -> QuerySet[Delivery]:
    rows: QuerySet[Delivery] = Delivery.objects.filter(connection_id=connection.id)
    if wish.state == "conflict":
        rows = rows.filter(conflict=True)
    elif wish.state == "replayed":
        rows = rows.filter(possible_replay=True)
    elif wish.state == "foreign":
        rows = rows.filter(error="foreign")
    elif wish.state:
        rows = rows.filter(state=wish.state)
    if wish.event:
        rows = rows.filter(event_key=wish.event)
    if wish.sender is not None:  # one is meant, however old
        return _sent_as(rows, connection, wish.sender)
    age = TIMES[wish.time][1]
    if age is not None:
        rows = rows.filter(received_at__gte=clock.now() - age)
    return _about(rows, connection, wish.search) if wish.search else rows


def _about(rows: QuerySet[Delivery], connection: Connection, name: str) -> QuerySet[Delivery]:
    """Of the repositories whose name has this in it."""
    found = Repository.objects.filter(connection_id=connection.id, full_name__icontains=name)
    return rows.filter(repository_id__in=list(found.values_list("id", flat=True)[:MOST_NAMES]))


def _sent_as(rows: QuerySet[Delivery], connection: Connection, sender: UUID) -> QuerySet[Delivery]:
    """With this id of the sender's, by the index that keeps it from being stored twice."""
    endpoints = HookEndpoint.objects.filter(connection_id=connection.id)
    same = Q(endpoint_id__in=list(endpoints.values_list("id", flat=True)))
    same &= Q(dedupe=b"\x01" + sender.bytes)  # as `receiving/storing.py` makes it
    return rows.filter(same | Q(conflict=True, sender_id=str(sender)))


def rows_of(found: Iterable[Delivery], titles: Mapping[str, str]) -> list[DeliveryRow]:
    """The lines, with the names of their repositories."""
    kept = list(found)
    names = names_of({one.repository_id for one in kept if one.repository_id})
    return [_row(one, titles, names) for one in kept]


def names_of(ids: set[UUID]) -> dict[UUID, str]:
    rows = Repository.objects.filter(id__in=ids) if ids else Repository.objects.none()
    return dict(rows.values_list("id", "full_name"))


def _row(one: Delivery, titles: Mapping[str, str], names: Mapping[UUID, str]) -> DeliveryRow:
    effect: dict[str, Any] = one.effect
    icon, tone = WORDS[one.state]
    return DeliveryRow(
        id=one.id,
        received_at=one.received_at,
        event=one.event_key,
        title=titles.get(one.event_key, ""),
        says=str(effect.get("says", "")),
        repository=names.get(one.repository_id, "") if one.repository_id else "",
        word=DeliveryState(one.state).label,
        icon=icon,
        tone=tone,
        because=reason_of(one.error) or BECAUSE.get(str(effect.get("because", "")), ""),
        attempts=one.attempts,
        next_at=one.next_at if one.state == DeliveryState.NEW and one.attempts else None,
        is_conflict=one.conflict,
        is_replay=one.possible_replay,
        size=one.size,
    )


def _address(wish: DeliveryWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}#log" if cursor else ""
