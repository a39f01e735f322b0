"""The server's rate limit: a bucket of tokens for each user, filled again second by second."""

from __future__ import annotations

import math


class Buckets:
    """Only requests with a credential are counted."""

    def __init__(self) -> None:
        self._full: dict[str, tuple[float, float]] = {}  # who → tokens, when

    def wait_seconds(self, who: str, *, size: int, per_second: int, now: float) -> int:
        """Take one token: 0, or the seconds until there is one again."""
        tokens, since = self._full.get(who, (float(size), now))
        tokens = min(float(size), tokens + max(0.0, now - since) * per_second)
        if tokens >= 1:
            self._full[who] = tokens - 1, now
            return 0
        self._full[who] = tokens, now
        return max(1, math.ceil((1 - tokens) / max(per_second, 1)))

    def forget(self) -> None:
        self._full.clear()
