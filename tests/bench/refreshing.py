"""B5: a sweep of due grants against a token endpoint that takes 50 ms, with and without protocol.

Ours is two worker processes on the real tables: claims, intents, sealed tokens, ledger, breaker.
The bare loop is urllib3 and one UPDATE for each grant, in as many processes and threads. One by
one is that loop with a single thread, for a moment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.test import override_settings

from connections import places
from connections.flows import renewals
from connections.models import Consumer, Credential, RefreshAttempt
from portal import clock, keyfile, keyring, roles, tenancy, vault
from portal.models import Job, Organization
from portal.secret import Secret
from tests import keys
from tests.bench import memory, rounds
from tests.bench.rounds import Line
from tests.bench.stage import ROOT, database_name
from tests.grants import Granted, plant
from tests.servers import Servers
from tests.vendor import VENDORS, free_port
from tests.works import Works

GRANTS = 20_000
ORGANIZATIONS = 20
LATENCY_MS = 50
PROCESSES, THREADS = 2, 32
HANDS = 4  # jobs that each of our processes does at once, as bin/run starts it
ALONE = 100  # grants that are refreshed one by one, for comparison
LOOK_SECONDS = 0.5
MUCH = str(10**9)

Process = subprocess.Popen[str]


@dataclass(slots=True)
class Scene:
    """The grants in both forms, and where the vendor is."""

    servers: Servers
    folder: Path
    port: int
    grants: int
    organizations: list[Organization]
    worker_keys: Path
    memory: list[float]

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/site/oauth2/access_token"

    @property
    def address(self) -> str:
        """The database, as the worker's role."""
        here = re.sub(r"/[^/?]*\?", f"/{database_name()}?", os.environ["DATABASE_URL"])
        return here.replace("portal_owner", "portal_worker")


def run(servers: Servers, folder: Path, *, count: int = 5, grants: int = 0) -> bool:
    """Measure, print and keep; whether the bounds hold."""
    grants = grants or int(os.environ.get("BENCH_GRANTS", GRANTS))
    with scene(servers, folder, grants) as at:
        sides = {"ours": lambda: ours(at), "bare": lambda: bare(at, PROCESSES, THREADS)}
        samples = rounds.interleaved(sides, rounds=count)
        alone = bare(at, 1, 1, grants=ALONE) / ALONE * grants
        lines = [
            Line("ours ÷ bare loop", rounds.ratios(samples["ours"], samples["bare"]), 1.35),
            Line("one by one ÷ ours", [alone / s for s in samples["ours"]], 50.0, at_least=True),
            Line("memory at the end ÷ at a tenth", at.memory, 1.1),
            Line("ours, grants a second", [grants / s for s in samples["ours"]]),
            Line("bare loop, grants a second", [grants / s for s in samples["bare"]]),
        ]
    about = f"{grants} due grants, {LATENCY_MS} ms each, {PROCESSES} × {THREADS} at once"
    return rounds.report("refresh", about, lines, samples, folder)


# ── The stage ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def scene(servers: Servers, folder: Path, grants: int) -> Iterator[Scene]:
    """Organizations with grants, the same grants in a plain table, and a lean vendor."""
    texts = keyring.generate()
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    folder.mkdir(parents=True, exist_ok=True)
    worker_keys = folder / "worker.json"
    worker_keys.touch(mode=0o600)
    worker_keys.write_text(texts["worker"])
    port = free_port()
    vendor = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.lean_vendor", str(port), str(LATENCY_MS)], cwd=ROOT
    )
    try:
        with keys.holding(keys.everything(rings)):
            works = Works(worker_keys)
            names = [f"bench-{number}" for number in range(ORGANIZATIONS)]
            organizations = [works.organization(name) for name in names]
            at = Scene(servers, folder, port, grants, organizations, worker_keys, [])
            furnish(at)
            yield at
    finally:
        vendor.terminate()
        vendor.wait(10)
        worker_keys.unlink()


def furnish(at: Scene) -> None:
    each = at.grants // len(at.organizations)
    for organization in at.organizations:
        consumer = registered(organization)
        granted = [
            Granted(f"{organization.slug}-{number}", "A" * 90, f"{'R' * 24}{number:010}")
            for number in range(each)
        ]
        plant(organization, consumer, granted)
    at.grants = each * len(at.organizations)
    with at.servers.postgres.connect(database_name()) as database:
        database.execute(
            "CREATE TABLE bench_grant (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
            " access text, refresh text NOT NULL, expires_at timestamptz)"
        )
        database.execute("GRANT SELECT, UPDATE ON bench_grant TO portal_worker")
        database.execute(
            "INSERT INTO bench_grant (refresh, access)"
            " SELECT repeat('R', 24) || lpad(n::text, 10, '0'), repeat('A', 90)"
            "   FROM generate_series(1, %s) n",
            [at.grants],
        )


def registered(organization: Organization) -> Consumer:
    with (
        roles.using_role("worker"),
        tenancy.acting_for(organization),
        tenancy.transaction(),
    ):
        made: Consumer = Consumer.objects.create(
            connector="bitbucket-cloud", name="Bench", client_id="key", sealed_at=clock.now()
        )
        vault.keep(places.of_consumer(made), Secret("a secret of the bench"))
        return made


def settle_down(at: Scene) -> None:
    """Both sides begin with tidy tables and nothing left to write."""
    with at.servers.postgres.connect(database_name()) as database:
        database.execute("VACUUM (ANALYZE)")
        database.execute("CHECKPOINT")


# ── The two sides ─────────────────────────────────────────────────────────────────────────────


def ours(at: Scene) -> float:
    """Seconds until every due grant is refreshed."""
    make_due(at)
    settle_down(at)
    environment = os.environ | {
        "PORTAL_PROCESS": "worker",
        "DATABASE_URL": at.address.replace("portal_worker", "portal_owner"),
        "KEYRING_FILE": str(at.worker_keys),
        "SANDBOX_ORIGINS": f"http://127.0.0.1:{at.port}",
        "CONNECTOR_ORIGINS": json.dumps(dict.fromkeys(VENDORS, f"http://127.0.0.1:{at.port}")),
        "REFRESH_PER_SECOND": MUCH,
        "REFRESH_CONCURRENCY": str(THREADS),
    }
    sides = [side(["ours", str(HANDS)], environment) for _ in range(PROCESSES)]
    seconds, pss = timed(sides)
    at.memory.append(pss[-1] / pss[len(pss) // 10])
    assert refreshed(at) == at.grants
    return seconds


def make_due(at: Scene) -> None:
    """Every grant is due, and each organization has its job."""
    for organization in at.organizations:
        with roles.using_role("worker"), tenancy.acting_for(organization), tenancy.transaction():
            Credential.objects.update(
                refresh_due_at=clock.now() - timedelta(minutes=1), version=1, refresh_attempts=0
            )
            Job.objects.all().delete()
    with override_settings(REFRESH_PER_SECOND=int(MUCH)):
        renewals.start_due()


def refreshed(at: Scene) -> int:
    """How many grants have moved on, each with its line in the ledger."""
    found = 0
    for organization in at.organizations:
        with roles.using_role("worker"), tenancy.acting_for(organization), tenancy.transaction():
            assert RefreshAttempt.objects.filter(decision="became_current").exists()
            found += Credential.objects.filter(version=2, intent_version=None).count()
    return found


def bare(at: Scene, processes: int, threads: int, *, grants: int | None = None) -> float:
    """Seconds of the loop without protocol."""
    with at.servers.postgres.connect(database_name()) as database:
        rows = database.execute("SELECT id, refresh FROM bench_grant LIMIT %s", [grants])
        pairs = [[str(identifier), text] for identifier, text in rows.fetchall()]
    settle_down(at)
    sides = []
    for number in range(processes):
        share = at.folder / f"grants-{number}.json"
        share.write_text(json.dumps(pairs[number::processes]))
        command = ["bare", str(share), at.token_url, at.address, str(threads)]
        sides.append(side(command, dict(os.environ)))
    seconds, _ = timed(sides)
    for number in range(processes):
        (at.folder / f"grants-{number}.json").unlink()
    return seconds


def side(arguments: Sequence[str], environment: dict[str, str]) -> Process:
    command = [sys.executable, "-m", "tests.bench.refresh_side", *arguments]
    log = open(os.devnull, "w")  # noqa: SIM115  (the child's for as long as it lives)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log, **pipes)


def timed(sides: Sequence[Process]) -> tuple[float, list[float]]:
    """Seconds from the go until the last one is done, and the memory of all on the way."""
    for process in sides:
        said(process)
    begun, pss = time.perf_counter(), []
    with ThreadPoolExecutor(len(sides)) as pool:
        for process in sides:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ends = [pool.submit(said, process) for process in sides]
        while not all(end.done() for end in ends):
            pss.append(sum(memory.pss(process.pid) for process in sides))
            wait(ends, LOOK_SECONDS)
    seconds = time.perf_counter() - begun
    for process in sides:
        process.communicate()
    return seconds, pss


def said(process: Process) -> str:
    """The next line of a process; RuntimeError when it ended without one."""
    assert process.stdout is not None
    if line := process.stdout.readline():
        return line
    raise RuntimeError("A side of the benchmark failed.")
