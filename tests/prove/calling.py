"""In a process full of callers: do what each line of the input orders, many times at one moment."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Order = dict[str, Any]
PATIENCE_SECONDS = 120.0


def serve(call: Callable[[Order], None], other: Mapping[str, Callable[[Order], object]]) -> None:
    """Read orders until the input ends; each is answered by one line.

    An order with `do` is done once; any other is called by `callers` threads at the moment `at`.
    """
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        found = other[order["do"]](order) if "do" in order else at_once(call, order)
        print(json.dumps(found), flush=True)


def at_once(call: Callable[[Order], None], order: Order) -> list[tuple[float, str]]:
    """How long each caller waited, and the name of the error that ended it."""
    found: list[tuple[float, str]] = []

    def one() -> None:
        time.sleep(max(0.0, order["at"] - time.time()))
        began, error = time.monotonic(), ""
        try:
            call(order)
        except Exception as failure:
            error = type(failure).__name__
        found.append((round(time.monotonic() - began, 3), error))

    threads = [threading.Thread(target=one, daemon=True) for _ in range(order["callers"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return found
