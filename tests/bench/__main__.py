"""`bin/bench [name …]`: measure, print value, bound and verdict, keep the raw samples.

Each benchmark names its module; those that need Django are loaded once the servers run.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bin")]

from tests.bench import rounds, stage  # noqa: E402  (bin/ had to be named first)

FOLDER = ROOT / "var" / "bench"
# In this process, on servers of its own.
INSIDE = {
    "sync": "tests.bench.reading",
    "poll": "tests.bench.polling",
    "memory-sync": "tests.bench.growing",
    "list": "tests.bench.listing",
    "lease": "tests.bench.leasing",
    "ingest": "tests.bench.ingesting",
    "effect": "tests.bench.applying",
    "neighbours": "tests.bench.flooding",
    "relay": "tests.bench.relaying",
    "refresh": "tests.bench.refreshing",
    "import": "tests.bench.importing",
    "keys": "tests.bench.rewrapping",
    "secret": "tests.bench.sealing",
    "tenancy": "tests.bench.fencing",
}
# Through bin/run, as a person starts it.
OUTSIDE = {"memory": "tests.bench.memory", "start": "tests.bench.start"}
HELP = """usage: bin/bench [name …]

  sync    reading 50 pages, against the vendor's latency and against atlassian-python-api
  poll    the requests that find what changed, against the fewest that can
  memory-sync  a worker's memory while it reads 10,000 repositories, against 100 of them
  list    the page of connections at 100,000 rows, against the bare SQL in the same base template
  lease   a token for another service, against a Django view that reads one row
  ingest  webhooks taken in, against a Django view of one HMAC and one INSERT
  effect  webhooks applied, against a bare claim loop and a Celery task per event
  neighbours  webhooks of one organization while another one floods
  relay   10,000 commits back-filled into Jira, against the fewest requests; the lag of pushes
  refresh a sweep of 20,000 due grants, against a bare loop and one by one; --grants=100000 for more
  keys    100,000 data keys under another key, and the start-up checks at that size
  secret  the way of a token with encryption, against the same with a plain one
  tenancy the page of connections with row-level security, against without
  import  10,000 connections from a file, against the vendor's budget; memory on the way
  memory  everything that bin/run starts, idle
  start   bin/run from nothing and again, and a person's way to the first repositories

Without a name all of them run. Raw samples are kept in var/bench/. The exit code is 1 when a
promised bound is missed.
"""


def main(arguments: list[str]) -> int:
    names = [name for name in arguments if not name.startswith("--grants=")]
    for wish in set(arguments) - set(names):
        os.environ["BENCH_GRANTS"] = wish.partition("=")[2]
    if unknown := set(names) - {*INSIDE, *OUTSIDE}:
        print(HELP)
        return 0 if unknown <= {"--help", "-h"} else 2
    print(rounds.machine())
    wanted = names or [*INSIDE, *OUTSIDE]
    results = [run_outside(name) for name in OUTSIDE if name in wanted]
    if inside := [name for name in INSIDE if name in wanted]:
        results += run_inside(inside)
    print("\nEvery bound holds." if all(results) else "\nA promised bound is missed.")
    return 0 if all(results) else 1


def run_outside(name: str) -> bool:
    held: bool = importlib.import_module(OUTSIDE[name]).run(FOLDER)
    return held


def run_inside(names: list[str]) -> list[bool]:
    results = []
    with stage.servers() as running:
        importlib.import_module("django").setup()
        running.start_database()
        for name in names:
            with stage.database(running):
                results.append(importlib.import_module(INSIDE[name]).run(running, FOLDER))
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
