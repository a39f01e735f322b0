"""The charts: deliveries by the hour, the hour's requests, how long syncs take, what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Sum
from django.db.models.functions import TruncDay, TruncHour

from connections.budgets import Purpose
from connections.flows import budget
from connections.flows.delivery_hours import hour_of
from connections.models import (
    Connection,
    Delivery,
    DeliveryHour,
    MissedCause,
    MissedEvent,
    RunState,
    SyncRun,
)
from portal import clock
from portal.charts import Chart, Column, Series, chart

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
RUNS: Final = 30
MINUTES: Final = 5
OUTCOMES: Final = (
    ("applied", Series("Applied", "good")),
    ("ignored", Series("Nothing to do", "faint")),
    ("waiting", Series("Waiting", "accent")),
    ("discarded", Series("Discarded", "idle")),
    ("dead", Series("Failed", "danger")),
)
PURPOSES: Final = (
    ((Purpose.WAITING, Purpose.REFRESH), Series("Somebody waited", "accent")),
    ((Purpose.TOLD,), Series("Webhooks", "soft")),
    ((Purpose.INCREMENTAL,), Series("What changed", "idle")),
    ((Purpose.FULL,), Series("Reading all", "faint")),
)


@dataclass(frozen=True, slots=True)
class Span:
    """How far back a chart looks, and how long one of its bars is."""

    key: str
    label: str
    step: timedelta
    count: int

    def starts(self, now: datetime) -> list[datetime]:
        """The beginning of each bar, the oldest first."""
        last = hour_of(now) if self.step == HOUR else hour_of(now).replace(hour=0)
        return [last - self.step * i for i in reversed(range(self.count))]


SPANS: Final = (
    Span("day", "24 hours", HOUR, 24),
    Span("week", "7 days", HOUR, 168),
    Span("month", "30 days", DAY, 30),
)


def span_of(key: str) -> Span:
    """The span of that name, else the shortest."""
    return next((span for span in SPANS if span.key == key), SPANS[0])


def _column(at: datetime, span: Span, values: Iterable[float]) -> Column:
    there = at.astimezone(UTC)
    if span.step == DAY:
        return Column(f"{there:%Y-%m-%d}", f"{there.day} {there:%b}", tuple(values))
    short = f"{there:%H:%M}" if span.count == 24 else f"{there.day} {there:%b}"
    return Column(f"{there:%Y-%m-%d %H:%M} UTC", short, tuple(values))


# ── Deliveries ────────────────────────────────────────────────────────────────────────────────


def deliveries(connections: Sequence[UUID], span: Span, *, file_url: str = "") -> Chart:
    """How many came in each hour or day, by what became of them."""
    found = _hours(connections, span)
    columns = [
        _column(at, span, [found.get(at, {}).get(name, 0) for name, _ in OUTCOMES])
        for at in span.starts(clock.now())
    ]
    step = "hour" if span.step == HOUR else "day"
    return chart(
        "deliveries",
        f"Deliveries by {step}",
        [series for _, series in OUTCOMES],
        columns,
        about=f"Webhooks that came in during the last {span.label}, by the {step} in which they"
        " came (UTC) and by what became of them. Counted within a minute.",
        heading=step.capitalize(),
        empty=f"No webhook came in during the last {span.label}.",
        file_url=file_url,
    )


def _hours(connections: Sequence[UUID], span: Span) -> dict[datetime, dict[str, int]]:
    """The counts by the beginning of each bar; what is not counted yet waits."""
    first, trunc = span.starts(clock.now())[0], TruncHour if span.step == HOUR else TruncDay
    rows = DeliveryHour.objects.filter(connection_id__in=connections, hour__gte=first)
    sums = {name: Sum(name) for name, _ in OUTCOMES}
    grouped = rows.values(at=trunc("hour", tzinfo=UTC)).annotate(**sums)
    found = {row["at"]: {name: row[name] for name, _ in OUTCOMES} for row in grouped}
    waiting = Delivery.objects.filter(
        connection_id__in=connections, state=Delivery.State.NEW, received_at__gte=first
    )
    still = waiting.values(at=trunc("received_at", tzinfo=UTC)).annotate(count=Count("id"))
    for row in found.values():
        row["waiting"] = 0
    for each in still:  # these are few, or the chart says that they are many
        found.setdefault(each["at"], {})["waiting"] = each["count"]
    return found


# ── Requests ──────────────────────────────────────────────────────────────────────────────────


def requests(connection: Connection, *, file_url: str = "") -> Chart | None:
    """What the account of this connection asked in the last hour; None before it asked anything."""
    hour = budget.stand(connection.budget_id)
    if hour is None:
        return None
    now = int(hour.now.timestamp()) // 60
    first = now - 60 + 1
    columns = [
        Column(_minute(at), _minute(at)[-9:-4], _spent(hour.spent, at))
        for at in range(first, now + 1, MINUTES)
    ]
    left = hour.allows(Purpose.FULL, hour.per_hour)
    return chart(
        "requests",
        "Requests in the last hour",
        [series for _, series in PURPOSES],
        columns,
        about=f"{hour.used():,} of {hour.per_hour:,} requests of this account are used, {left:,}"
        " are left for reading. All connections that act as it share them. Bars are five minutes"
        " (UTC).",
        heading="From",
        empty="Nothing was asked in the last hour.",
        file_url=file_url,
    )


def _minute(at: int) -> str:
    return f"{datetime.fromtimestamp(at * 60, UTC):%Y-%m-%d %H:%M} UTC"


def _spent(spent: Mapping[int, Mapping[str, int]], first: int) -> tuple[int, ...]:
    minutes = [spent.get(at, {}) for at in range(first, first + MINUTES)]
    return tuple(
        sum(int(counts.get(str(purpose), 0)) for counts in minutes for purpose in purposes)
        for purposes, _ in PURPOSES
    )


# ── Syncs ─────────────────────────────────────────────────────────────────────────────────────

ENDS: Final = (
    ((RunState.DONE,), Series("Complete", "good")),
    ((RunState.PARTIAL, RunState.QUARANTINED), Series("With failures", "warning")),
    ((RunState.FAILED, RunState.CANCELLED), Series("Failed or cancelled", "danger")),
)


def durations(connection: Connection, *, file_url: str = "") -> Chart:
    """How long the latest syncs took, in minutes."""
    rows = SyncRun.objects.filter(connection_id=connection.id, finished_at__isnull=False)
    latest = rows.order_by("-created_at").only("created_at", "finished_at", "state")[:RUNS]
    columns = [_run(run) for run in reversed(latest)]
    return chart(
        "syncs",
        "How long syncs took",
        [series for _, series in ENDS],
        columns,
        about=f"The latest syncs, {RUNS} at most, in minutes from being asked for (UTC) to their"
        " end. A poll that finds nothing new is no sync.",
        heading="Asked for",
        unit="min",
        empty="No sync has ended yet.",
        file_url=file_url,
        sums=False,
    )


def _run(run: SyncRun) -> Column:
    assert run.finished_at is not None
    took = max(0.01, round((run.finished_at - run.created_at).total_seconds() / 60, 2))
    there = run.created_at.astimezone(UTC)
    values = tuple(took if run.state in states else 0 for states, _ in ENDS)
    return Column(f"{there:%Y-%m-%d %H:%M:%S} UTC", f"{there.day} {there:%b %H:%M}", values)


# ── Missed ────────────────────────────────────────────────────────────────────────────────────

CAUSES: Final = (
    (
        (MissedCause.NO_HOOK, MissedCause.HOOK_INACTIVE, MissedCause.ADDRESS_OFF),
        Series("Webhook missing or off", "danger"),
    ),
    ((MissedCause.TOO_LARGE,), Series("Lost or too large", "warning")),
    ((MissedCause.SILENT, MissedCause.REFUSED), Series("Nothing came", "accent")),
    ((MissedCause.BEFORE_HOOK,), Series("Before the webhook", "faint")),
)


def missed(connections: Sequence[UUID], *, days: int = 30, file_url: str = "") -> Chart:
    """How many changes of each day a sync found that no webhook had told of."""
    span = Span("", f"{days} days", DAY, days)
    starts = span.starts(clock.now())
    rows = MissedEvent.objects.filter(
        connection_id__in=connections, found_at__gte=starts[0], arrived_at=None
    )
    grouped = rows.values("cause", at=TruncDay("found_at", tzinfo=UTC)).annotate(count=Count("id"))
    found = {(row["at"], row["cause"]): row["count"] for row in grouped}
    columns = [
        _column(at, span, [sum(found.get((at, c), 0) for c in causes) for causes, _ in CAUSES])
        for at in starts
    ]
    return chart(
        "missed",
        "Missed events by day",
        [series for _, series in CAUSES],
        columns,
        about=f"Changes of the last {days} days that a sync found although no webhook had told of"
        " them, by the day on which they were found (UTC) and by their likeliest cause.",
        heading="Day",
        empty=f"Nothing was missed in the last {days} days.",
        file_url=file_url,
    )
