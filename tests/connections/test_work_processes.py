"""Real workers and a real Valkey, killed and restarted: what is asked for gets done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from launcher import children

from connections.flows import verify
from connections.models import Connection, Credential, Verification
from portal import hints, keyfile, keyring, roles
from portal.models import Heartbeat
from tests.grants import consented, plant
from tests.servers import Servers
from tests.vendor import ROOT, Vendor
from tests.works import Works

PATIENCE = 60

Process = subprocess.Popen[bytes]


@contextmanager
def a_worker(
    works: Works, vendor: Vendor, *, sweep_seconds: int, **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker process on this test's database; it has beaten when this begins."""
    plant_keys(works)
    settings["SWEEP_SECONDS"] = str(sweep_seconds)
    process = started(works.environment(vendor) | settings)
    try:
        until(lambda: Heartbeat.objects.filter(kind="worker").exists(), process)
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)


def started(environment: dict[str, str]) -> Process:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.worker", "2"],
        cwd=ROOT,
        env=environment | {"LEASE_SECONDS": "30"},
        stderr=subprocess.DEVNULL,
    )


def plant_keys(works: Works) -> None:
    """The database knows the keys that the worker holds, as `init_keys` would leave it."""
    ring = keyfile.parse(works.worker_keys.read_text(), "worker")
    with roles.using_role("owner"), transaction.atomic(using="owner"):
        keyring.plant([ring])


def until(true: Callable[[], bool], process: Process | None = None) -> float:
    """How long it took to be true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < PATIENCE, "too late"
        assert process is None or process.poll() is None, "the worker has ended"
        time.sleep(0.1)
    return time.monotonic() - began


def kill_valkey(servers: Servers) -> int:
    """`kill -9` of this session's Valkey; its place in the list of what runs."""
    place = next(i for i, (server, _) in enumerate(servers.running) if server is servers.valkey)
    child = servers.running[place][1]
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    return place


def start_valkey(servers: Servers, place: int) -> None:
    servers.valkey.prepare()
    child = servers.valkey.spawn(servers.logs / "valkey.log")
    assert children.wait_until(servers.valkey.is_ready, child, 20)
    servers.running[place] = (servers.valkey, child)


@contextmanager
def without_valkey(servers: Servers) -> Iterator[None]:
    place = kill_valkey(servers)
    try:
        yield
    finally:
        start_valkey(servers, place)


def asked(works: Works, connection: Connection) -> Verification:
    with works.inside():
        return verify.request(actor=works.alice, connection=connection)


def woken() -> bool:
    """A hint was sent, unless an earlier one failed a moment ago."""
    hints.wake()
    return True


def is_done(works: Works, verification: Verification) -> bool:
    with works.inside():
        return Verification.objects.filter(id=verification.id, outcome="passed").exists()


def test_asking_does_not_need_the_broker(works: Works, vendor: Vendor, servers: Servers) -> None:
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    with without_valkey(servers):
        began = time.monotonic()
        verification = asked(works, connection)
        asked_in = time.monotonic() - began
        works.drain()

        assert is_done(works, verification)
        assert asked_in < 10


def test_a_hint_wakes_a_worker_also_after_the_broker_was_killed(
    works: Works, vendor: Vendor, servers: Servers
) -> None:
    """This worker sweeps once in ten minutes: only hints can have woken it."""
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    with a_worker(works, vendor, sweep_seconds=600) as worker:
        first = asked(works, connection)
        until(lambda: woken() and is_done(works, first), worker)

        start_valkey(servers, kill_valkey(servers))
        second = asked(works, connection)
        until(lambda: woken() and is_done(works, second), worker)


def test_without_broker_and_beat_workers_find_what_is_due(
    works: Works, vendor: Vendor, servers: Servers
) -> None:
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    with a_worker(works, vendor, sweep_seconds=1) as worker, without_valkey(servers):
        verification = asked(works, connection)
        until(lambda: is_done(works, verification), worker)

        with works.inside():
            Connection.objects.update(next_verification_at=timezone.now() - timedelta(seconds=1))
        until(lambda: _passed(works) == 3, worker)


def _passed(works: Works) -> int:
    with works.inside():
        return int(Verification.objects.filter(outcome="passed").count())


def test_a_worker_beats_while_a_long_job_runs(works: Works, vendor: Vendor) -> None:
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    vendor.order("/faults", match="GET /2.0/user", kind="slow", seconds=5, times=1)
    with a_worker(works, vendor, sweep_seconds=1) as worker:
        verification = asked(works, connection)
        time.sleep(3)
        beat = Heartbeat.objects.get(kind="worker").seen_at
        assert timezone.now() - beat < timedelta(seconds=2.5)
        until(lambda: is_done(works, verification), worker)


def test_a_worker_that_cannot_begin_takes_no_job(works: Works, vendor: Vendor) -> None:
    """What a restore brought back must be compared first, and that needs the database."""
    away = {"DATABASE_URL": "postgresql://portal_owner@/x?host=/nonexistent"}
    process = started(works.environment(vendor) | away)
    try:
        assert process.wait(PATIENCE) == keyring.EXIT_CONFIG
    finally:
        process.kill()


def test_a_worker_that_stops_settles_what_it_asked_and_asks_no_more(
    works: Works, vendor: Vendor
) -> None:
    plant(works.acme, works.register(vendor.consumer("acme-portal")), consented(vendor, 80))
    vendor.order("/latency", ms=2000)
    brisk = {"REFRESH_LEASE_SECONDS": "120", "REFRESH_PER_SECOND": "1000"}
    with a_worker(works, vendor, sweep_seconds=1, **brisk) as worker:
        until(lambda: _grants(works, intent_version=1) > 0, worker)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
    assert _grants(works, intent_version=1) == 0
    assert 0 < _grants(works, version=2) < 80


def _grants(works: Works, **which: int) -> int:
    with works.inside():
        return int(Credential.objects.filter(**which).count())
