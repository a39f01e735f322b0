"""Rolling-hour request budgets per identity and resource.

https://support.atlassian.com/bitbucket-cloud/docs/api-request-limits/
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

HOUR = 3600.0
SCALED_FROM_SEATS = 100
SCALED_CEILING = 10_000


@dataclass(frozen=True, slots=True)
class Budget:
    """What one request found; `allowed` is False when the hour was already full."""

    allowed: bool
    limit: int
    remaining: int

    @property
    def is_near(self) -> bool:
        return self.remaining < self.limit * 0.2


class Limits:
    """Counts requests; a refused one is not counted."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str], deque[float]] = {}

    def spend(self, identity: str, resource: str, limit: int, now: float) -> Budget:
        hour = self._spent.setdefault((identity, resource), deque())
        while hour and hour[0] <= now - HOUR:
            hour.popleft()
        if len(hour) >= limit:
            return Budget(False, limit, 0)
        hour.append(now)
        return Budget(True, limit, limit - len(hour))

    def give_back(self, identity: str, resource: str) -> None:
        """Uncount the last request, for the variant in which a 304 is free."""
        hour = self._spent.get((identity, resource))
        if hour:
            hour.pop()

    def describe(self) -> dict[str, int]:
        return {f"{who} {resource}": len(hour) for (who, resource), hour in self._spent.items()}

    def forget(self) -> None:
        self._spent.clear()


def scaled(limit: int, paid_seats: int) -> int:
    """Return the hourly limit of an access token in a workspace of this many paid seats."""
    if paid_seats <= SCALED_FROM_SEATS:
        return limit
    return min(limit + 10 * (paid_seats - SCALED_FROM_SEATS), SCALED_CEILING)
