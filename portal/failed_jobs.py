"""Operators are told of jobs that were given up: one notice for each kind, until a day is quiet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from django.db import connections
from django.urls import reverse

from portal import clock, notices, tenancy, work
from portal.models import Notice
from portal.phrases import plural

FAILED = "job_failed"
REMEMBERED = timedelta(days=1)

_COUNT = "SELECT kind, count(*) FROM portal_job WHERE failed_at > %s GROUP BY kind ORDER BY kind"


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job, to be the subject of a notice."""

    name: str

    @property
    def id(self) -> UUID:
        return uuid5(tenancy.PLATFORM, self.name)

    def __str__(self) -> str:
        return self.name


@work.every("notices.failed_jobs", 300)
def tell_operators() -> None:
    """What was given up within a day is told; what was not any more is over."""
    with connections["sweeper"].cursor() as cursor:
        cursor.execute(_COUNT, [clock.now() - REMEMBERED])
        failed = {JobKind(str(row[0])): int(row[1]) for row in cursor.fetchall()}
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        causes = {f"{FAILED}:{kind}" for kind in failed}
        still_open = Notice.objects.filter(kind=FAILED, resolved_at=None)
        for cause in still_open.values_list("dedupe", flat=True):
            if cause not in causes:
                notices.resolve(cause)
        for kind, count in failed.items():
            notices.tell(
                FAILED,
                subject=kind,
                audience=notices.operators(),
                dedupe=f"{FAILED}:{kind}",
                url=reverse("platform_queues"),
                body=f"{plural(count, 'job')} of this kind ended in vain within a day. Nobody tries"
                " again until somebody looks.",
            )
