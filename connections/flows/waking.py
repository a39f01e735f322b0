"""What came in by webhook and has no job: waits that ended, hints and workers that were lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connections as databases

from connections.flows import overload
from connections.flows.applying import FETCH, ask_to_apply, ask_to_fetch
from portal import clock, roles, tenancy, work
from portal.models import Job

log = logging.getLogger(__name__)

AT_HAND: Final = timedelta(seconds=2)  # a worker has that in hand, most likely
LATE: Final = timedelta(minutes=10)

_INBOXES = "SELECT connections_inboxes_waiting(%s)"
_TOLD = """
SELECT t.organization_id, array_agg(DISTINCT t.connection_id) FROM connections_dirtytarget t
  JOIN connections_connection c ON c.organization_id = t.organization_id AND c.id = t.connection_id
 WHERE t.due_at <= %(now)s AND (t.lease_until IS NULL OR t.lease_until < %(now)s)
   AND c.paused_at IS NULL AND c.state <> 'revoked'
 GROUP BY 1
"""


@work.every("connections.wake_told", settings.SWEEP_SECONDS)
def wake() -> None:
    """Every inbox and every connection with something due has a job."""
    now = clock.now()
    for organization_id in _inboxes(now - AT_HAND):
        with tenancy.acting_for(organization_id), tenancy.transaction():
            ask_to_apply()
    for organization_id, connections in _told(now):
        with tenancy.acting_for(organization_id), tenancy.transaction():
            for connection_id in sorted(set(connections) - _at_work()):
                ask_to_fetch(connection_id)
    late = len(list(_inboxes(now - LATE)))
    if late:
        log.error("inbox.late", extra={"organizations": late})
    overload.tell_operators(late)


def _at_work() -> set[UUID]:
    """The connections that a job fetches for, now or when its wait ends."""
    jobs = Job.objects.filter(kind=FETCH, done_at=None)
    return {UUID(ref["connection_id"]) for ref in jobs.values_list("ref", flat=True)}


def _inboxes(before: datetime) -> Iterator[UUID]:
    """The organizations whose inbox has something that was due by then."""
    with roles.connection().cursor() as cursor:
        cursor.execute(_INBOXES, [before])
        yield from [organization_id for (organization_id,) in cursor.fetchall()]


def _told(now: datetime) -> list[tuple[UUID, list[UUID]]]:
    with databases["sweeper"].cursor() as cursor:
        cursor.execute(_TOLD, {"now": now})
        return list(cursor.fetchall())
