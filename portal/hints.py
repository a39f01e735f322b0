"""The hint that wakes a worker: lossy on purpose, for the sweepers find what it does not reach."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

_senders: list[Callable[[], None]] = []


def send_with(send: Callable[[], None]) -> None:
    """How to wake a worker; set when the applications are ready."""
    _senders[:] = [send]


def wake() -> None:
    """Send the hint; a dead broker is logged and otherwise does not matter."""
    for send in _senders:
        try:
            send()
        except Exception as error:  # the sweeper finds the row within seconds
            log.warning("hint.lost", extra={"error": type(error).__name__})
