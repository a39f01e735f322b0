"""A link's outbox: what waits and since when, and what failed for good and waits for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Count, Q, QuerySet

from connections.models import Link, RelayCause, RelayItem, RelayState
from connections.queries import products
from connections.queries.relay_log import KINDS, kind_word
from connections.queries.relay_state import reason
from connections.queries.relay_titles import called, titles
from portal import clock, cursor as cursors, phrases

ORDER: Final = ("-changed_at", "id")
MOST_COUNTED: Final = 10_000
SHOWN_IN_PREVIEW: Final = 20
LISTS: Final[Mapping[str, tuple[str, RelayState | None]]] = {
    "": ("Waiting", RelayState.WAITING),
    "dead": ("Failed for good", RelayState.DEAD),
    "sent": ("Sent", RelayState.SENT),
    "nothing": ("Naming nothing", RelayState.NOTHING),
    "discarded": ("Discarded", RelayState.DISCARDED),
    "all": ("All", None),
}
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    RelayState.WAITING: ("hourglass", "plain"),
    RelayState.SENT: ("circle-check", "good"),
    RelayState.NOTHING: ("circle-minus", "plain"),
    RelayState.DEAD: ("circle-x", "danger"),
    RelayState.DISCARDED: ("trash", "plain"),
}


@dataclass(frozen=True, slots=True)
class BoxWish:
    """Which part of the outbox the address asks for; every value was checked."""

    part: str = ""
    kind: str = ""
    error: str = ""
    search: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> BoxWish:
        """Raises BadRequest for a filter that is not on the list (F15)."""
        part, kind = query.get("part", ""), query.get("kind", "")
        if part not in LISTS or (kind and kind not in KINDS):
            raise BadRequest("There is no such part of the outbox.")
        return cls(part, kind, query.get("error", "")[:40], query.get("q", "").strip()[:200])

    def parameters(self) -> dict[str, str]:
        named = {"part": self.part, "kind": self.kind, "error": self.error, "q": self.search}
        return {name: value for name, value in named.items() if value}

    @property
    def chosen(self) -> str:
        """What a deed about dead letters is told: the error."""
        return urlencode({"error": self.error}) if self.error else ""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.kind or self.error or self.search)


@dataclass(frozen=True, slots=True)
class BoxRow:
    """One thing on its way: what, of which repository, how far, and why not further."""

    id: UUID
    kind: str
    title: str
    key: str
    repository: str
    word: str
    icon: str
    tone: str
    cause: str
    subjects: list[str]
    heard_at: datetime
    next_at: datetime | None
    sent_at: datetime | None
    attempts: int
    because: str
    detail: str
    is_dead: bool


@dataclass(frozen=True, slots=True)
class BoxList:
    wish: BoxWish
    rows: list[BoxRow]
    previous: str
    next: str
    count: str
    kinds: list[tuple[str, str]]
    errors: list[tuple[str, str]]
    is_first: bool

    @property
    def parts(self) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in LISTS.items()]


def box_list(link: Link, *, wish: BoxWish, cursor: str) -> BoxList:
    """The page of this link's outbox that wish and cursor name, the latest change first."""
    rows = _wanted(link, wish)
    window = cursors.page(rows.select_related("repository"), by=ORDER, cursor=cursor)
    product = products.name_of(link.target.connector)
    return BoxList(
        wish=wish,
        rows=rows_of(window.rows, product),
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        count=counted(rows) if window.rows else "",
        kinds=[("", "Anything"), *((kind, kind_word(kind).capitalize()) for kind in KINDS)],
        errors=_errors(link, product) if wish.part == "dead" else [],
        is_first=not window.previous,
    )


def _wanted(link: Link, wish: BoxWish) -> QuerySet[Any]:
    rows: QuerySet[Any] = RelayItem.objects.filter(link_id=link.id)
    state = LISTS[wish.part][1]
    if state is not None:
        rows = rows.filter(state=state)
    if wish.kind:
        rows = rows.filter(kind=wish.kind)
    if wish.error:
        rows = rows.filter(error=wish.error)
    if wish.search:
        rows = rows.filter(called(wish.search) | Q(repository__full_name__icontains=wish.search))
    return rows


def _errors(link: Link, product: str) -> list[tuple[str, str]]:
    """The reasons that occur among what failed for good, each with how often."""
    dead = RelayItem.objects.filter(link_id=link.id, state=RelayState.DEAD).order_by()
    found = dead.values_list("error").annotate(count=Count("id")).order_by("-count", "error")[:30]
    named = [(code, f"{reason(code, product=product).title} ({n:,})") for code, n in found if code]
    return [("", "Any reason"), *named]


def counted(rows: QuerySet[Any]) -> str:
    """How many there are, up to ten thousand."""
    found = rows.order_by()[: MOST_COUNTED + 1].count()
    return f"more than {MOST_COUNTED:,}" if found > MOST_COUNTED else phrases.plural(found, "event")


def rows_of(items: Iterable[RelayItem], product: str) -> list[BoxRow]:
    """The lines of these, whose repositories are known."""
    kept = list(items)
    named = titles(kept)
    return [_row(each, named.get(each.id, ""), product) for each in kept]


def _row(item: RelayItem, title: str, product: str) -> BoxRow:
    icon, tone = WORDS[item.state]
    waits = item.state == RelayState.WAITING and item.due_at and item.due_at > clock.now()
    return BoxRow(
        id=item.id,
        kind=kind_word(item.kind).capitalize(),
        title=title,
        key=shortened(item.kind, item.key),
        repository=item.repository.full_name,
        word=str(RelayState(item.state).label),
        icon=icon,
        tone=tone,
        cause=str(RelayCause(item.cause).label),
        subjects=list(item.subjects),
        heard_at=item.heard_at or item.changed_at,
        next_at=item.due_at if waits else None,
        sent_at=item.sent_at,
        attempts=item.attempts,
        because=reason(item.error, product=product).title if item.error else "",
        detail=item.error_detail,
        is_dead=item.state == RelayState.DEAD,
    )


def shortened(kind: str, key: str) -> str:
    """A commit's hash as people write it; every other key as it is."""
    return key[:12] if kind == "commit" else key.removeprefix("branch:")


def _address(wish: BoxWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}" if cursor else ""


# ── Before a deed ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Preview:
    """What a deed about dead letters would take: all counted, the first ones in full."""

    count: int
    rows: list[BoxRow]

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


def preview(link: Link, found: QuerySet[Any]) -> Preview:
    """Of these events, which somebody wants to send again or to discard."""
    product = products.name_of(link.target.connector)
    first = found.select_related("repository").order_by(*ORDER)[:SHOWN_IN_PREVIEW]
    return Preview(found.order_by().count(), rows_of(first, product))
