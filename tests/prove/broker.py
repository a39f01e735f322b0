"""A Valkey that is emptied and killed while others rely on it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from types import TracebackType

import redis
from launcher import children

from tests.servers import Servers

DOWN_SECONDS = 2.0


class Tormented:
    """While the block runs, Valkey is flushed and now and then killed; it is well afterwards."""

    def __init__(self, servers: Servers, *, flush_every: float, kill_every: float) -> None:
        self._servers = servers
        self._flush_every, self._kill_every = flush_every, kill_every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._torment, daemon=True)
        self.flushes = self.kills = 0

    def __enter__(self) -> Tormented:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(60)
        if self.kills:  # what a thread has started ends with it
            start(self._servers, kill(self._servers))

    def _torment(self) -> None:
        next_kill = time.monotonic() + self._kill_every / 2
        while not self._over.wait(self._flush_every):
            if time.monotonic() >= next_kill:
                next_kill += self._kill_every
                place = kill(self._servers)
                time.sleep(DOWN_SECONDS)
                start(self._servers, place)
                self.kills += 1
            with contextlib.suppress(redis.RedisError):
                self._servers.empty_valkey()
                self.flushes += 1


def kill(servers: Servers) -> int:
    """`kill -9` of this session's Valkey; its place in the list of what runs."""
    place = next(i for i, (server, _) in enumerate(servers.running) if server is servers.valkey)
    child = servers.running[place][1]
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    return place


def start(servers: Servers, place: int) -> None:
    """It runs again, with nothing in it."""
    servers.valkey.prepare()
    child = servers.valkey.spawn(servers.logs / "valkey.log")
    if not children.wait_until(servers.valkey.is_ready, child, 20):
        raise RuntimeError("Valkey did not start again")
    servers.running[place] = (servers.valkey, child)
