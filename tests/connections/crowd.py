"""A worker process whose many threads ask for one connection's token at the same moment."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from django.db import connections

from connections import access
from connections.flows import refresh
from connections.models import Connection
from portal import roles, tenancy
from tests.works import Works


@dataclass(frozen=True, slots=True)
class Process:
    """A copy of this process that keeps nothing open of it, and the ways to it and from it."""

    pid: int
    go: IO[str]
    said: IO[str]

    def is_ready(self) -> bool:
        return self.said.readline() == "ready\n"

    def begin(self) -> None:
        self.go.write("go\n")
        self.go.flush()

    def got(self) -> list[str]:
        """What each thread got: a digest of its token, or an error's name."""
        with self.go, self.said:
            found: list[str] = json.loads(self.said.readline())
        assert os.waitpid(self.pid, 0)[1] == 0
        return found


def process(works: Works, connection: Connection, threads: int) -> Process:
    """It says "ready", waits for a line, and says a JSON list of what its threads got."""
    connections.close_all()
    access.door.cache_clear()
    (heard, go), (said, say) = os.pipe(), os.pipe()
    if pid := os.fork():
        os.close(heard)
        os.close(say)
        return Process(pid, os.fdopen(go, "w"), os.fdopen(said))
    signal.alarm(90)  # one that hangs ends too
    with suppress(BaseException), os.fdopen(heard) as commands, os.fdopen(say, "w") as answers:
        _ask_all(works, connection, threads, commands, answers)
        answers.flush()
        os._exit(0)
    os._exit(1)


def _ask_all(
    works: Works, connection: Connection, threads: int, commands: IO[str], answers: IO[str]
) -> None:
    ready, got = threading.Barrier(threads + 1), list[str]()
    asking = [
        threading.Thread(target=lambda: got.append(_ask(ready, works, connection)))
        for _ in range(threads)
    ]
    for thread in asking:
        thread.start()
    print("ready", file=answers, flush=True)
    commands.readline()
    ready.wait()
    for thread in asking:
        thread.join()
    print(json.dumps(got), file=answers)


def _ask(ready: threading.Barrier, works: Works, connection: Any) -> str:
    ready.wait()
    try:
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            token = refresh.fresh(connection, wait_seconds=30).reveal()
            return hashlib.sha256(token.encode()).hexdigest()
    except Exception as error:
        return type(error).__name__
    finally:
        connections.close_all()
