"""How far each stream is held: sums by workspace for the page, and a list of every container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from connections.explain import Explanation, explain
from connections.flows import plan
from connections.flows.keep import UNIDENTIFIED
from connections.models import Connection, StreamStand, SyncFailure, SyncRun
from portal import clock, cursor as cursors, phrases

ORDER: Final = ("name", "stream", "id")
STATES: Final = {
    "": "In trouble",
    "waiting": "To be read",
    "all": "All",
}
TROUBLE: Final = (StreamStand.FAILING, StreamStand.PARTIAL, StreamStand.HELD_BACK)
BOUNDED: Final = frozenset({"commits", "statuses", "pipelines", "deployments"})  # not all is kept
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    StreamStand.NEW: ("hourglass", "plain"),
    StreamStand.READING: ("refresh", "plain"),
    StreamStand.CURRENT: ("circle-check", "good"),
    StreamStand.PARTIAL: ("alert-triangle", "warning"),
    StreamStand.HELD_BACK: ("alert-triangle", "warning"),
    StreamStand.FAILING: ("circle-x", "danger"),
}


@dataclass(frozen=True, slots=True)
class StreamLine:
    """One stream of one workspace, or of all its repositories together.

    `expected` is what the vendor said that there is, None where it did not of each container.
    """

    title: str
    workspace: str
    word: str
    icon: str
    tone: str
    containers: int
    waiting: int
    failing: int
    held: int
    expected: int | None
    failures: int
    removes_nothing: bool
    trouble: Explanation | None
    detail: str
    at: datetime | None


def stream_lines(
    run: SyncRun, titles: Mapping[str, str], product: str, *, is_support: bool = False
) -> list[StreamLine]:
    """Of each chosen workspace each stream. Support may not read what the vendor counted."""
    read = plan.streams_of(run.connection) if is_support else list(plan.chosen(run.connection))
    there = plan.states(run.connection, read)
    sums = _sums() if is_support else _sums() | _COUNTED
    grouped = there.values("workspace__name", "stream").annotate(**sums)
    failures = _failures(run)
    return [
        _line(row, titles, product, failures)
        for row in grouped.order_by("workspace__name", "repositories", "stream")
    ]


def _sums() -> dict[str, Any]:
    return {
        "containers": Count("id"),
        "repositories": Count("repository"),
        "waiting": Count("id", filter=Q(due_at__lte=clock.now())),
        "new": Count("id", filter=Q(stand=StreamStand.NEW)),
        **{
            each.value: Count("id", filter=Q(stand=each))
            for each in (*TROUBLE, StreamStand.READING)
        },
        "total_held": Sum("held"),
        "code": Max("error", filter=Q(stand=StreamStand.FAILING)),
        "at": Min("last_success_at"),
    }


_COUNTED: Final = {
    "expected": Sum("total"),
    "untold": Count("id", filter=Q(total=None) | Q(is_full=False)),
}


def _failures(run: SyncRun) -> dict[tuple[str, str], dict[str, Any]]:
    """What failed alone in the run, by stream and workspace."""
    rows = SyncFailure.objects.filter(run_id=run.id).values("stream", "workspace_name")
    found = rows.annotate(
        count=Count("id"),
        hiding=Count("id", filter=Q(code=UNIDENTIFIED)),
        detail=Max("detail"),
    )
    return {(row["stream"], row["workspace_name"]): row for row in found}


def _line(
    row: Mapping[str, Any],
    titles: Mapping[str, str],
    product: str,
    failures: Mapping[tuple[str, str], Mapping[str, Any]],
) -> StreamLine:
    word, (icon, tone) = _word(row)
    failed = failures.get((row["stream"], row["workspace__name"]), {})
    is_one, bounded = row["repositories"] == 0, row["stream"] in BOUNDED
    return StreamLine(
        title=titles.get(row["stream"], row["stream"].replace("-", " ").capitalize()),
        workspace=row["workspace__name"],
        word=word,
        icon=icon,
        tone=tone,
        containers=0 if is_one else row["containers"],
        waiting=row["waiting"],
        failing=row["failing"],
        held=row["total_held"] or 0,
        expected=None if bounded or row.get("untold", 1) else row["expected"],
        failures=failed.get("count", 0),
        removes_nothing=bool(failed.get("hiding")),
        trouble=explain(row["code"], product=product) if row["code"] else None,
        detail=failed.get("detail", "") if row["code"] and is_one else "",
        at=row["at"],
    )


def _word(row: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
    """The state of one, or of many together."""
    count = row["containers"]
    for stand in (StreamStand.FAILING, StreamStand.HELD_BACK):
        if row[stand.value]:
            some = "" if count == 1 else f": {row[stand.value]:,} of {count:,}"
            icon, tone = WORDS[stand]
            return f"{stand.label}{some}", (icon, tone if count == row[stand.value] else "warning")
    if row["new"]:
        if row["new"] == count and not row["reading"]:
            return "Waiting", WORDS[StreamStand.NEW]
        return f"{count - row['new']:,} of {count:,} read", WORDS[StreamStand.READING]
    stand = StreamStand.PARTIAL if row["partial"] else StreamStand.CURRENT
    stand = StreamStand.READING if row["reading"] else stand
    return stand.label, WORDS[stand]


# ── Every container ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class StateWish:
    """Which containers the address asks for; every value was checked."""

    search: str = ""
    stream: str = ""
    state: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> StateWish:
        """Raises BadRequest for a filter that is not on the list (F15)."""
        state = query.get("state", "")
        if state not in STATES:
            raise BadRequest("There is no such state.")
        return cls(query.get("q", "").strip()[:200], query.get("stream", "")[:40], state)

    def parameters(self) -> dict[str, str]:
        named = {"q": self.search, "stream": self.stream, "state": self.state}
        return {name: value for name, value in named.items() if value}

    @property
    def is_filtered(self) -> bool:
        return bool(self.parameters())


@dataclass(frozen=True, slots=True)
class StateRow:
    """One stream of one workspace or repository: how it stands, why, and who must act."""

    name: str
    title: str
    word: str
    icon: str
    tone: str
    held: int
    success: datetime | None
    since: datetime | None
    next_at: datetime | None
    trouble: Explanation | None
    detail: str

    @property
    def is_due(self) -> bool:
        return self.next_at is not None and self.next_at <= clock.now()


@dataclass(frozen=True, slots=True)
class StateList:
    wish: StateWish
    rows: list[StateRow]
    previous: str
    next: str
    count: str
    stream_options: list[tuple[str, str]]
    state_options: list[tuple[str, str]]


def state_list(
    *, connection: Connection, product: str, titles: Mapping[str, str], wish: StateWish, cursor: str
) -> StateList:
    """The page of this connection's streams by container that wish and cursor name."""
    rows = _wanted(connection, wish)
    window = cursors.page(rows, by=ORDER, cursor=cursor)
    total = rows.order_by().count() if window.rows else 0
    return StateList(
        wish=wish,
        rows=[_row(row, titles, product) for row in window.rows],
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        count=phrases.plural(total, "list") if total else "",
        stream_options=[("", "Any list"), *titles.items()],
        state_options=list(STATES.items()),
    )


def _wanted(connection: Connection, wish: StateWish) -> QuerySet[Any]:
    rows: QuerySet[Any] = plan.states(connection, plan.chosen(connection))
    rows = rows.annotate(name=Coalesce(F("repository__full_name"), F("workspace__name")))
    if wish.search:
        rows = rows.filter(name__icontains=wish.search)
    if wish.stream:
        rows = rows.filter(stream=wish.stream)
    if wish.state == "waiting":
        rows = rows.filter(due_at__lte=clock.now())
    elif wish.state == "":
        rows = rows.filter(stand__in=TROUBLE)
    return rows


def _row(row: Any, titles: Mapping[str, str], product: str) -> StateRow:
    icon, tone = WORDS[row.stand]
    return StateRow(
        name=row.name,
        title=titles.get(row.stream, row.stream),
        word=StreamStand(row.stand).label,
        icon=icon,
        tone=tone,
        held=row.held,
        success=row.last_success_at,
        since=row.failing_since,
        next_at=row.due_at,
        trouble=explain(row.error, product=product) if row.error else None,
        detail=row.error_detail,
    )


def _address(wish: StateWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}#streams" if cursor else ""
