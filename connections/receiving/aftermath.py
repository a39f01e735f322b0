"""What happens after the answer: workers are woken, refusals are counted and written down.

One thread does it, so that no sender waits for Valkey or for a line in the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Final
from uuid import UUID

from connections.receiving.database import Away, Line
from portal import clock, hints

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 5.0
_REFUSED: Final = "SELECT connections_hooks_refused(%s::uuid[], %s::int[], %s::text[], %s)"


class Aftermath:
    """Started by the first thing there is to do: the server may have forked until then."""

    def __init__(self, line: Line, every_seconds: float = EVERY_SECONDS) -> None:
        self._line = line
        self._every_seconds = every_seconds
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._is_wanted = self._is_over = False
        self._thread: threading.Thread | None = None
        self._counted: Counter[str] = Counter()
        self._refused: dict[UUID, tuple[int, str]] = {}

    def wake(self) -> None:
        """A worker is told that there is something to do."""
        self._is_wanted = True
        self._begin()
        self._awake.set()

    def count(self, what: str) -> None:
        """One more with this outcome, for the log."""
        with self._lock:
            self._counted[what] += 1
        self._begin()

    def refused(self, endpoint_id: UUID, because: str) -> None:
        """This endpoint had one without a right signature: people see it on its page."""
        with self._lock:
            times, _ = self._refused.get(endpoint_id, (0, ""))
            self._refused[endpoint_id] = times + 1, because

    def close(self) -> None:
        """Its thread ends; what was not told by then is not told."""
        self._is_over = True
        self._awake.set()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._keep, name="aftermath", daemon=True
                    )
                    self._thread.start()

    def _keep(self) -> None:
        told_at = time.monotonic()
        while not self._is_over:
            self._awake.wait(self._every_seconds)
            self._awake.clear()
            try:
                if self._is_wanted:
                    self._is_wanted = False
                    hints.wake()
                if time.monotonic() - told_at >= self._every_seconds:
                    told_at = time.monotonic()
                    self.settle()
            except Exception:  # the outermost loop of a thread: it goes on
                log.exception("ingest.aftermath_raised")

    def settle(self) -> None:
        """What has come together is told."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
            refused, self._refused = self._refused, {}
        if counted:
            log.info("ingest.received", extra={"outcomes": dict(counted)})
        if refused:
            self._write(refused)

    def _write(self, refused: dict[UUID, tuple[int, str]]) -> None:
        """Lost with the process or the database: it is a count for people, no delivery."""
        times = [times for times, _ in refused.values()]
        reasons = [because for _, because in refused.values()]
        with suppress(Away):
            self._line.rows(_REFUSED, [list(refused), times, reasons, clock.now()])
