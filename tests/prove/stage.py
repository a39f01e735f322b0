"""What the proofs play on: a database, keys, a sandbox of their own, and real worker processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.db import connections, transaction
from django.test import override_settings
from launcher import children

from connections import access
from portal import keyfile, keyring, roles
from tests import keys
from tests.servers import Servers, pointing_at
from tests.vendor import ROOT, Vendor
from tests.works import Works

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One proof's own world. `folder` is temporary; `works` has the cast of two people of Acme."""

    servers: Servers
    vendor: Vendor
    works: Works
    folder: Path

    @property
    def database(self) -> str:
        """The name of the database that every alias leads to."""
        return str(connections["default"].settings_dict["NAME"])

    def environment(self, process: str = "worker", **more: str) -> dict[str, str]:
        """What a process of the portal is started with on this stage, with its own keys."""
        address = re.sub(r"/[^/?]*\?", f"/{self.database}?", os.environ["DATABASE_URL"])
        return os.environ | {
            "PORTAL_PROCESS": process,
            "DATABASE_URL": address,
            "KEYRING_FILE": str(self.folder / f"{process}.json"),
            "SANDBOX_ORIGINS": ",".join(self.vendor.sandboxes),
            "CONNECTOR_ORIGINS": json.dumps(self.vendor.origins),
            "PYTHONWARNINGS": "ignore",
            **more,
        }

    def keep_commits(self) -> None:
        """What is committed outlives `kill -9` of the database, as it does in production; tests
        do without otherwise."""
        with self.servers.postgres.connect() as administrator:
            administrator.execute(f"ALTER DATABASE {self.database} SET synchronous_commit = on")
        connections.close_all()

    @contextmanager
    def workers(self, count: int, *, including: str = "", **environment: str) -> Iterator[Workers]:
        """This many Celery workers run, and are gone afterwards; `including` is one more module."""
        running = Workers(self, environment, including)
        try:
            running.start(count)
            yield running
        finally:
            running.stop()


class Workers:
    """Celery worker processes of one stage; each leads its own session and dies with us."""

    def __init__(self, stage: Stage, environment: Mapping[str, str], including: str = "") -> None:
        self._stage = stage
        self._including = (including,) if including else ()
        self._environment = stage.environment("worker", **environment)
        self.log = stage.folder / "workers.log"
        self.running: list[children.Child] = []
        self.kills = 0

    def start(self, count: int = 1) -> None:
        """Start workers; they are not waited for."""
        command = [sys.executable, "-m", "tests.worker", "4", *self._including]
        for _ in range(count):
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=self.log.open("ab"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.running.append(child)

    def kill(self, place: int = 0) -> None:
        """`kill -9` of one of them with all its children; it is not started again."""
        child = self.running.pop(place)
        children.kill_session(child.pid)
        child.wait()
        self.kills += 1

    def replace_one(self) -> None:
        """The oldest of them dies, and another one comes."""
        self.kill()
        self.start()

    def stop(self) -> None:
        while self.running:
            children.stop(self.running.pop(), signal.SIGTERM, 10)


@contextmanager
def on(servers: Servers, name: str) -> Iterator[Stage]:
    """A stage on these running servers; all of it is gone afterwards."""
    servers.clone(name)
    servers.empty_valkey()
    with tempfile.TemporaryDirectory() as folder, pointing_at(name):
        vendor = Vendor()
        try:
            with leading_to(vendor), holding_keys(Path(folder)):
                yield Stage(servers, vendor, Works(Path(folder) / "worker.json"), Path(folder))
        finally:
            vendor.stop()
    servers.drop(name)


@contextmanager
def on_another_vendor(stage: Stage, *options: str) -> Iterator[Stage]:
    """The same stage with a sandbox that was started with these options."""
    vendor = Vendor(*options)
    try:
        with leading_to(vendor):
            yield replace(stage, vendor=vendor)
    finally:
        vendor.stop()


@contextmanager
def leading_to(vendor: Vendor) -> Iterator[None]:
    """The portal's calls in this process lead to this sandbox."""
    places = {"SANDBOX_ORIGINS": vendor.sandboxes, "CONNECTOR_ORIGINS": vendor.origins}
    with override_settings(**places):
        access.door.cache_clear()
        try:
            yield
        finally:
            access.door.cache_clear()


@contextmanager
def holding_keys(folder: Path) -> Iterator[None]:
    """Each process finds its keyring in the folder, the database knows them, and we hold all."""
    texts = keyring.generate()
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    for process, text in texts.items():
        path = folder / f"{process}.json"
        path.touch(mode=0o600)
        path.write_text(text)
    with keys.holding(keys.everything(rings)):
        with roles.using_role("owner"), transaction.atomic(using="owner"):
            keyring.plant(list(rings.values()))
        yield


def until(true: Callable[[], bool], seconds: float = START_SECONDS, every: float = 0.1) -> float:
    """How long it took to be true. Raises TimeoutError when it is not in time."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not so after {seconds:.0f} s")
        time.sleep(every)
    return time.monotonic() - began
