"""The sync tab: the run under way with its progress, what failed so far, and the runs before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from connections import registry
from connections.explain import Explanation, explain
from connections.models import Connection, RunState, SyncFailure, SyncRun
from connections.queries.budgets import BudgetLine, budget_line
from connections.queries.happenings import Happening, lately
from connections.queries.streams import StreamLine, stream_lines
from portal import phrases

HISTORY = 30
READ_TO_THE_END = (RunState.DONE, RunState.PARTIAL, RunState.QUARANTINED)
Same = tuple[str, str, str]
FAILURES_SHOWN = 50
RUN_WORDS: Mapping[str, tuple[str, str]] = {
    RunState.QUEUED: ("hourglass", "plain"),
    RunState.RUNNING: ("refresh", "plain"),
    RunState.DONE: ("circle-check", "good"),
    RunState.PARTIAL: ("alert-triangle", "warning"),
    RunState.QUARANTINED: ("alert-triangle", "warning"),
    RunState.FAILED: ("circle-x", "danger"),
    RunState.CANCELLED: ("circle-minus", "plain"),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; `remaining` only when the total is known and some of it was read."""

    done: int
    total: int | None
    rate: str
    remaining: str
    now: str
    failed: int


@dataclass(frozen=True, slots=True)
class FailureLine:
    label: str
    workspace: str
    why: str
    detail: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Shrink:
    """What would be removed, and is held back until a person agrees."""

    title: str
    workspace: str
    known: int
    gone: int


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of the history."""

    at: datetime
    word: str
    icon: str
    tone: str
    records: int
    took: str
    requests: int
    requested_by: str


@dataclass(frozen=True, slots=True)
class RunDetail:
    """The latest run, whole."""

    run: SyncRun
    word: str
    icon: str
    tone: str
    progress: Progress
    streams: list[StreamLine]
    failures: list[FailureLine]
    shrink: list[Shrink]
    trouble: Explanation | None

    @property
    def is_quarantined(self) -> bool:
        return bool(self.run.state == RunState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class SyncTab:
    latest: RunDetail | None
    history: list[RunLine]
    budget: BudgetLine | None = None
    happenings: Sequence[Happening] = ()


def sync_tab(*, connection: Connection, product: str, is_support: bool = False) -> SyncTab:
    """The whole tab; for support, what its role may read."""
    rows = SyncRun.objects.filter(connection_id=connection.id).order_by("-created_at")
    runs = list(rows[:HISTORY])
    if not runs:
        return SyncTab(latest=None, history=[])
    latest = run_detail(runs[0], connection, product, is_support=is_support)
    spent = None if is_support else budget_line(connection)
    if spent is not None and spent.takes:  # then not its own pace says how long it takes
        latest = replace(latest, progress=replace(latest.progress, remaining=""))
    return SyncTab(
        latest=latest,
        history=[_run_line(run) for run in runs[1:]],
        budget=spent,
        happenings=() if is_support else lately(connection),
    )


def run_detail(
    run: SyncRun, connection: Connection, product: str, *, is_support: bool = False
) -> RunDetail:
    """One run with what failed in it, and its connection's streams."""
    titles = stream_titles(connection.connector)
    failures = SyncFailure.objects.filter(run_id=run.id).order_by("-at")
    icon, tone = RUN_WORDS[run.state]
    return RunDetail(
        run=run,
        word=RunState(run.state).label,
        icon=icon,
        tone=tone,
        progress=progress_of(run, failed=failures.count()),
        streams=stream_lines(run, titles, product, is_support=is_support),
        failures=_failures(run, list(failures[:FAILURES_SHOWN]), product),
        shrink=[_shrink(entry, titles) for entry in run.shrink if isinstance(entry, dict)],
        trouble=explain(run.error, product=product) if run.error else None,
    )


def progress_of(run: SyncRun, *, failed: int) -> Progress:
    """Rate over the run's own time; an estimate is told only after five seconds of reading."""
    end = run.finished_at or timezone.now()
    seconds = (end - run.started_at).total_seconds() if run.started_at else 0.0
    rate = run.done / seconds if seconds >= 1 else 0.0
    left = (run.total - run.done) / rate if run.total and rate and seconds >= 5 else 0.0
    return Progress(
        done=run.done,
        total=max(run.total, run.done) if run.total else None,
        rate=f"{rate:,.0f} a second" if rate >= 1 else "",
        remaining=phrases.span(left) if left >= 1 and run.is_live else "",
        now=run.now_reading if run.is_live else "",
        failed=failed,
    )


def stream_titles(connector: str) -> dict[str, str]:
    found = registry.connectors().get(connector)
    return {stream.key: stream.title for stream in found.streams} if found else {}


def _failures(run: SyncRun, rows: list[SyncFailure], product: str) -> list[FailureLine]:
    since = _since(run, rows) if rows else {}
    return [
        FailureLine(
            label=row.label,
            workspace=row.workspace_name,
            why=explain(row.code, product=product).title,
            detail=row.detail,
            since=since.get(_same(row), row.at),
        )
        for row in rows
    ]


def _same(row: SyncFailure) -> Same:
    return (row.stream, row.workspace_name, row.label)


def _since(run: SyncRun, rows: list[SyncFailure]) -> dict[Same, datetime]:
    """When each began to fail in every run that was read to its end, as far as the history goes."""
    before = SyncRun.objects.filter(connection_id=run.connection_id, state__in=READ_TO_THE_END)
    ids = before.filter(created_at__lt=run.created_at).order_by("-created_at")
    labels = {row.label for row in rows}
    found: dict[UUID, dict[Same, datetime]] = {
        key: {} for key in ids.values_list("id", flat=True)[:HISTORY]
    }
    for row in SyncFailure.objects.filter(run_id__in=list(found), label__in=labels):
        found[row.run_id][_same(row)] = row.at
    since = {_same(row): row.at for row in rows}
    unbroken = set(since)
    for failed in found.values():
        unbroken &= failed.keys()
        since |= {same: failed[same] for same in unbroken}
    return since


def _shrink(entry: Mapping[str, Any], titles: Mapping[str, str]) -> Shrink:
    stream = str(entry.get("stream", ""))
    return Shrink(
        title=titles.get(stream, stream),
        workspace=str(entry.get("name", "")),
        known=int(entry.get("before", 0)),
        gone=int(entry.get("missing", 0)),
    )


def _run_line(run: SyncRun) -> RunLine:
    icon, tone = RUN_WORDS[run.state]
    took = ""
    if run.started_at and run.finished_at:
        took = phrases.span((run.finished_at - run.started_at).total_seconds())
    return RunLine(
        at=run.created_at,
        word=RunState(run.state).label,
        icon=icon,
        tone=tone,
        records=run.done,
        took=took,
        requests=run.requests,
        requested_by=run.requested_by or "Portal",
    )
