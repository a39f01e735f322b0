"""The sandbox's own clock: real time plus an offset that the control port may move."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Seconds since the epoch, moved by `advance`; it never runs backwards by itself."""

    def __init__(self, offset_seconds: float = 0.0) -> None:
        self.offset_seconds = offset_seconds

    def now(self) -> float:
        return time.time() + self.offset_seconds

    def advance(self, seconds: float) -> None:
        self.offset_seconds += seconds

    def iso(self) -> str:
        return isoformat(self.now())


def isoformat(seconds: float) -> str:
    """Write a moment as Bitbucket does; in this form text order is time order."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
