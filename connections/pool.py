"""Idle lines kept for the next request to the same place. No Django here."""

from __future__ import annotations

import os
import threading

from connections.origins import Origin
from connections.wire import Line

MOST_IDLE = 64
MOST_IDLE_PER_PLACE = 16

Key = tuple[int, str, Origin]


def key_for(origin: Origin, lane: str) -> Key:
    """What two requests must have in common to share a line: process, lane, origin and its rule.

    The origin carries its allow-list entry, so a changed entry finds no line of the old one; a
    forked process finds none of its parent's.
    """
    return os.getpid(), lane, origin


class Pool:
    """Last in, first out, bounded; the oldest idle line makes room. Safe between threads."""

    def __init__(self) -> None:
        self._idle: list[tuple[Key, Line]] = []
        self._lock = threading.Lock()

    def take(self, key: Key) -> Line | None:
        """A line that is still fit for use, or None."""
        while (line := self._pop(key)) is not None:
            if not line.has_expired():
                return line
            line.close()
        return None

    def keep(self, key: Key, line: Line) -> None:
        """The line waits for the next request, unless it was closed or there is no room."""
        if not line.is_idle():
            line.close()
            return
        line.used = True
        with self._lock:
            crowded = sum(k == key for k, _ in self._idle) >= MOST_IDLE_PER_PLACE
            if not crowded:
                self._idle.append((key, line))
            surplus = line if crowded else self._oldest_surplus()
        if surplus:
            surplus.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for _, line in idle:
            line.close()

    def _pop(self, key: Key) -> Line | None:
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] == key:
                    return self._idle.pop(index)[1]
        return None

    def _oldest_surplus(self) -> Line | None:
        return self._idle.pop(0)[1] if len(self._idle) > MOST_IDLE else None
