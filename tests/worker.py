"""`python -m tests.worker HANDS [MODULE …]`: a worker as Celery's own command begins one.

That command reads all of its other commands too, which takes a third of its time to begin.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main(hands: str, *including: str) -> int:
    worker = import_module("portal.celery").app.Worker(
        pool_cls="threads",
        concurrency=int(hands),
        loglevel="WARNING",
        include=[*including],
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
