"""The doctor's checks of work: what is due is done, no lease outlives its worker, schedules run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connections

from portal import clock, doctor, fairness
from portal.models import Priority, Schedule
from portal.problem import Problem

PATIENCE: Final = timedelta(seconds=60)
FAILED_TOO_OFTEN: Final = 3
LONGEST_SWEEP: Final = 1.3  # of SWEEP_SECONDS

# A job waits since it was due, or since the lease of a worker that died has ended.
_STUCK: Final = """
SELECT priority, count(*) FROM portal_job
 WHERE done_at IS NULL AND run_at < now() - make_interval(secs => %s) AND {lease}
 GROUP BY 1 ORDER BY 1
"""
_LATE: Final = _STUCK.format(
    lease="(lease_until IS NULL OR lease_until < now() - make_interval(secs => %s))"
)
_LEFT: Final = _STUCK.format(lease="lease_until < now() - make_interval(secs => %s)")
_RUNNING: Final = """
SELECT priority, count(*) FROM portal_job
 WHERE done_at IS NULL AND lease_until >= now() GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Stuck:
    """So many jobs of a class should have been taken; `has_room` when a hand was free for them."""

    kind: Priority
    count: int
    has_room: bool

    @property
    def remedy(self) -> str:
        return "Read the workers' logs." if self.has_room else "Start another worker."


@doctor.check("due work")
def due_work() -> Iterator[Problem]:
    """Nothing waits longer than a minute while workers live, but what has to leave hands free."""
    for one in _stuck(_LATE, PATIENCE):
        what = f"{one.count} due jobs of the class “{one.kind.label}” wait for over a minute."
        yield Problem(what, one.remedy)


@doctor.check("leases")
def leases() -> Iterator[Problem]:
    """No lease ended two sweeps ago: by then a living worker has taken the job over."""
    for one in _stuck(_LEFT, timedelta(seconds=2 * LONGEST_SWEEP * settings.SWEEP_SECONDS)):
        what = f"{one.count} jobs of the class “{one.kind.label}” were left by workers that died."
        yield Problem(what, one.remedy)


def _stuck(query: str, patience: timedelta) -> Iterator[Stuck]:
    """What waits for longer although workers live; a backlog of syncs with its share is none."""
    hands = fairness.hands()
    if not hands:
        return  # the check of workers says so
    with connections["sweeper"].cursor() as cursor:
        cursor.execute(_RUNNING)
        running = {Priority(row[0]): row[1] for row in cursor.fetchall()}
        cursor.execute(query, [PATIENCE.total_seconds(), patience.total_seconds()])
        rows = cursor.fetchall()
    for kind, count in ((Priority(row[0]), row[1]) for row in rows):
        has_room = fairness.has_room(kind, running, hands)
        if has_room or kind < fairness.INCREMENTAL:
            yield Stuck(kind, count, has_room)


@doctor.check("schedules")
def scheduled() -> Iterator[Problem]:
    """Every schedule runs when it is due, and does not fail again and again."""
    late = clock.now() - PATIENCE - timedelta(seconds=settings.SWEEP_SECONDS)
    for schedule in Schedule.objects.order_by("name"):
        if schedule.failures >= FAILED_TOO_OFTEN:
            yield Problem(
                f"The schedule {schedule.name} failed {schedule.failures} times in a row"
                f" ({schedule.last_error}).",
                "Read the workers' logs.",
            )
        elif fairness.hands() and schedule.next_run_at < late and not schedule.is_running:
            yield Problem(
                f"The schedule {schedule.name} should have run at"
                f" {schedule.next_run_at:%Y-%m-%d %H:%M} UTC.",
                "Read the workers' logs.",
            )
