"""Who is next: the most urgent class, in it the organization served longest ago, its oldest job.

A class leaves hands free for the ones above it, so that full syncs never take all of them. Hands
are the job threads of living workers, by their heartbeats; taken are as many as there are live
leases. Nothing is counted up and down, so a worker that dies leaves nothing behind. The walk itself
is `portal_claim` (migration 0004): one statement, whatever waits (trust.md §7.3).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models import Sum

from portal import clock
from portal.models import Heartbeat, Priority

WAITING, REFRESH, NORMAL, INCREMENTAL, FULL, HOUSEKEEPING = Priority

CLAIM = "SELECT * FROM portal_claim(%s, %s, greatest(now(), %s), %s::smallint[], %s::jsonb)"
DUE = """
SELECT count(*) FROM (SELECT 1 FROM portal_job
                       WHERE done_at IS NULL AND run_at <= greatest(now(), %s)
                         AND (lease_until IS NULL OR lease_until < now()) LIMIT %s) waiting
"""


@dataclass(frozen=True, slots=True)
class Share:
    """These classes together hold at most so many hands at the same time."""

    classes: tuple[Priority, ...]
    most: int


def shares(hands: int) -> tuple[Share, ...]:
    """What each class leaves to others, with so many hands; one hand alone does everything.

    From three hands on, one is left to people who wait and another one to refresh.
    """
    if hands < 2:
        return ()
    normal = max(1, hands - 2)
    bulk = max(1, min(hands * 3 // 4, normal - 1))
    full = max(1, min(hands // 2, bulk - 1))
    found = (
        Share(_from(NORMAL), normal),
        Share(_from(INCREMENTAL), bulk),
        Share(_from(FULL), full),
        Share(_from(HOUSEKEEPING), max(1, min(hands // 4, full - 1))),
    )
    if hands < 3:
        return found
    left_to_each = (Share(_but(urgent), hands - 1) for urgent in (WAITING, REFRESH))
    return (*found, *left_to_each)


def most(kind: Priority, hands: int) -> int:
    """How many hands a class may take when no other one works."""
    return min((each.most for each in shares(hands) if kind in each.classes), default=hands)


def has_room(kind: Priority, running: Mapping[Priority, int], hands: int) -> bool:
    """Whether one more job of this class may begin beside those that run."""
    return all(
        sum(running.get(each, 0) for each in share.classes) < share.most
        for share in shares(hands)
        if kind in share.classes
    )


def _from(first: Priority) -> tuple[Priority, ...]:
    return tuple(each for each in Priority if each >= first)


def _but(left_out: Priority) -> tuple[Priority, ...]:
    return tuple(each for each in Priority if each != left_out)


def hands() -> int:
    """How many jobs the living workers can do at the same time; none when no worker is known."""
    alive = Heartbeat.objects.filter(kind="worker", seen_at__gt=seen_since())
    return alive.aggregate(total=Sum("hands"))["total"] or 0


def seen_since() -> datetime:
    """A worker that missed three beats counts no more: its hands may be gone."""
    return clock.now() - timedelta(seconds=3 * settings.SWEEP_SECONDS + 5)


def claim(owner: UUID, *, among: Iterable[Priority] = Priority) -> tuple[UUID, UUID] | None:
    """Lease the next job to `owner`: its id and organization, or None when none may be done now.

    Classes are tried in the order of `among`. With no living worker, whoever asks may have any.
    """
    rules = [{"classes": each.classes, "most": each.most} for each in shares(hands())]
    with connections["sweeper"].cursor() as cursor:
        cursor.execute(
            CLAIM,
            [owner, settings.LEASE_SECONDS, clock.now(), [*map(int, among)], json.dumps(rules)],
        )
        row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def due(limit: int) -> int:
    """How many jobs wait for a worker now, counted up to `limit`."""
    with connections["sweeper"].cursor() as cursor:
        cursor.execute(DUE, [clock.now(), limit])
        return int(cursor.fetchone()[0])
