"""How many requests a key may make in a minute: counted in this process, told in headers.

Each process counts by itself: the limit keeps one service from taking all of its threads. What a
key may drain is limited elsewhere, exactly and in the database. Keys that this process has not
seen work are counted by the address they come from as well, before they are looked up: anybody can
make up keys.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from django.conf import settings

WINDOW: Final = 60
MOST_HELD: Final = 10_000
NETWORK_BITS: Final = 64  # of an IPv6 address: what one household or machine has

_lock = threading.Lock()
_keys: OrderedDict[bytes, Bucket] = OrderedDict()
_places: OrderedDict[bytes, Bucket] = OrderedDict()


@dataclass(slots=True)
class Bucket:
    """Requests left, refilled evenly; `is_known` once the key was found."""

    left: float
    filled_at: float
    is_known: bool = False


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
    with _lock:
        return _counted(_keys, key_hash)


def count_stranger(key_hash: bytes, address: str) -> Pace:
    """Count one request of where a key comes from that may be anybody's; a known one goes free."""
    with _lock:
        bucket = _keys.get(key_hash)
        if bucket is not None and bucket.is_known:
            return Pace(0, 0)
        return _counted(_places, _place(address))


def know(key_hash: bytes) -> None:
    """The key exists: from now on it is counted by itself alone."""
    with _lock:
        if key_hash in _keys:
            _keys[key_hash].is_known = True


def forget() -> None:
    """Every key begins anew: for tests and benchmarks."""
    with _lock:
        _keys.clear()
        _places.clear()


def _counted(buckets: OrderedDict[bytes, Bucket], name: bytes) -> Pace:
    most, now = settings.API_PER_MINUTE, time.monotonic()
    bucket = buckets.pop(name, None) or Bucket(most, now)
    buckets[name] = bucket
    while len(buckets) > MOST_HELD:
        buckets.popitem(last=False)
    bucket.left = min(most, bucket.left + (now - bucket.filled_at) * most / WINDOW)
    bucket.filled_at = now
    if bucket.left < 1:
        return Pace(0, max(1, round((1 - bucket.left) * WINDOW / most)))
    bucket.left -= 1
    return Pace(int(bucket.left), 0)


def _place(address: str) -> bytes:
    """One IPv4 address, or one network of IPv6; what is no address is one place."""
    if not address:
        return b""
    found = ip_address(address)
    packed = found.packed
    return packed[: NETWORK_BITS // 8] if isinstance(found, IPv6Address) else packed
