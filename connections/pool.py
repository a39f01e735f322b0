"""Idle lines kept for the next request to the same place. No Django here."""

from __future__ import annotations

import os
import threading

from connections.origins import Origin
from connections.wire import Line

MOST_IDLE = 128
MOST_IDLE_PER_PLACE = 64

Key = tuple[int, str, Origin]


def key_for(origin: Origin, lane: str) -> Key:
    """What two requests must have in common to share a line: process, lane, origin and its rule.

    The origin carries its allow-list entry, so a changed entry finds no line of the old one; a
    forked process finds none of its parent's.
    """
    return os.getpid(), lane, origin


class Pool:
    """Last in, first out, bounded; an old idle line makes room. Safe between threads."""

    def __init__(self) -> None:
        self._idle: dict[Key, list[Line]] = {}
        self._count = 0
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
            place = self._idle.setdefault(key, [])
            surplus: Line | None = line
            if len(place) < MOST_IDLE_PER_PLACE:
                place.append(line)
                self._count += 1
                surplus = self._surplus()
        if surplus:
            surplus.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle, self._count = self._idle, {}, 0
        for lines in idle.values():
            for line in lines:
                line.close()

    def _pop(self, key: Key) -> Line | None:
        with self._lock:
            lines = self._idle.get(key)
            if not lines:
                return None
            self._count -= 1
            line = lines.pop()
            if not lines:
                del self._idle[key]
            return line

    def _surplus(self) -> Line | None:
        """The oldest line of the place that has been there longest, when there are too many."""
        if self._count <= MOST_IDLE:
            return None
        self._count -= 1
        key, lines = next(iter(self._idle.items()))
        line = lines.pop(0)
        if not lines:
            del self._idle[key]
        return line
