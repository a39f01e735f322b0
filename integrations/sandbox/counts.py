"""How often the token endpoint was asked, with which outcomes, and how fast."""

from __future__ import annotations

from collections import Counter
from typing import Any

KEPT_SECONDS = 24 * 3600


class Counts:
    """Totals by outcome (`issued` or the error), and calls per second of the sandbox's clock."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self._per_second: dict[int, int] = {}

    def note(self, outcome: str, now: float) -> None:
        self.outcomes[outcome] += 1
        second = int(now)
        self._per_second[second] = self._per_second.get(second, 0) + 1
        if len(self._per_second) > KEPT_SECONDS:
            del self._per_second[next(iter(self._per_second))]

    def describe(self) -> dict[str, Any]:
        calls = self.outcomes.total()
        issued = self.outcomes["issued"]
        return {
            "calls": calls,
            "issued": issued,
            "refused": calls - issued,
            "outcomes": dict(self.outcomes),
            "per_second": dict(self._per_second),
        }

    def forget(self) -> None:
        self.outcomes.clear()
        self._per_second.clear()
