"""Hours in minutes: the clocks of the portal and of the vendor run faster, the code is the same."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType

from django.db import connections

from portal import clock, roles, schedules, work
from tests.prove.stage import Stage

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05
PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 30.0


class Faster:
    """While the block runs, `hands` threads of this process work as a worker's do, and a second
    takes a `factor`th of one. Afterwards the clocks are real and no thread is left; raises
    TimeoutError when one does not end."""

    def __init__(self, stage: Stage, *, hands: int = 4) -> None:
        self._stage = stage
        self._over = threading.Event()
        deeds = [self._tick, self._repeat(keep_time), *[self._repeat(work.drain)] * hands]
        self._threads = [threading.Thread(target=deed, daemon=True) for deed in deeds]
        self.factor = 1.0

    def __enter__(self) -> Faster:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        work.stopping.set()
        try:
            for thread in self._threads:
                thread.join(PATIENCE_SECONDS)
            if any(thread.is_alive() for thread in self._threads):
                raise TimeoutError(f"a thread did not end in {PATIENCE_SECONDS:.0f} s")
        finally:
            work.stopping.clear()
            clock.reset()

    def let_pass(self, seconds: float) -> None:
        """Return when so much has passed by our clock."""
        end = clock.now() + timedelta(seconds=seconds)
        while clock.now() < end:
            time.sleep(TICK_SECONDS)

    def _tick(self) -> None:
        before = time.monotonic()
        while not self._over.wait(TICK_SECONDS):
            now = time.monotonic()
            more = (self.factor - 1) * (now - before)
            before = now
            clock.shift(timedelta(seconds=more))
            self._stage.vendor.order("/clock", advance=more)

    def _repeat(self, deed: Callable[[], object]) -> Callable[[], None]:
        """A thread of a worker, which does this again and again."""

        def repeat() -> None:
            with roles.using_role("worker"):
                while not self._over.wait(PAUSE_SECONDS):
                    try:
                        deed()
                    except Exception:  # its outermost loop: whatever happens, it goes on
                        log.exception("deed.raised")
            connections.close_all()

        return repeat


def keep_time() -> None:
    """What every worker does beside its jobs."""
    work.start_due()
    schedules.run_due()
