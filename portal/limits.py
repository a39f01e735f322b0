"""How often a costly thing may be asked for: counted per person and per organization (R30).

The counters live in the cache. While that is away nothing is counted and everybody may go on: the
limit protects a budget, it guards no door (OWASP ASVS 5.0 V2.4.1).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in each window of so many seconds."""

    most: int
    seconds: int

    def wait_seconds(self, key: str) -> int:
        """Count one for this key: 0 when it may go on, else the seconds until the next window."""
        now = time.time()
        window = int(now // self.seconds)
        name = f"limit:{key}:{window}"
        cache.add(name, 0, timeout=self.seconds)
        if cache.incr(name) <= self.most:
            return 0
        return max(1, round((window + 1) * self.seconds - now))
