"""What every installation does every so often: rows that any worker claims, and no beat process.

`every(name, seconds)` registers a function; each worker asks for what is due. A doubled or absent
tick is harmless: a run is held by a lease, and what was missed is made up for once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from portal import clock, roles
from portal.models import Schedule
from portal.steps import step

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 900  # after a failure
FORGOTTEN_AFTER = timedelta(days=2)

# A next run more than a period away was written by a clock that has been set back since.
_CLAIM = """
UPDATE portal_schedule SET lease_owner = %(owner)s, started_at = %(now)s,
       lease_until = clock_timestamp()
                   + make_interval(secs => least(900, greatest(60, period_seconds)))
 WHERE name = (SELECT name FROM portal_schedule
                WHERE name = ANY (%(names)s)
                  AND (next_run_at <= %(now)s
                       OR next_run_at > %(now)s + make_interval(secs => period_seconds + 60))
                  AND (lease_until IS NULL OR lease_until < clock_timestamp())
                ORDER BY next_run_at, name FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING name, next_run_at, failures
"""

Run = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is done, and how often."""

    seconds: int
    run: Run


_entries: dict[str, Entry] = {}


def every(name: str, seconds: int) -> Callable[[Run], Run]:
    """Register a function that one worker of all calls every so many seconds.

    It may run twice, or twice at once when it outlives its lease (its period, between one minute
    and fifteen), so it must not mind. It opens its own transactions.
    """

    def register(run: Run) -> Run:
        _entries[name] = Entry(seconds, run)
        return run

    return register


def run_due() -> int:
    """Do what is due and held by nobody; one that raises keeps nothing from the others."""
    _write_down()
    done = 0
    while done <= len(_entries) and (held := _claim()):
        _run(held)
        done += 1
    return done


def _write_down() -> None:
    """What is registered has a row: a new one is due at once, a changed period holds from now."""
    periods = dict(Schedule.objects.values_list("name", "period_seconds"))
    now = clock.now()
    missing = [
        Schedule(name=name, period_seconds=entry.seconds, next_run_at=now)
        for name, entry in _entries.items()
        if name not in periods
    ]
    Schedule.objects.bulk_create(missing, ignore_conflicts=True)
    for name, entry in _entries.items():
        if periods.get(name, entry.seconds) != entry.seconds:
            Schedule.objects.filter(name=name).update(period_seconds=entry.seconds, next_run_at=now)


@dataclass(frozen=True, slots=True)
class Held:
    """A run that this worker holds: when it was due, and how often in a row it has failed."""

    name: str
    owner: UUID
    due_at: datetime
    failures: int


def _claim() -> Held | None:
    owner, now = uuid4(), clock.now()
    with roles.connection().cursor() as cursor:
        cursor.execute(_CLAIM, {"owner": owner, "now": now, "names": list(_entries)})
        row = cursor.fetchone()
    if row is None:
        return None
    step("schedule.claimed")
    return Held(row[0], owner, row[1], row[2])


def _run(held: Held) -> None:
    entry, error = _entries[held.name], ""
    try:
        entry.run()
    except Exception as raised:  # the outermost loop of a schedule: its row keeps the reason
        log.exception("schedule.raised", extra={"schedule": held.name})
        error = type(raised).__name__[:80]
    step("schedule.ran")
    failures = held.failures + 1 if error else 0
    # Whose lease ended has nothing more to say: another worker has run it since.
    Schedule.objects.filter(name=held.name, lease_owner=held.owner).update(
        next_run_at=next_run(held.due_at, entry.seconds, failures=failures),
        ended_at=clock.now(),
        lease_owner=None,
        lease_until=None,
        last_error=error,
        failures=failures,
    )


def next_run(due_at: datetime, seconds: int, *, failures: int) -> datetime:
    """In step with when it was due; missed runs are not made up for, a failed one comes sooner."""
    now = clock.now()
    if failures:
        wait = min(seconds, LONGEST_WAIT_SECONDS, 10 * 2 ** min(failures, 10))
        return now + timedelta(seconds=wait)
    period = timedelta(seconds=seconds)
    in_step = due_at + period
    return in_step if now < in_step <= now + period else now + period


def forget() -> None:
    """Delete the rows of schedules that no release runs any more."""
    Schedule.objects.filter(next_run_at__lt=clock.now() - FORGOTTEN_AFTER).exclude(
        name__in=list(_entries)
    ).delete()
