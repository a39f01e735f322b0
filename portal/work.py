"""Work that survives: job rows claimed by lease, a lossy hint to wake workers, a sweeper.

`later` inserts a row and sends an empty hint after commit. A worker claims due rows through the
sweeper's role, enters the row's organization, and completes it only while it holds the lease.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, transaction
from django.utils import timezone

from portal import clock, context_vars, fairness, hints, roles, schedules, tenancy
from portal.fairness import FULL, HOUSEKEEPING, INCREMENTAL, NORMAL, REFRESH, WAITING
from portal.keys import KeysUnavailable
from portal.models import Job

log = logging.getLogger(__name__)

__all__ = ["FULL", "HOUSEKEEPING", "INCREMENTAL", "NORMAL", "REFRESH", "WAITING"]

every, due = schedules.every, fairness.due
stopping = threading.Event()  # this process takes no more work, and ends what it has in hand


class RetryLater(Exception):
    """The work cannot be done now; the row comes back after `seconds`, or by the usual back-off."""

    def __init__(self, code: str, *, seconds: float | None = None, free: bool = False) -> None:
        super().__init__(code)
        self.code, self.seconds, self.free = code, seconds, free


class LeaseLost(Exception):
    """Another worker may have this job by now; nothing more may be written for it."""


Run = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a job of this kind does: `run(claim, **ref)`, and `gave_up(code, **ref)` at the end."""

    run: Run
    gave_up: Callable[..., None] | None = None


UNKNOWN = "unknown_kind"
UNKNOWN_WAIT_SECONDS = 60  # while an upgrade lasts, another worker knows it
UNKNOWN_TRIES = 1440  # a day of them

_FREE: dict[str, Any] = {"lease_owner": None, "lease_until": None}
_NOBODY_WAITS = Kind(run=lambda *_: None)
_kinds: dict[str, Kind] = {}
_on_sweep: list[Callable[[], None]] = []


def job(name: str, *, gave_up: Callable[..., None] | None = None) -> Callable[[Run], Run]:
    """Register the function that does jobs of this kind."""

    def register(run: Run) -> Run:
        _kinds[name] = Kind(run=run, gave_up=gave_up)
        return run

    return register


def known() -> frozenset[str]:
    """The kinds of jobs that this version does."""
    return frozenset(_kinds)


def on_sweep(step: Callable[[], None]) -> Callable[[], None]:
    """Register something that every sweep of every worker does first; `every` is for schedules."""
    _on_sweep.append(step)
    return step


def later(
    kind: str,
    *,
    priority: int = NORMAL,
    run_at: datetime | None = None,
    dedupe: str | None = None,
    max_attempts: int = 8,
    **ref: UUID | str | int,
) -> None:
    """Insert the job in the open transaction and wake a worker after commit; `ref` holds ids only.

    With `dedupe`, a row of that name that is not done yet makes this one superfluous.
    """
    Job.objects.bulk_create(
        [
            Job(
                organization_id=tenancy.organization_id(),
                kind=kind,
                ref={name: str(value) for name, value in ref.items()},
                dedupe=dedupe,
                priority=priority,
                run_at=run_at or clock.now(),
                max_attempts=max_attempts,
                request_id=context_vars.request_id.get(),
            )
        ],
        ignore_conflicts=True,
    )
    transaction.on_commit(hints.wake, using=roles.current())


@dataclass(slots=True)
class Claim:
    """A job this worker holds; `hold()` makes a transaction's commit conditional on that."""

    id: UUID
    organization_id: UUID
    owner: UUID
    job: Job = field(init=False)
    held_at: float = field(default_factory=time.monotonic)

    def stay(self) -> None:
        """Extend a lease of which a third has gone; for long work outside transactions."""
        if time.monotonic() - self.held_at > settings.LEASE_SECONDS / 3:
            with tenancy.transaction():
                self.hold()

    def hold(self) -> None:
        """Extend the lease; raises LeaseLost when it ended, so the transaction rolls back."""
        with roles.connection().cursor() as cursor:
            cursor.execute(
                "UPDATE portal_job SET lease_until = clock_timestamp() + make_interval(secs => %s)"
                " WHERE id = %s AND lease_owner = %s AND lease_until > clock_timestamp()"
                " AND done_at IS NULL",
                [settings.LEASE_SECONDS, self.id, self.owner],
            )
            if cursor.rowcount != 1:
                raise LeaseLost(str(self.id))
        self.held_at = time.monotonic()

    def progressed(self) -> None:
        """A part is done for good: neither deaths nor waits before that count any more."""
        Job.objects.filter(id=self.id, attempts__gt=1).update(attempts=1)
        self.job.attempts = 1

    def done(self) -> None:
        """Complete the job in the open transaction, together with its effect."""
        self.hold()
        Job.objects.filter(id=self.id).update(done_at=timezone.now(), last_error="", **_FREE)


def claim(limit: int = 1) -> list[Claim]:
    """Claim up to `limit` due jobs, each the next in fairness; fewer when no more may be done."""
    owner = uuid4()
    found: list[Claim] = []
    while len(found) < limit and (row := fairness.claim(owner)):
        found.append(Claim(id=row[0], organization_id=row[1], owner=owner))
    return found


def drain(*, limit: int = 1000) -> int:
    """Do due jobs until none is left, `limit` tried, or the process stops; how many were tried."""
    tried = 0
    while tried < limit and not stopping.is_set() and (claims := claim()):
        _shielded(claims[0])
        tried += 1
    return tried


def _shielded(held: Claim) -> None:
    """A job that cannot even be put back is left to its lease; the jobs behind it go on."""
    try:
        perform(held)
    except DatabaseError:
        raise  # nothing can be done without it
    except Exception:
        log.exception("job.unsettled", extra={"job_id": str(held.id)})


def perform(held: Claim) -> None:
    """Do one claimed job inside its organization; whatever happens ends on its row."""
    with tenancy.acting_for(held.organization_id):
        with tenancy.transaction():
            held.job = Job.objects.get(id=held.id)
        request = context_vars.request_id.set(held.job.request_id)
        kind = context_vars.job_kind.set(held.job.kind)
        try:
            _attempt(held)
        finally:
            context_vars.job_kind.reset(kind)
            context_vars.request_id.reset(request)


def _attempt(held: Claim) -> None:
    kind = _kinds.get(held.job.kind)
    if kind is None:
        _put_back(held)
        return
    if held.job.last_error == UNKNOWN:
        held.job.attempts = 1  # workers of another version refused it: nobody has tried it yet
    if held.job.attempts > held.job.max_attempts:
        _fail(held, kind, held.job.last_error or "attempts_used_up")
        return
    try:
        kind.run(held, **held.job.ref)
        _complete(held)
    except LeaseLost:
        log.warning("job.lease_lost", extra={"job_id": str(held.id)})
    except ObjectDoesNotExist:  # deleted since: there is nothing left to do, nor to complain of
        log.warning("job.subject_gone", extra={"job_id": str(held.id), "kind": held.job.kind})
        _complete(held)
    except (RetryLater, KeysUnavailable) as error:
        _again(held, kind, error.code, error.seconds, free=error.free)
    except Exception as error:  # a worker's outermost loop: the row keeps the reason
        log.exception("job.raised", extra={"job_id": str(held.id), "kind": held.job.kind})
        _again(held, kind, type(error).__name__, None, free=False)


def _put_back(held: Claim) -> None:
    """A job of a version that runs beside this one waits for its workers, a day at most."""
    if held.job.attempts >= UNKNOWN_TRIES:
        _fail(held, _NOBODY_WAITS, UNKNOWN)
        return
    _wait(held, UNKNOWN, UNKNOWN_WAIT_SECONDS, attempts=held.job.attempts)


def _complete(held: Claim) -> None:
    with tenancy.transaction():
        if Job.objects.filter(id=held.id, done_at=None).exists():
            held.done()


def _again(held: Claim, kind: Kind, code: str, seconds: float | None, *, free: bool) -> None:
    if not free and held.job.attempts >= held.job.max_attempts:
        _fail(held, kind, code)
        return
    wait = backoff_seconds(held.job.attempts) if seconds is None else seconds
    _wait(held, code, wait, attempts=held.job.attempts - 1 if free else held.job.attempts)


def _wait(held: Claim, code: str, seconds: float, *, attempts: int) -> None:
    with tenancy.transaction():
        Job.objects.filter(id=held.id, lease_owner=held.owner).update(
            run_at=clock.now() + timedelta(seconds=seconds),
            attempts=attempts,
            last_error=code[:80],
            **_FREE,
        )


def _fail(held: Claim, kind: Kind, code: str) -> None:
    """The job ended in vain, and what waited for it is told; a telling that fails ends it too."""
    facts = {"job_id": str(held.id), "kind": held.job.kind, "code": code}
    try:
        _end(held, kind, code)
    except Exception:
        log.exception("job.gave_up_raised", extra=facts)
        _end(held, _NOBODY_WAITS, code)
    log.error("job.failed", extra=facts)


def _end(held: Claim, kind: Kind, code: str) -> None:
    with tenancy.transaction():
        ended = Job.objects.filter(id=held.id, lease_owner=held.owner).update(
            done_at=timezone.now(), failed_at=timezone.now(), last_error=code[:80], **_FREE
        )
        if ended and kind.gave_up:
            kind.gave_up(code, **held.job.ref)


def backoff_seconds(attempt: int) -> float:
    """Half to full jitter up to 5 s, 10 s, 20 s, … 15 minutes."""
    longest: int = min(900, 5 * 2 ** min(attempt - 1, 10))
    return random.uniform(0.5, 1) * longest


def start_due() -> None:
    """Every step of a sweep is taken; one that raises does not keep the others from it."""
    for step in _on_sweep:
        try:
            step()
        except Exception:
            log.exception("sweep.step_raised")


def sweep() -> int:
    """Run what is scheduled, then do what the broker lost; returns how many were tried."""
    start_due()
    schedules.run_due()
    return drain()
