"""One process of the refresh benchmark: `ours`, a worker that drains, or `bare`, a loop.

It says "ready" once everything is loaded, begins at a line on its standard input, says a line of
what it did, and ends with its input.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import django
import psycopg
import urllib3
from django.db import connections


def begin() -> None:
    """Wait until both processes are ready."""
    print("ready", flush=True)
    sys.stdin.readline()


def bare(grants: Path, url: str, address: str, threads: int) -> int:
    """POST and UPDATE for each grant, nothing else; each thread keeps its connections."""
    pairs: list[list[str]] = json.loads(grants.read_text())
    http = urllib3.PoolManager(maxsize=threads, retries=False)
    own = threading.local()
    headers = urllib3.make_headers(basic_auth="key:secret")

    def refresh(pair: list[str]) -> None:
        if not hasattr(own, "database"):
            own.database = psycopg.connect(address, autocommit=True)
        form = {"grant_type": "refresh_token", "refresh_token": pair[1]}
        answer = http.request_encode_body(
            "POST", url, fields=form, headers=headers, encode_multipart=False
        )
        tokens = json.loads(answer.data)
        own.database.execute(
            "UPDATE bench_grant SET access = %s, refresh = %s,"
            " expires_at = now() + make_interval(secs => %s) WHERE id = %s",
            [tokens["access_token"], tokens["refresh_token"], tokens["expires_in"], pair[0]],
        )

    with ThreadPoolExecutor(threads) as pool:
        begin()
        return len(list(pool.map(refresh, pairs)))


def ours(hands: int) -> dict[str, Any]:
    """Everything that is due, as a worker with so many hands does it."""
    django.setup()
    keyring = import_module("portal.keyring")
    keyring.current()
    with ThreadPoolExecutor(hands) as pool:
        begin()
        return {"jobs": sum(pool.map(drain, range(hands)))}


def drain(hand: int) -> int:
    """What a hand does until nothing is left."""
    work = import_module("portal.work")  # models load after django.setup()
    try:
        return int(work.drain())
    finally:
        connections.close_all()


def main(arguments: list[str]) -> None:
    if arguments[0] == "bare":
        grants, url, address, threads = arguments[1:]
        done: dict[str, Any] = {"grants": bare(Path(grants), url, address, int(threads))}
    else:
        done = ours(int(arguments[1]))
    print(json.dumps(done), flush=True)
    sys.stdin.readline()  # its memory is still looked at


if __name__ == "__main__":
    main(sys.argv[1:])
