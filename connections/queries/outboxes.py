"""What operators see of links: how much waits and failed in each organization, never what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from portal import clock, roles

ALARM: Final = timedelta(minutes=10)
MOST: Final = 200


@dataclass(frozen=True, slots=True)
class OutboxLine:
    """One organization's: its links, what is due and since when, and what failed for good."""

    organization_id: UUID
    slug: str
    name: str
    links: int
    failing: int
    waiting: int
    oldest: datetime | None
    dead: int

    @property
    def is_late(self) -> bool:
        return self.oldest is not None and clock.now() - self.oldest > ALARM


@dataclass(frozen=True, slots=True)
class Outboxes:
    """All organizations with links, the one that waits longest first."""

    shown: list[OutboxLine]
    count: int
    waiting: int
    failing: int
    dead: int
    oldest: datetime | None

    @property
    def is_late(self) -> bool:
        """Something waits although no target of it fails: then it is ours to look."""
        return any(line.is_late and not line.failing for line in self.shown)


def outboxes(asker: UUID) -> Outboxes:
    """Empty when the asker is no operator: the function in the database asks again."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT * FROM connections_outboxes(%s, %s)", [asker, clock.now()])
        found = [OutboxLine(*row) for row in cursor.fetchall()]
    return Outboxes(
        shown=found[:MOST],
        count=len(found),
        waiting=sum(one.waiting for one in found),
        failing=sum(one.failing for one in found),
        dead=sum(one.dead for one in found),
        oldest=min((one.oldest for one in found if one.oldest), default=None),
    )
