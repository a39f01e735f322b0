"""How many requests a key may make in a minute: counted in this process, told in headers.

Each process counts by itself: the limit keeps one service from taking all of its threads. What a
key may drain is limited elsewhere, exactly and in the database.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from django.conf import settings

WINDOW: Final = 60
MOST_KEYS: Final = 10_000

_lock = threading.Lock()
_buckets: OrderedDict[bytes, Bucket] = OrderedDict()


@dataclass(slots=True)
class Bucket:
    """Requests left, refilled evenly."""

    left: float
    filled_at: float


@dataclass(frozen=True, slots=True)
class Pace:
    """Where a key stands: `wait_seconds` is 0 when this request may be served."""

    left: int
    wait_seconds: int

    def headers(self) -> dict[str, str]:
        """`RateLimit` of draft-ietf-httpapi-ratelimit-headers-10, with Retry-After when over."""
        most = settings.API_PER_MINUTE
        told = {
            "RateLimit-Policy": f'"key";q={most};w={WINDOW}',
            "RateLimit": f'"key";r={self.left};t={self.wait_seconds or WINDOW}',
        }
        return told | ({"Retry-After": str(self.wait_seconds)} if self.wait_seconds else {})


def count(key_hash: bytes) -> Pace:
    """Count one request of this key."""
    most, now = settings.API_PER_MINUTE, time.monotonic()
    with _lock:
        bucket = _buckets.pop(key_hash, None) or Bucket(most, now)
        _buckets[key_hash] = bucket
        while len(_buckets) > MOST_KEYS:
            _buckets.popitem(last=False)
        bucket.left = min(most, bucket.left + (now - bucket.filled_at) * most / WINDOW)
        bucket.filled_at = now
        if bucket.left < 1:
            return Pace(0, max(1, round((1 - bucket.left) * WINDOW / most)))
        bucket.left -= 1
        return Pace(int(bucket.left), 0)


def forget() -> None:
    """Every key begins anew: for tests and benchmarks."""
    with _lock:
        _buckets.clear()
