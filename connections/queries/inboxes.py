"""What operators see of webhooks: how much waits and failed in each organization, never what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from portal import clock, roles

ALARM: Final = timedelta(minutes=10)
MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Inbox:
    """One organization's: what is due and since when, and what failed for good."""

    organization_id: UUID
    slug: str
    name: str
    waiting: int
    oldest: datetime | None
    dead: int

    @property
    def is_late(self) -> bool:
        return self.oldest is not None and clock.now() - self.oldest > ALARM


@dataclass(frozen=True, slots=True)
class Inboxes:
    """All of them that have something in them, the one that waits longest first."""

    shown: list[Inbox]
    count: int
    waiting: int
    dead: int
    oldest: datetime | None

    @property
    def is_late(self) -> bool:
        return any(inbox.is_late for inbox in self.shown)


def inboxes(asker: UUID) -> Inboxes:
    """Empty when the asker is no operator: the function in the database asks again."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT * FROM connections_inboxes(%s, %s)", [asker, clock.now()])
        found = [Inbox(*row) for row in cursor.fetchall()]
    return Inboxes(
        shown=found[:MOST],
        count=len(found),
        waiting=sum(one.waiting for one in found),
        dead=sum(one.dead for one in found),
        oldest=min((one.oldest for one in found if one.oldest), default=None),
    )
