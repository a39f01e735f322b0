"""What operators see of work: what waits, runs and failed, by class and organization, never whose.

The rows come from functions of the lookup role, which ask again if the asker is an operator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from portal import audit, fairness, roles, tenancy, work
from portal.audit import Action
from portal.models import Job, Priority, Schedule
from portal.policy import Actor


@dataclass(frozen=True, slots=True)
class Queue:
    """The unfinished jobs of one organization in one class."""

    kind: Priority
    organization_id: UUID
    slug: str
    name: str
    due: int
    running: int
    later: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One class of all organizations, and how many hands it may take of all there are."""

    kind: Priority
    most: int
    due: int
    running: int
    later: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that a worker holds, or held when it died."""

    id: UUID
    job: str
    kind: Priority
    slug: str
    name: str
    attempts: int
    claimed_at: datetime | None
    lease_until: datetime

    @property
    def is_over(self) -> bool:
        return self.lease_until < timezone.now()


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that was given up, and when it was tried again."""

    id: UUID
    job: str
    kind: Priority
    organization_id: UUID
    slug: str
    name: str
    reason: str
    attempts: int
    failed_at: datetime
    retried_at: datetime | None


class NothingToTry(Exception):
    """The job did not fail in the last week, or was tried again already."""


def queues(asker: UUID) -> list[Queue]:
    """By class, the one that waits longest first; empty when the asker is no operator."""
    return [Queue(Priority(row[0]), *row[1:]) for row in _called("portal_queues(%s)", asker)]


def classes(found: Iterable[Queue], hands: int) -> list[ClassLine]:
    """A line for every class, also for one in which nothing waits."""
    found = list(found)
    return [_line(kind, [one for one in found if one.kind == kind], hands) for kind in Priority]


def _line(kind: Priority, own: list[Queue], hands: int) -> ClassLine:
    return ClassLine(
        kind=kind,
        most=fairness.most(kind, hands),
        due=sum(one.due for one in own),
        running=sum(one.running for one in own),
        later=sum(one.later for one in own),
        oldest_due=min((one.oldest_due for one in own if one.oldest_due), default=None),
    )


def leases(asker: UUID) -> list[Lease]:
    """What is held now, the longest first."""
    rows = _called("portal_leases(%s)", asker)
    return [Lease(row[0], row[1], Priority(row[2]), *row[3:]) for row in rows]


def failed(asker: UUID, wanted: UUID | None = None) -> list[Failed]:
    """What was given up in the last seven days, the latest first; 500 at most."""
    rows = _called("portal_failed_jobs(%s, %s)", asker, wanted)
    return [Failed(row[0], row[1], Priority(row[2]), *row[3:]) for row in rows]


def schedules() -> list[Schedule]:
    """Every schedule, the next one first."""
    return list(Schedule.objects.order_by("next_run_at", "name"))


def try_again(*, actor: Actor, job_id: UUID) -> Failed:
    """The failed job is done once more, as a new row; on the record of its organization.

    Raises NothingToTry when there is no such job, it did not fail, or somebody was faster.
    """
    found = failed(actor.id, job_id) if actor.id else []
    if not found:
        raise NothingToTry
    with tenancy.acting_for(found[0].organization_id), tenancy.transaction():
        job = Job.objects.get(id=job_id)
        if not Job.objects.filter(id=job_id, retried_at=None).update(retried_at=timezone.now()):
            raise NothingToTry
        work.later(
            job.kind,
            priority=job.priority,
            dedupe=job.dedupe,
            max_attempts=job.max_attempts,
            **job.ref,
        )
        audit.record(Action.JOB_TRIED_AGAIN, actor=actor, subject=job, reason=job.last_error)
    return found[0]


def _called(function: str, *arguments: UUID | None) -> list[tuple[Any, ...]]:
    with roles.connection().cursor() as cursor:
        cursor.execute(f"SELECT * FROM {function}", list(arguments))  # noqa: S608
        return list(cursor.fetchall())
