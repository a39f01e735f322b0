"""Which endpoints each connection asks, noted in memory beside the call; `flows/endpoints.py`
writes them down. Threads that speak to vendors have no database, so nothing here needs one.
"""

from __future__ import annotations

import threading
from datetime import date
from functools import cache
from typing import Final
from uuid import UUID

from connections import registry
from connections.changes import endpoint_of
from portal import clock

MOST: Final = 200_000  # what a process remembers having noted today

Use = tuple[UUID, UUID, str]  # organization, connection, endpoint

_lock = threading.Lock()
_noted: dict[Use, date] = {}
_waiting: set[Use] = set()


def note(organization_id: UUID, connection_id: UUID, connector: str, request: str) -> None:
    """This connection asked this; of one endpoint only its first call a day waits to be kept."""
    endpoint = endpoint_of(request, _templates(connector))[:200]
    use, today = (organization_id, connection_id, endpoint), clock.now().date()
    if _noted.get(use) == today:
        return
    with _lock:
        if len(_noted) >= MOST:
            _noted.clear()
        _noted[use] = today
        _waiting.add(use)


def take() -> list[Use]:
    """What waits to be kept, by organization; it waits no more."""
    with _lock:
        taken = sorted(_waiting)
        _waiting.clear()
    return taken


def give_back(uses: list[Use]) -> None:
    """It could not be kept: it waits again."""
    with _lock:
        _waiting.update(uses)


@cache
def _templates(connector: str) -> tuple[str, ...]:
    return registry.get(connector).manifest.templates
