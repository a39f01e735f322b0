"""How many bodies are waited for at once: a sender that is slow holds a thread until it is done.

So what is for nobody's address, and what is for any one organization, may hold some threads and
never all of them (abuse case W26). The others are for everybody else.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

OF_NOBODY: Final = 8  # of the 64 threads that an ingest process is to have
OF_ONE: Final = 24


class Slots:
    """Counts who waits; `None` stands for every address that is nobody's."""

    def __init__(self) -> None:
        self._held: Counter[UUID | None] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one_of(self, name: UUID | None) -> Iterator[bool]:
        """Whether there was a slot; it is held inside."""
        with self._lock:
            is_free = self._held[name] < (OF_NOBODY if name is None else OF_ONE)
            self._held[name] += is_free
        try:
            yield is_free
        finally:
            if is_free:
                with self._lock:
                    self._held[name] -= 1
                    if not self._held[name]:
                        del self._held[name]
