"""Abuse case Q07: messages of strangers in the queue. One worker gets them all, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from connections.models import Connection
from portal import hints
from tests.abuse.test_queue_Q import QUEUE, arguments, send
from tests.connections.test_work_processes import Process, a_worker, asked, is_done, until
from tests.servers import Servers
from tests.vendor import Vendor
from tests.works import Works


@dataclass(frozen=True, slots=True)
class Besieged:
    """A worker that only hints wake, and a connection for it to verify."""

    works: Works
    connection: Connection
    worker: Process
    broker: redis.Redis


@pytest.fixture(scope="module")
def besieged(module_works: Works, vendor_process: Vendor, servers: Servers) -> Iterator[Besieged]:
    works, token = module_works, vendor_process.token("dana-full")
    connection = works.connection(works.link_by_token(token))
    with (
        a_worker(works, vendor_process, sweep_seconds=600) as worker,
        redis.Redis.from_url(servers.valkey.url) as broker,
    ):
        yield Besieged(works, connection, worker, broker)


@pytest.mark.parametrize(
    ("task", "body", "odd"),
    [
        ("no.such.task", arguments(), {}),
        ("drain", arguments("one", 2), {}),
        ("drain", arguments(limit=-1), {}),
        ("drain", arguments("x" * 10_000_000), {}),
        ("drain", "gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU", {"content-type": "pickle"}),
        ("drain", "{", {}),
    ],
    ids=["unknown", "arguments", "names", "ten-megabytes", "pickle", "broken"],
)
def test_Q07_the_worker_lives_and_works(
    task: str, body: str, odd: dict[str, Any], besieged: Besieged
) -> None:
    works, worker = besieged.works, besieged.worker
    send(besieged.broker, task, body, **odd)
    until(lambda: besieged.broker.llen(QUEUE) == 0, worker)
    verification = asked(works, besieged.connection)
    until(lambda: hints.wake() is None and is_done(works, verification), worker)
