"""How much one endpoint, and one organization, may send: token buckets in this process's memory.

Each ingest process counts for itself; nothing is asked of another server on the way of a delivery.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

_MOST: Final = 50_000


class Buckets:
    """`per_second` on average, `burst` at once, for each id apart."""

    def __init__(
        self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._held: dict[UUID, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def is_empty(self, name: UUID) -> bool:
        """Whether one more would be too many; nothing is taken."""
        return self._left(name, self._clock()) < 1

    def take(self, name: UUID) -> bool:
        """Whether one more may come now."""
        now = self._clock()
        with self._lock:
            left = self._left(name, now)
            if left < 1:
                self._held[name] = left, now
                return False
            if len(self._held) >= _MOST and name not in self._held:
                self._forget(now)
            self._held[name] = left - 1, now
            return True

    def _left(self, name: UUID, now: float) -> float:
        left, since = self._held.get(name, (self._burst, now))
        return min(self._burst, left + (now - since) * self._per_second)

    def _forget(self, now: float) -> None:
        """Whoever has been silent until its bucket was full again needs no entry."""
        full = self._burst / self._per_second
        self._held = {name: one for name, one in self._held.items() if now - one[1] < full}
