"""Waiting for a worker: one poller for each thing waited for, and never all hands.

A thousand callers of one process that wait for the same token cost one small query every 50 ms.
At most half of the process's threads wait; the others go on serving what is fresh. At most half of
those wait for one organization, so that its trouble is not everybody's.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.conf import settings

POLL_SECONDS: Final = 0.05

Name = tuple[str, UUID]

_lock = threading.Lock()
_watches: dict[Name, Watch] = {}
_waiting: Counter[UUID] = Counter()  # by organization


class TooMany(Exception):
    """So many wait that one more would keep others from being served."""


@dataclass(slots=True)
class Watch:
    """Those of this process who wait for the same thing; one of them looks for all."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    people: int = 0
    is_looked_after: bool = False
    is_over: bool = False


def until(
    name: Name, is_over: Callable[[], bool], *, organization_id: UUID, deadline: float
) -> bool:
    """Whether it was over before the deadline (monotonic seconds); raises TooMany."""
    watch = _join(name, organization_id)
    try:
        return _watched(watch, is_over, deadline)
    finally:
        _leave(name, organization_id, watch)


def _join(name: Name, organization_id: UUID) -> Watch:
    places = max(1, settings.API_THREADS // 2)
    with _lock:
        if _waiting.total() >= places or _waiting[organization_id] >= max(1, places // 2):
            raise TooMany
        _waiting[organization_id] += 1
        watch = _watches.get(name)
        if watch is None or watch.is_over:
            watch = _watches[name] = Watch()
        watch.people += 1
        return watch


def _leave(name: Name, organization_id: UUID, watch: Watch) -> None:
    with _lock:
        _waiting[organization_id] -= 1
        if not _waiting[organization_id]:
            del _waiting[organization_id]
        watch.people -= 1
        if not watch.people and _watches.get(name) is watch:
            del _watches[name]


def _watched(watch: Watch, is_over: Callable[[], bool], deadline: float) -> bool:
    """Wait for whoever looks, or look oneself when nobody does."""
    while not watch.is_over and time.monotonic() < deadline:
        with watch.changed:
            if watch.is_looked_after:
                watch.changed.wait(max(0.0, deadline - time.monotonic()))
                continue
            watch.is_looked_after = True
        _look(watch, is_over, deadline)
    return watch.is_over


def _look(watch: Watch, is_over: Callable[[], bool], deadline: float) -> None:
    """Look until it is over or this caller's time is up; then another one takes over."""
    try:
        while not watch.is_over and time.monotonic() < deadline:
            if is_over():
                watch.is_over = True
                return
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
    finally:
        with watch.changed:
            watch.is_looked_after = False
            watch.changed.notify_all()
