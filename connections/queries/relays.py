"""Links between two connections as lists show them: health in words, lag, and the last trouble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse

from connections.models import Connection, Link, LinkRepository, LinkState, RelayItem, RelayState
from connections.queries import health, products
from connections.queries.relay_state import LATE, Outbox, Stand, stand_of
from portal import clock, cursor as cursors

ORDER: Final = ("-created_at", "id")
STATES: Final[Mapping[str, str]] = {
    "": "Any state",
    "draft": "Being set up",
    "active": "Active",
    "trouble": "In trouble",
    "paused": "Paused",
    "removed": "Removed",
}
ENDS: Final = (
    *("id", "organization_id", "name", "connector", "state", "paused_at", "suspect_since"),
    *("last_error", "orphaned_at", "revoked_at", "team_id"),
)
# What lists and support read: support's role may select no other column.
READ: Final = (
    *("id", "organization_id", "label", "way", "state", "choice", "includes_new", "created_at"),
    *("created_by", "activated_at", "paused_by", "paused_at", "removal", "removal_by"),
    *("removal_began_at", "removal_ended_at", "removal_total", "removal_done", "removal_left"),
    *("backfill_stand", "backfill_by", "backfill_since", "backfill_began_at", "backfill_ended_at"),
    *("backfill_total", "backfill_done", "last_sent_at", "last_error", "last_error_at"),
    *("failing_since", "waits_for", "waits_until"),
    *(f"{end}__{column}" for end in ("source", "target") for column in ENDS),
    *("destination__id", "destination__name"),
)


@dataclass(frozen=True, slots=True)
class RelayWish:
    """Which links the address asks for; every value was checked."""

    search: str = ""
    state: str = ""
    target: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> RelayWish:
        """Raises BadRequest for a filter that is not on the list (F15)."""
        state = query.get("state", "")
        if state not in STATES:
            raise BadRequest("There is no such state.")
        return cls(query.get("q", "").strip()[:200], state, query.get("target", "")[:40])

    def parameters(self) -> dict[str, str]:
        named = {"q": self.search, "state": self.state, "target": self.target}
        return {name: value for name, value in named.items() if value}

    @property
    def is_filtered(self) -> bool:
        return bool(self.parameters())


@dataclass(frozen=True, slots=True)
class RelayRow:
    """One link: from where to where, how it is, and how much of it takes part."""

    id: UUID
    url: str
    name: str
    source: str
    source_product: str
    target: str
    target_product: str
    destination: str
    stand: Stand
    outbox: Outbox
    enabled: int
    sent_at: datetime | None
    error: str
    error_at: datetime | None


@dataclass(frozen=True, slots=True)
class RelayList:
    wish: RelayWish
    rows: list[RelayRow]
    previous: str
    next: str
    targets: list[tuple[str, str]]
    total: int
    troubled: int
    paused: int
    removed: int

    @property
    def is_empty(self) -> bool:
        return not self.rows and not self.wish.is_filtered and not self.total

    @property
    def states(self) -> list[tuple[str, str]]:
        return list(STATES.items())


def name_of(link: Link) -> str:
    """What people call it: its own name, or from where to where it leads."""
    return link.label or f"{link.source.name} to {link.target.name}"


def relay_list(*, slug: str, wish: RelayWish, cursor: str, page: str = "relay") -> RelayList:
    """The page of links that wish and cursor name; `page` is the URL name of one."""
    every = seen()
    window = cursors.page(_wanted(every, wish), by=ORDER, cursor=cursor)
    connectors = every.order_by().values_list("target__connector", flat=True).distinct()
    found = sorted((each, products.name_of(each)) for each in connectors)
    return RelayList(
        wish=wish,
        rows=rows_of(window.rows, slug=slug, page=page),
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        targets=[("", "Any target"), *found],
        total=(counts := _counts(every))["total"],
        troubled=counts["troubled"],
        paused=counts["paused"],
        removed=counts["removed"],
    )


def _counts(every: QuerySet[Any]) -> dict[str, int]:
    """How many there are, and how many of them somebody should look at."""
    counted: dict[str, int] = every.order_by().aggregate(
        total=Count("id", filter=~Q(state=LinkState.REMOVED)),
        removed=Count("id", filter=Q(state=LinkState.REMOVED)),
        troubled=Count("id", filter=in_trouble()),
        paused=Count("id", filter=Q(state=LinkState.PAUSED)),
    )
    return counted


def in_trouble() -> Q:
    """Active, and not as it should be: what `stand_of` says of one, asked of many."""
    unable = health.condition("broken") | health.condition("paused") | health.not_installed()
    ends = Connection.objects.filter(unable).values("id")
    items = RelayItem.objects.filter(link_id=OuterRef("id"))
    waiting = items.filter(state=RelayState.WAITING, urgency=0)
    late = waiting.annotate(since=Coalesce("heard_at", "changed_at"))
    return Q(state=LinkState.ACTIVE) & (
        ~Q(failing_since=None)
        | Q(waits_until__gt=clock.now())
        | Q(source__in=ends)
        | Q(target__in=ends)
        | Q(Exists(items.filter(state=RelayState.DEAD)))
        | Q(Exists(late.filter(since__lt=clock.now() - LATE)))
    )


def seen() -> QuerySet[Any]:
    """The links both of whose connections this person sees: row security hides those of teams."""
    visible = Connection.objects.values("id")
    rows: QuerySet[Any] = Link.objects.filter(source__in=visible, target__in=visible)
    return rows.select_related("source", "target", "destination").only(*READ)


def _wanted(rows: QuerySet[Any], wish: RelayWish) -> QuerySet[Any]:
    if wish.state == "trouble":
        rows = rows.filter(in_trouble())
    elif wish.state == "removed":
        rows = rows.filter(state__in=(LinkState.REMOVING, LinkState.REMOVED))
    elif wish.state:
        rows = rows.filter(state=wish.state)
    else:
        rows = rows.exclude(state=LinkState.REMOVED)
    if wish.target:
        rows = rows.filter(target__connector=wish.target)
    if wish.search:
        named = Q(label__icontains=wish.search) | Q(source__name__icontains=wish.search)
        places = Q(target__name__icontains=wish.search)
        rows = rows.filter(named | places | Q(destination__name__icontains=wish.search))
    return rows


def links_of(connection: Connection, *, slug: str) -> list[RelayRow]:
    """All links that this connection is an end of, those that are over last."""
    mine = seen().filter(Q(source_id=connection.id) | Q(target_id=connection.id))
    return rows_of(
        mine.order_by(F("removal_ended_at").asc(nulls_first=True), *ORDER)[:100], slug=slug
    )


def rows_of(links: Iterable[Link], *, slug: str, page: str = "relay") -> list[RelayRow]:
    """The lines of these links, each with what waits in its outbox."""
    kept = list(links)
    boxes, enabled = outboxes(each.id for each in kept), enabled_in(each.id for each in kept)
    return [_row(each, boxes, enabled, slug, page) for each in kept]


def _row(
    link: Link,
    boxes: Mapping[UUID, Outbox],
    enabled: Mapping[UUID, int],
    slug: str,
    page: str,
) -> RelayRow:
    outbox = boxes.get(link.id, Outbox())
    stand = stand_of(link, outbox)
    return RelayRow(
        id=link.id,
        url=reverse(page, args=[slug, link.id]),
        name=name_of(link),
        source=link.source.name,
        source_product=products.name_of(link.source.connector),
        target=link.target.name,
        target_product=products.name_of(link.target.connector),
        destination=link.destination.name,
        stand=stand,
        outbox=outbox,
        enabled=enabled.get(link.id, 0),
        sent_at=link.last_sent_at,
        error=stand.trouble,
        error_at=link.last_error_at if link.failing_since else None,
    )


def outboxes(ids: Iterable[UUID]) -> dict[UUID, Outbox]:
    """What waits and what failed for good, by link; a back-fill's own wait is no lag."""
    live = Q(state=RelayState.WAITING)
    rows = RelayItem.objects.filter(
        link_id__in=list(ids), state__in=(RelayState.WAITING, RelayState.DEAD)
    )
    counted = rows.values_list("link_id").annotate(
        waiting=Count("id", filter=live & Q(urgency=0)),
        filling=Count("id", filter=live & Q(urgency__gt=0)),
        dead=Count("id", filter=Q(state=RelayState.DEAD)),
        oldest=Min(Coalesce("heard_at", "changed_at"), filter=live & Q(urgency=0)),
    )
    return {id_: Outbox(*numbers) for id_, *numbers in counted.order_by()}


def enabled_in(ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many repositories take part, by link."""
    rows = LinkRepository.objects.filter(link_id__in=list(ids), enabled=True)
    return dict(rows.values_list("link_id").annotate(count=Count("id")).order_by())


def _address(wish: RelayWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}" if cursor else ""


def since(days: int) -> datetime:
    """So many days ago, as back-fills reckon."""
    return clock.now() - timedelta(days=days)
