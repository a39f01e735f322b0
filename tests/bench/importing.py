"""An import of 10,000 connections: its pace against the vendor's budget, and flat memory.

Each credential is asked about once, and the budget says how many a second. Nobody can be done
before rows ÷ budget: that is the bound. One worker process does all of it.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from connections.flows import import_checks, imports
from connections.models import ImportBatch, ImportRow
from portal import keyfile, keyring
from portal.models import Team
from tests import keys
from tests.bench import memory, rounds
from tests.bench.rounds import Line
from tests.bench.stage import ROOT, database_name
from tests.servers import Servers
from tests.vendor import VENDORS, free_port
from tests.works import Works

ROWS = 10_000
PER_SECOND = 40
LATENCY_MS = 100
LOOK_SECONDS = 1.0


@dataclass(slots=True)
class Scene:
    """Where the file is checked, and the worker that will import it."""

    works: Works
    port: int
    rows: int
    per_second: int
    memory: list[tuple[int, float]] = field(default_factory=list)

    @property
    def bound_seconds(self) -> float:
        """What the vendor's budget alone costs."""
        return self.rows / self.per_second

    def environment(self) -> dict[str, str]:
        vendor = f"http://127.0.0.1:{self.port}"
        here = re.sub(r"/[^/?]*\?", f"/{database_name()}?", os.environ["DATABASE_URL"])
        return os.environ | {
            "PORTAL_PROCESS": "worker",
            "DATABASE_URL": here,
            "KEYRING_FILE": str(self.works.worker_keys),
            "SANDBOX_ORIGINS": vendor,
            "CONNECTOR_ORIGINS": json.dumps(dict.fromkeys(VENDORS, vendor)),
            "REFRESH_PER_SECOND": str(self.per_second),
            "LOG_LEVEL": "WARNING",
        }


def run(servers: Servers, folder: Path, *, rows: int = 0) -> bool:
    """Measure once, print and keep; whether both bounds hold."""
    rows = rows or int(os.environ.get("BENCH_ROWS", ROWS))
    with scene(folder, rows, PER_SECOND) as at:
        begun = time.perf_counter()
        batch = check(at)
        checked = time.perf_counter() - begun
        seconds = ours(at, batch)
        lines = [
            Line("our wall ÷ the budget's bound", [seconds / at.bound_seconds], 1.1),
            Line("memory at the end ÷ at a tenth", [growth(at)], 1.1),
            Line("connections a second", [rows / seconds]),
            Line("the check of the file", [checked], unit=" s"),
        ]
        samples = {"seconds": [seconds], "memory": at.memory}
    about = f"{rows} rows, budget {PER_SECOND} a second, {LATENCY_MS} ms an answer"
    return rounds.report("import", about, lines, samples, folder)


@contextmanager
def scene(folder: Path, rows: int, per_second: int) -> Iterator[Scene]:
    """An organization, the worker's keys, and a vendor where every address is an account."""
    texts = keyring.generate()
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    folder.mkdir(parents=True, exist_ok=True)
    worker_keys = folder / "import-worker.json"
    worker_keys.touch(mode=0o600)
    worker_keys.write_text(texts["worker"])
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.lean_accounts", str(port), str(LATENCY_MS)]
    vendor = subprocess.Popen(command, cwd=ROOT)
    try:
        with keys.holding(keys.everything(rings)):
            yield Scene(Works(worker_keys), port, rows, per_second)
    finally:
        vendor.terminate()
        vendor.wait(10)
        worker_keys.unlink()


def check(at: Scene) -> ImportBatch:
    """The dry run of a file with so many rows, by an admin."""
    text = io.StringIO()
    text.write("connector,name,team,email,token\n")
    for n in range(at.rows):
        token = f"ATATT3xFfGF0{n:08}{'bench' * 30}"
        text.write(f"bitbucket-cloud,Connection {n},Bench,person{n}@bench.example,{token}\n")
    with at.works.inside():
        Team.objects.create(name="Bench")
        batch = import_checks.check(
            actor=at.works.admin,
            file_name="bench.csv",
            content=text.getvalue().encode(),
            team_id=None,
            replaces=False,
            key=uuid4(),
        )
        assert batch.sound == at.rows, (batch.sound, batch.warned, batch.broken)
        imports.start(actor=at.works.admin, batch=batch, rotate_days=30)
    return batch


def ours(at: Scene, batch: ImportBatch) -> float:
    """Seconds from the first settled row to the last; start-up is not the import's."""
    command = [sys.executable, "manage.py", "drain"]
    worker = subprocess.Popen(command, cwd=ROOT, env=at.environment(), stdout=subprocess.DEVNULL)
    begun, at_first = 0.0, 0
    while worker.poll() is None:
        done = settled(at, batch)
        if done and not begun:
            begun, at_first = time.perf_counter(), done
        at.memory.append((done, memory.pss(worker.pid)))
        if done >= at.rows:
            break
        time.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - begun
    worker.wait(60)
    assert settled(at, batch) == at.rows
    return seconds * at.rows / max(1, at.rows - at_first)


def settled(at: Scene, batch: ImportBatch) -> int:
    with at.works.inside():
        made = ImportRow.objects.filter(batch_id=batch.id, outcome=ImportRow.Outcome.CREATED)
        return int(made.count())


def growth(at: Scene) -> float:
    """Memory at the last look before the end, by memory at the first look after a tenth."""
    after = [kib for done, kib in at.memory if done >= at.rows / 10]
    return after[-1] / after[0] if after and after[0] else 1.0
