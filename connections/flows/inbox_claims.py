"""Which deliveries a worker has in hand: one row names a whole batch, so each is written once.

The row is committed before the first body is looked at. A worker that dies leaves it behind; when
its time has passed an attempt is counted for each of its deliveries, and from then on they go
alone. Whatever was tried before has its next attempt counted as it is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings

from connections.contracts import Event
from connections.flows.meanings import Outcome, Row
from portal import clock, roles, tenancy

MOST_BYTES: Final = 8 * 1024 * 1024  # of bodies in a batch; the first may be larger

FRESH, TRIED = "= 0", "> 0"

# Locked until the claim is committed, so that nobody else takes them meanwhile.
PICK: Final = """
SELECT id::text, connection_id::text, headers, body, attempts + 1, received_at
  FROM (SELECT due.*, sum(size) OVER (ORDER BY next_at, id) - size AS before
          FROM (SELECT id, connection_id, headers, body, attempts, received_at, next_at, size
                  FROM connections_delivery
                 WHERE state = 'new' AND next_at <= %(now)s AND attempts {which}
                   AND id NOT IN (SELECT unnest(deliveries) FROM connections_deliveryclaim)
                 ORDER BY next_at LIMIT %(most)s FOR UPDATE SKIP LOCKED) due) those
 WHERE before < %(bytes)s
"""

# A statement of its own: it sees the claims of those who held the locks before us.
_TAKE = """
INSERT INTO connections_deliveryclaim (id, organization_id, until, deliveries)
SELECT %(id)s, %(organization)s, %(until)s, array_agg(w.id)
  FROM unnest(%(ids)s::uuid[]) AS w(id)
 WHERE w.id NOT IN (SELECT unnest(deliveries) FROM connections_deliveryclaim)
HAVING count(*) > 0
RETURNING deliveries::text[]
"""

_COUNT = """
UPDATE connections_delivery SET attempts = attempts + 1 WHERE id = ANY (%(ids)s::uuid[])
"""

_GIVE_BACK = """
WITH given AS (DELETE FROM connections_deliveryclaim WHERE {which} RETURNING deliveries)
UPDATE connections_delivery d SET attempts = 1
  FROM (SELECT unnest(deliveries) AS id FROM given) g
 WHERE d.id = g.id AND d.state = 'new' AND d.attempts = 0
"""

Read = list[tuple[Row, Event | Outcome]]


@dataclass(slots=True)
class Batch:
    """Deliveries in hand under the claim `id`, and what they say, once they were read.

    `is_last` when no more were due as they were picked.
    """

    id: UUID
    rows: Sequence[Row]
    read: Read
    is_last: bool = False


def none() -> Batch:
    return Batch(uuid4(), (), [])


def wish(most: int) -> dict[str, Any]:
    """What `PICK` is asked with."""
    return {"now": clock.now(), "most": most, "bytes": MOST_BYTES}


def until() -> datetime:
    """When what is taken now has been in hand for long enough.

    Ask before the job is held: a claim that outlived its job's lease by a moment would still be
    there as the next worker begins, and nobody would come again.
    """
    return clock.now() + timedelta(seconds=settings.LEASE_SECONDS)


def take(rows: Sequence[Row], which: str, ends_at: datetime) -> Batch:
    """Those of the picked rows that nobody else has are in hand once this is committed."""
    if not rows:
        return none()
    facts: dict[str, Any] = {
        "id": uuid4(),
        "organization": tenancy.organization_id(),
        "until": ends_at,
        "ids": [row.id for row in rows],
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_TAKE, facts)
        found = cursor.fetchone()
        taken = set(found[0]) if found else set()
        if taken and which == TRIED:
            cursor.execute(_COUNT, {"ids": sorted(taken)})
    return Batch(facts["id"], [row for row in rows if row.id in taken], [])


def may_leave_some(picked: Sequence[Row], most: int) -> bool:
    """Whether more may be due than were picked with this wish."""
    return len(picked) >= most or sum(len(row.body or b"") for row in picked) >= MOST_BYTES


def give_back(batch: Batch) -> None:
    """Nobody has these in hand; each counts as tried, so it goes alone."""
    with roles.connection().cursor() as cursor:
        cursor.execute(_GIVE_BACK.format(which="id = %(id)s"), {"id": batch.id})


def give_back_ended() -> None:
    """The same for what workers had in hand whose time has passed."""
    with roles.connection().cursor() as cursor:
        cursor.execute(_GIVE_BACK.format(which="until < %(now)s"), {"now": clock.now()})
