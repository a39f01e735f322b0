"""How many requests an hour leaves, for whom, and when more comes: the rules, without a database.

A vendor allows so many requests in a rolling hour for each of its users, whoever asks on their
behalf, and may say in a 429 neither how many nor until when. So every request is counted by the
minute it was made in, and what an hour leaves is shared out by how much somebody waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

HOUR: Final = timedelta(hours=1)
COUNTED: Final = 61  # minutes: what was asked at the end of one is an hour old a minute later
RESERVE: Final = 0.10  # kept for who waits, and for refreshing
TOLD_SHARE: Final = 0.50  # a flood of webhooks leaves the rest to what nobody told of
FULL_SHARE: Final = 0.70  # a first sync leaves room for what changes meanwhile
BLOCKS: Final = (timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=60))


class Purpose(StrEnum):
    """What a request is for, the most urgent first."""

    WAITING = "waiting"  # a person looks at the page
    REFRESH = "refresh"
    TOLD = "told"  # a webhook said that something changed
    INCREMENTAL = "incremental"
    FULL = "full"


URGENT: Final = frozenset({Purpose.WAITING, Purpose.REFRESH})
Spent = Mapping[int, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Hour:
    """What was spent in the hour that ends now: requests by minute since 1970 and by purpose.

    `said_remaining` is what the vendor's last answer left, told at `said_at`.
    """

    per_hour: int
    now: datetime
    spent: Spent = field(default_factory=dict)
    said_remaining: int | None = None
    said_at: datetime | None = None
    blocked_until: datetime | None = None

    @property
    def lately(self) -> dict[int, Mapping[str, int]]:
        """The minutes that still count."""
        oldest = minute(self.now) - COUNTED
        return {at: counts for at, counts in self.spent.items() if at > oldest}

    def used(self, purpose: Purpose | None = None) -> int:
        """Requests of the last hour, all or those of one purpose."""
        counts = self.lately.values()
        if purpose is None:
            return sum(sum(each.values()) for each in counts)
        return sum(each.get(purpose, 0) for each in counts)

    @property
    def left(self) -> int:
        """What the hour still has, by our count and by the vendor's word, whichever is less."""
        ours = max(0, self.per_hour - self.used())
        if self.said_remaining is None or self.said_at is None:
            return ours
        since = minute(self.said_at)
        after = sum(sum(c.values()) for at, c in self.lately.items() if at > since)
        gone = self.now - self.said_at >= HOUR
        return ours if gone else min(ours, max(0, self.said_remaining - after))

    def allows(self, purpose: Purpose, wanted: int) -> int:
        """How many requests of this purpose may be made now, at most `wanted`."""
        if self.is_blocked and purpose is not Purpose.WAITING:
            return 0
        room = self.left if purpose in URGENT else self.left - int(self.per_hour * RESERVE)
        share = {Purpose.TOLD: TOLD_SHARE, Purpose.FULL: FULL_SHARE}.get(purpose)
        if share is not None:
            room = min(room, int(self.per_hour * share) - self.used(purpose))
        return max(0, min(wanted, room))

    @property
    def is_blocked(self) -> bool:
        """Whether the vendor refused lately."""
        return self.blocked_until is not None and self.now < self.blocked_until

    def more_at(self, purpose: Purpose = Purpose.FULL) -> datetime:
        """When a request of this purpose is possible; now when it is."""
        if self.allows(purpose, 1):
            return self.now
        if self.is_blocked and self.blocked_until is not None:
            return self.blocked_until
        zone = self.now.tzinfo
        freed = [datetime.fromtimestamp((at + COUNTED) * 60, tz=zone) for at in self.lately]
        if self.said_at is not None and self.said_at + HOUR > self.now:
            freed.append(self.said_at + HOUR)
        for moment in sorted(freed):
            later = Hour(self.per_hour, moment, self.spent)
            if later.allows(purpose, 1):
                return moment
        return (self.said_at or self.now) + HOUR

    def add(self, purpose: Purpose, count: int) -> dict[int, dict[str, int]]:
        """What was spent, with `count` more of this minute; a negative count gives back."""
        spent = {at: dict(counts) for at, counts in self.lately.items()}
        mine = spent.setdefault(minute(self.now), {})
        mine[purpose] = mine.get(purpose, 0) + count
        return spent

    def needs(self, requests: int, purpose: Purpose = Purpose.FULL) -> timedelta:
        """An honest estimate of how long so many requests take from now on."""
        now = self.allows(purpose, requests)
        share = {Purpose.TOLD: TOLD_SHARE, Purpose.FULL: FULL_SHARE}.get(purpose, 1 - RESERVE)
        hourly = max(1.0, self.per_hour * share)
        return max(0, requests - now) / hourly * HOUR


def minute(moment: datetime) -> int:
    """The whole minutes since 1970."""
    return int(moment.timestamp() // 60)


def blocked_for(refusals: int, retry_after: float | None) -> timedelta:
    """How long to keep away after so many refusals in a row; the vendor's own word goes first.

    The window is an hour, so seconds would only be refused again.
    """
    if retry_after is not None:
        return timedelta(seconds=min(max(retry_after, 1.0), HOUR.total_seconds()))
    return BLOCKS[min(max(refusals, 1), len(BLOCKS)) - 1]
