"""A worker process whose many threads ask for one connection's token at the same moment.

`python -m tests.connections.crowd ORGANIZATION CONNECTION THREADS`: says "ready", waits for a line,
and says a JSON list of what each thread got: a digest of its token, or an error's name.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from importlib import import_module
from typing import Any
from uuid import UUID

import django


def main(organization: str, connection_id: str, threads: str) -> None:
    django.setup()
    import_module("portal.keyring").current()
    connection = found(UUID(organization), connection_id)
    ready, got = threading.Barrier(int(threads) + 1), []
    asking = [
        threading.Thread(target=lambda: got.append(ask(ready, UUID(organization), connection)))
        for _ in range(int(threads))
    ]
    for thread in asking:
        thread.start()
    print("ready", flush=True)
    sys.stdin.readline()
    ready.wait()
    for thread in asking:
        thread.join()
    print(json.dumps(got), flush=True)


def found(organization: UUID, connection_id: str) -> Any:
    """The connection, read once for all threads."""
    tenancy = import_module("portal.tenancy")
    with tenancy.acting_for(organization), tenancy.transaction():
        return import_module("connections.models").Connection.objects.get(id=connection_id)


def ask(ready: threading.Barrier, organization: UUID, connection: Any) -> str:
    refresh, tenancy = import_module("connections.flows.refresh"), import_module("portal.tenancy")
    ready.wait()
    try:
        with tenancy.acting_for(organization):
            token = refresh.fresh(connection, wait_seconds=30).reveal()
            return hashlib.sha256(token.encode()).hexdigest()
    except Exception as error:
        return type(error).__name__
    finally:
        import_module("django.db").connections.close_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
