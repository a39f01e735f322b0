"""Memory of a worker that reads 10,000 repositories, against one that reads 100 of them.

Each reads with a process of its own, from its start to the end of a first sync with all pull
requests; what counts is the most it ever held. The vendor allows a million requests an hour here,
so that the reading lasts minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.test import override_settings

from connections import access
from connections.flows import workspaces
from connections.models import Connection, PullRequest, StreamState, SyncRun, Workspace
from portal import keyfile, keyring
from tests import keys
from tests.bench import memory, rounds
from tests.bench.rounds import Line
from tests.bench.stage import ROOT
from tests.servers import Servers
from tests.vendor import VENDORS, Vendor
from tests.works import Works

FEW, MANY, BOUND = 100, 10_000, 1.2
SPACE = "acme"
STREAMS = ["repositories", "pull-requests"]
CAPABILITIES = ["repositories-read", "workspaces-read", "pullrequests-read"]
LOOK_SECONDS = 0.5
PER_HOUR = 1_000_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A linked connection, and the sandbox whose first workspace grows."""

    works: Works
    vendor: Vendor
    connection: Connection


def run(servers: Servers, folder: Path, *, most: int = 0) -> bool:
    """Measure once, print and keep; whether the bound holds."""
    most = most or int(os.environ.get("BENCH_REPOSITORIES", MANY))
    with scene(folder, FEW) as at:
        few = read(at)
        begun = time.perf_counter()
        at.vendor.order("/repositories", workspace=SPACE, count=most)
        many = read(at)
        seconds, pulls = time.perf_counter() - begun, held(at)
    lines = [
        Line(f"the most at {most:,} ÷ at {FEW} repositories", [max(many) / max(few)], BOUND),
        Line(f"the most at {FEW} repositories", [max(few) / 1024], unit=" MiB"),
        Line(f"the most at {most:,} repositories", [max(many) / 1024], unit=" MiB"),
        Line("pull requests held in the end", [pulls]),
        Line("the larger reading", [seconds], unit=" s"),
    ]
    about = f"a first sync of {most:,} repositories with their pull requests"
    return rounds.report("memory-sync", about, lines, {"few": few, "many": many}, folder)


@contextmanager
def scene(folder: Path, repositories: int) -> Iterator[Scene]:
    """The worker's keys in a file, and a connection of which nothing is read yet."""
    texts = keyring.generate()
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    folder.mkdir(parents=True, exist_ok=True)
    worker_keys = folder / "growing-worker.json"
    worker_keys.touch(mode=0o600)
    worker_keys.write_text(texts["worker"])
    vendor = Vendor("--repositories", str(repositories))
    origins = dict.fromkeys(VENDORS, vendor.url)
    with (
        keys.holding(keys.everything(rings)),
        override_settings(SANDBOX_ORIGINS=[vendor.url], CONNECTOR_ORIGINS=origins),
    ):
        access.door.cache_clear()
        try:
            vendor.order("/switches", rate_limit=PER_HOUR)
            works = Works(worker_keys)
            linked = works.link_by_token(vendor.token("dana-full"), capabilities=CAPABILITIES)
            connection = works.connection(linked, streams=STREAMS)
            works.allow(PER_HOUR)
            yield Scene(works, vendor, connection)
        finally:
            access.door.cache_clear()
            vendor.stop()
            worker_keys.unlink()


def read(at: Scene) -> list[int]:
    """A worker of its own reads what is there; its memory at each look, in KiB."""
    with at.works.inside():
        rows = Workspace.objects.filter(connection_id=at.connection.id, slug=SPACE)
        ids = list(rows.values_list("id", flat=True))
        workspaces.choose(actor=at.works.alice, connection=at.connection, workspace_ids=ids)
    environment = at.works.environment(at.vendor) | {"LEASE_SECONDS": "60", "LOG_LEVEL": "WARNING"}
    command = [sys.executable, "manage.py", "drain"]
    worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    looks = [memory.pss(worker.pid)]
    while worker.poll() is None:
        looks.append(_pss(worker.pid))
        time.sleep(LOOK_SECONDS)
    with at.works.inside():
        run = SyncRun.objects.order_by("-created_at")[0]
        assert run.state == "done", (run.state, run.error)
        assert not StreamState.objects.filter(last_success_at=None).exists()
    return looks


def _pss(pid: int) -> int:
    """Nothing for a process that ends while it is looked at."""
    try:
        return memory.pss(pid)
    except OSError:
        return 0


def held(at: Scene) -> int:
    with at.works.inside():
        return int(PullRequest.objects.filter(gone_at=None).count())
