"""The delivery log of a link: one line for each request to the target, the latest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet

from connections.models import Link, RelayAttempt, RelayItem
from connections.queries import products
from connections.queries.relay_state import reason
from connections.queries.relay_titles import called
from portal import clock, cursor as cursors, phrases

ORDER: Final = ("-at", "id")
MOST_SHOWN: Final = 50  # lines of one request; the rest is counted
MOST_SEARCHED: Final = 5_000  # requests
MOST_THINGS: Final = 20  # that a name may mean
TAKEN: Final = "accepted"
REFUSED: Final = ~Q(answer=TAKEN) | Q(failed__gt=0, accepted=0)
PARTLY: Final = ~REFUSED & (Q(failed__gt=0) | ~Q(unknown_subjects=[]))
STATES: Final[Mapping[str, tuple[str, Q]]] = {
    "": ("Any outcome", Q()),
    "taken": ("Taken whole", ~REFUSED & ~PARTLY),
    "partly": ("Taken in part", PARTLY),
    "failed": ("Not taken", REFUSED),
}
TIMES: Final[Mapping[str, tuple[str, timedelta | None]]] = {
    "": ("Last 7 days", timedelta(days=7)),
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 hours", timedelta(days=1)),
    "all": ("All 30 days", None),
}
KINDS: Final[Mapping[str, str]] = {
    "commit": "commit,commits",
    "branch": "branch,branches",
    "pull_request": "pull request,pull requests",
    "build": "build,builds",
    "deployment": "deployment,deployments",
}
OUTCOMES: Final[Mapping[str, tuple[str, str, str]]] = {
    "accepted": ("Taken", "circle-check", "good"),
    "withdrawn": ("Taken back", "circle-minus", "plain"),
    "unknown_subject": ("Names nothing that is there", "alert-triangle", "warning"),
    "refused": ("Refused", "circle-x", "danger"),
    "nothing": ("Nothing to send", "circle-minus", "plain"),
}


def kind_word(kind: str) -> str:
    """One thing that travels, as people call it: "pull request"."""
    return KINDS.get(kind, kind).partition(",")[0].replace("_", " ")


@dataclass(frozen=True, slots=True)
class LogWish:
    """Which requests the address asks for; every value was checked."""

    state: str = ""
    time: str = ""
    kind: str = ""
    search: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> LogWish:
        """Raises BadRequest for a filter that is not on the list (F15)."""
        state, time, kind = (query.get(name, "") for name in ("state", "time", "kind"))
        if state not in STATES or time not in TIMES or (kind and kind not in KINDS):
            raise BadRequest("There is no such filter.")
        return cls(state, time, kind, query.get("q", "").strip()[:200])

    def parameters(self) -> dict[str, str]:
        named = {"q": self.search, "state": self.state, "time": self.time, "kind": self.kind}
        return {name: value for name, value in named.items() if value}

    @property
    def is_filtered(self) -> bool:
        return bool(self.parameters())


@dataclass(frozen=True, slots=True)
class LogItem:
    """One event in a request, and what became of it."""

    kind: str
    key: str
    word: str
    icon: str
    tone: str
    detail: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """One request: what was in it, how long it took, what the target said."""

    id: UUID
    at: datetime
    what: str
    request: str
    latency: str
    accepted: int
    failed: int
    unplaced: int  # that named nothing which is there
    unknown: list[str]
    word: str
    icon: str
    tone: str
    because: str
    detail: str
    items: list[LogItem]
    more: int


@dataclass(frozen=True, slots=True)
class LogList:
    wish: LogWish
    lines: list[LogLine]
    previous: str
    next: str
    count: str
    is_first: bool

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [("", "Anything"), *((kind, kind_word(kind).capitalize()) for kind in KINDS)]

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in STATES.items()]

    @property
    def times(self) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in TIMES.items()]


def relay_log(link: Link, *, wish: LogWish, cursor: str) -> LogList:
    """The page of this link's requests that wish and cursor name."""
    window = cursors.page(_wanted(link, wish), by=ORDER, cursor=cursor)
    product = products.name_of(link.target.connector)
    return LogList(
        wish=wish,
        lines=[_line(row, product) for row in window.rows],
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        count=f"Found among the last {MOST_SEARCHED:,}" if wish.search else "The latest first",
        is_first=not window.previous,
    )


def _wanted(link: Link, wish: LogWish) -> QuerySet[Any]:
    rows: QuerySet[Any] = RelayAttempt.objects.filter(link_id=link.id)
    rows = rows.filter(STATES[wish.state][1])
    age = TIMES[wish.time][1]
    if age is not None:
        rows = rows.filter(at__gte=clock.now() - age)
    if wish.kind:
        rows = rows.filter(events__has_key=wish.kind)
    return _about(link, wish.search, rows) if wish.search else rows


def _about(link: Link, search: str, rows: QuerySet[Any]) -> QuerySet[Any]:
    """The requests with the things that are called so, or that named a subject which is not there;
    of the latest ones, because nothing but reading them tells what was in them."""
    latest = rows.order_by(*ORDER).values("id")[:MOST_SEARCHED]
    items = RelayItem.objects.filter(called(search), link_id=link.id).order_by("-changed_at")
    about = Q(unknown_subjects__overlap=[search, search.upper()])
    for id_ in items.values_list("id", flat=True)[:MOST_THINGS]:
        about |= Q(items__contains=[[str(id_)]])
    return RelayAttempt.objects.filter(about, id__in=latest)


def _line(row: RelayAttempt, product: str) -> LogLine:
    word, icon, tone = outcome(row)
    return LogLine(
        id=row.id,
        at=row.at,
        what=events_in_words(row.events),
        request=row.request,
        latency=phrases.span(row.latency_ms / 1000),
        accepted=row.accepted,
        failed=row.failed,
        unplaced=unplaced(row),
        unknown=list(row.unknown_subjects),
        word=word,
        icon=icon,
        tone=tone,
        because="" if row.answer == TAKEN else reason(row.answer, product=product).title,
        detail=row.detail,
        items=[item_of(each) for each in row.items[:MOST_SHOWN]],
        more=max(0, sum(row.events.values()) - min(len(row.items), MOST_SHOWN)),
    )


def outcome(row: RelayAttempt) -> tuple[str, str, str]:
    """What the target did with a request: word, icon and tone."""
    if row.answer != TAKEN:
        return "Not taken", "circle-x", "danger"
    if row.failed:
        said = "Taken in part", "alert-triangle", "warning"
        return said if row.accepted else ("Refused", "circle-x", "danger")
    if unplaced(row):
        return "Taken" if row.accepted else "Shown nowhere", "alert-triangle", "warning"
    return "Taken", "circle-check", "good"


def unplaced(row: RelayAttempt) -> int:
    """How many events the target took in that name nothing which is there."""
    if row.answer != TAKEN:
        return 0
    told: int = sum(row.events.values())
    return max(0, told - row.accepted - row.failed)


def events_in_words(events: Mapping[str, int]) -> str:
    """ "3 commits, 1 branch"."""
    known = sorted(events.items(), key=lambda each: [*KINDS, each[0]].index(each[0]))
    named = [phrases.plural(n, KINDS.get(kind, kind)) for kind, n in known if n]
    return ", ".join(named) or "Nothing"


def item_of(entry: list[Any]) -> LogItem:
    """From a line of `RelayAttempt.items`: id, kind, key, outcome, detail."""
    _, kind, key, outcome, detail = (*entry, "", "", "", "", "")[:5]
    word, icon, tone = OUTCOMES.get(str(outcome), (str(outcome), "circle-minus", "plain"))
    return LogItem(kind_word(str(kind)), str(key), word, icon, tone, str(detail))


def _address(wish: LogWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}" if cursor else ""
