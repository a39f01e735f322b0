"""Names to addresses within a deadline: the lookup runs on its own thread, the caller only waits.

The system's resolver cannot be interrupted, so a silent one costs a daemon thread until it gives
up, and there is a bound on how many. No Django here.
"""

from __future__ import annotations

import socket
import threading
from queue import Empty, SimpleQueue
from typing import Protocol

LOOKUP_SECONDS = 2.0
MOST_LOOKUPS = 32

_places = threading.BoundedSemaphore(MOST_LOOKUPS)


class LookupFailed(Exception):
    """The name gave no addresses: it does not exist, or nobody answered in time."""


class Resolver(Protocol):
    """Whoever turns a host name into addresses; raises OSError when it cannot."""

    def resolve(self, host: str) -> tuple[str, ...]: ...


class SystemResolver:
    """A and AAAA through the operating system: its hosts file, its servers, its order."""

    def resolve(self, host: str) -> tuple[str, ...]:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def within(resolver: Resolver, host: str, seconds: float) -> tuple[str, ...]:
    """The host's addresses; LookupFailed when there are none within these seconds."""
    if not _places.acquire(blocking=False):
        raise LookupFailed("busy")
    outcome: SimpleQueue[tuple[str, ...] | None] = SimpleQueue()
    threading.Thread(target=_look_up, args=(resolver, host, outcome), daemon=True).start()
    try:
        answers = outcome.get(timeout=max(seconds, 0.001))
    except Empty:
        raise LookupFailed("silent") from None
    if answers is None:
        raise LookupFailed("unknown")
    return answers


def _look_up(resolver: Resolver, host: str, outcome: SimpleQueue[tuple[str, ...] | None]) -> None:
    try:
        outcome.put(resolver.resolve(host))
    except (OSError, UnicodeError):
        outcome.put(None)
    finally:
        _places.release()
