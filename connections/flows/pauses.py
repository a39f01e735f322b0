"""A moment between sittings at the same place, so that what comes in a stream is done in fewer.

The first of a stream waits for nothing. Each process keeps its own time.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Final

from portal import work

MOST: Final = 10_000  # places that are remembered


class Pauses:
    """Sittings begin at the earliest so many seconds after the last one here ended."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._ended, self._lock = seconds, dict[str, float](), Lock()

    def keep(self, place: str) -> None:
        """Returns when the next sitting at this place may begin, or when the process stops."""
        left = self._ended.get(place, 0.0) + self._seconds - time.monotonic()
        if left > 0:
            work.stopping.wait(left)

    def note(self, place: str) -> None:
        """A sitting ended here just now, and left nothing."""
        with self._lock:
            if len(self._ended) >= MOST:
                self._ended.clear()
            self._ended[place] = time.monotonic()
