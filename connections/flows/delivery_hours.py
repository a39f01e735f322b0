"""How many deliveries came in each hour and what became of them, counted where it may have changed.

A chart of a week reads a few hundred rows this way, however many million deliveries there are. An
hour of which a delivery gets another outcome is marked in that transaction, whenever it was, and
counted shortly after; until nothing of it waits it is counted again and again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models.functions import Greatest

from connections.models import DeliveryHour
from portal import clock, roles, tenancy, work
from portal.models import Job
from portal.steps import step

JOB: Final = "count_deliveries"
AFTER: Final = timedelta(seconds=30)
RECENT: Final = timedelta(hours=2)  # what arrives is applied or dead by then, mostly

# Hour by hour through the index: a join of all would read every delivery there is.
_COUNT = """
INSERT INTO connections_deliveryhour AS t (id, organization_id, connection_id, hour, applied,
       ignored, dead, discarded, waiting, counted_at)
SELECT gen_random_uuid(), %(organization)s, h.connection_id, h.hour, c.applied, c.ignored, c.dead,
       c.discarded, c.waiting, %(now)s
  FROM (SELECT e.connection_id, g.hour FROM connections_hookendpoint e,
               generate_series(%(since)s, %(now)s, interval '1 hour') AS g(hour)
         UNION
        SELECT o.connection_id, o.hour FROM connections_deliveryhour o WHERE o.waiting > 0) h
 CROSS JOIN LATERAL (
        SELECT count(*) AS every,
               count(*) FILTER (WHERE d.state = 'applied') AS applied,
               count(*) FILTER (WHERE d.state = 'ignored') AS ignored,
               count(*) FILTER (WHERE d.state = 'dead') AS dead,
               count(*) FILTER (WHERE d.state = 'discarded') AS discarded,
               count(*) FILTER (WHERE d.state = 'new') AS waiting
          FROM connections_delivery d
         WHERE d.organization_id = %(organization)s AND d.connection_id = h.connection_id
           AND d.received_at >= h.hour AND d.received_at < h.hour + interval '1 hour') c
 WHERE c.every > 0
 ORDER BY h.connection_id, h.hour
ON CONFLICT ON CONSTRAINT delivery_hour_once DO UPDATE
   SET applied = EXCLUDED.applied, ignored = EXCLUDED.ignored, dead = EXCLUDED.dead,
       discarded = EXCLUDED.discarded, waiting = EXCLUDED.waiting, counted_at = %(now)s
"""

# In the order of the rows, as the count above writes them: who waits for whom is always the same.
_MARK = """
INSERT INTO connections_deliveryhour AS t (id, organization_id, connection_id, hour, applied,
       ignored, dead, discarded, waiting, counted_at)
SELECT gen_random_uuid(), %(organization)s, j.connection_id, j.hour, 0, 0, 0, 0, 1, %(now)s
  FROM json_to_recordset(%(rows)s::json) AS j(connection_id uuid, hour timestamptz)
ON CONFLICT ON CONSTRAINT delivery_hour_once DO UPDATE SET waiting = 1 WHERE t.waiting = 0
"""


def hour_of(moment: datetime) -> datetime:
    """The hour it is in, by its beginning."""
    return moment.replace(minute=0, second=0, microsecond=0)


def ask() -> None:
    """The hours are counted shortly, once however often this is asked. Inside a transaction."""
    work.later(JOB, priority=work.HOUSEKEEPING, dedupe=JOB, run_at=clock.now() + AFTER)


def mark(changed: Iterable[tuple[str, datetime]]) -> None:
    """The hours of these (connection, moment of receiving) are not done with. In a transaction.

    They are counted when somebody asks, however long workers were away. Nothing is fetched here.
    """
    hours = sorted({(connection_id, hour_of(at)) for connection_id, at in changed})
    if not hours:
        return
    facts: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "rows": json.dumps([{"connection_id": one, "hour": at.isoformat()} for one, at in hours]),
        "now": clock.now(),
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_MARK, facts)


def count_again(changed: Iterable[tuple[UUID, datetime]]) -> None:
    """The hours of these, which were counted before, are counted anew. In a transaction.

    People may do this too; they make no rows.
    """
    hours: dict[UUID, set[datetime]] = {}
    for connection_id, moment in changed:
        hours.setdefault(connection_id, set()).add(hour_of(moment))
    for connection_id, theirs in hours.items():
        rows = DeliveryHour.objects.filter(connection_id=connection_id, hour__in=theirs)
        rows.update(waiting=Greatest("waiting", 1))  # as long as that, an hour is not done with
    if hours:
        ask()


def perform(claim: work.Claim) -> None:
    """The last hours, and those that are not done with, have their counts."""
    with tenancy.transaction():
        claim.hold()
        Job.objects.filter(id=claim.id).update(dedupe=None)  # what changes now asks for its own
    now = clock.now()
    facts: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "since": hour_of(now - RECENT),
        "now": now,
    }
    with tenancy.transaction():
        claim.hold()
        with roles.connection().cursor() as cursor:
            cursor.execute(_COUNT, facts)
        claim.done()
    step("deliveries.counted")
