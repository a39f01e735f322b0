"""B6: a lease of a fresh token, against a Django view that reads one row.

Both are served by the same api process with the same middleware, as it runs in production: its own
database role, its own keys. A lease checks the key and its limits, opens the token and puts itself
on record, and each commit reaches the disk. Clients ask without pause, twice as many as bin/run
gives the process threads, so that it always has work and some of them stand in line.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from connections.models import Connection, Lease
from tests.api_process import ApiProcess
from tests.bench import rounds
from tests.bench.memory import family
from tests.bench.rounds import Line
from tests.bench.stage import database_name
from tests.conftest import installed
from tests.leasing import Service, service, with_token
from tests.servers import Servers

CLIENTS = 8
SECONDS = 2.0
TOKEN_LETTERS = 900
BOUND, TAIL = 1.5, 3.0


@dataclass(frozen=True, slots=True)
class Scene:
    """An api process, a service with its key, and a connection whose token is fresh."""

    servers: Servers
    process: ApiProcess
    service: Service
    connection: Connection

    def lease(self, client: http.client.HTTPConnection) -> None:
        body = json.dumps({"reason": "benchmark"})
        headers = {"Authorization": f"Bearer {self.service.whole}"}
        headers["Content-Type"] = "application/json"
        path = f"/api/v1/connections/{self.connection.id}/token"
        assert "access_token" in ask(client, "POST", path, body, headers)

    def bare(self, client: http.client.HTTPConnection) -> None:
        assert "domain" in ask(client, "GET", "/bare", None, {})


def ask(
    client: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | None,
    headers: dict[str, str],
) -> str:
    client.request(method, path, body, headers)
    answer = client.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, text
    return text


@dataclass
class Round:
    """What the clients saw in one round, in milliseconds, and the processor time it took."""

    times: list[float] = field(default_factory=list)
    busy_ms: float = 0.0

    @property
    def p50(self) -> float:
        return statistics.median(self.times)

    @property
    def tail(self) -> float:
        """p99 ÷ p50."""
        return sorted(self.times)[int(len(self.times) * 0.99)] / self.p50

    @property
    def cost(self) -> float:
        """Milliseconds of processor time for one answer, the process's and its backends'."""
        return self.busy_ms / len(self.times)


def run(servers: Servers, folder: Path, *, count: int = 7) -> bool:
    """Measure, print and keep; whether every bound holds."""
    kept: dict[str, list[Round]] = {"lease": [], "bare": []}
    with scene(servers) as at:
        sides: dict[str, Callable[[], float]] = {
            "lease": lambda: measured(at, at.lease, kept["lease"]),
            "bare": lambda: measured(at, at.bare, kept["bare"]),
        }
        rounds.interleaved(sides, rounds=count)
        on_record = leases(at)
    told = {name: found[-count:] for name, found in kept.items()}
    asked = sum(len(each.times) for each in kept["lease"])
    lease, bare = told["lease"], told["bare"]
    lines = [
        Line("p50 ÷ a Django view that reads one row", over(lease, bare, "p50"), BOUND),
        Line("processor time ÷ that view's", over(lease, bare, "cost"), BOUND),
        Line("p99 ÷ p50 of a lease", [each.tail for each in lease], TAIL),
        Line("leases on record ÷ tokens handed out", [on_record / asked], 1.0, at_least=True),
        Line("p50 of a lease", [each.p50 for each in lease], unit=" ms"),
        Line("p50 of the baseline", [each.p50 for each in bare], unit=" ms"),
        Line("p99 ÷ p50 of the baseline", [each.tail for each in bare]),
        Line("processor time of a lease", [each.cost for each in lease], unit=" ms"),
        Line("leases in a second", [len(each.times) / SECONDS for each in lease]),
    ]
    raw = {name: [vars(each) for each in found] for name, found in told.items()}
    return rounds.report("lease", f"{CLIENTS} clients, each commit on disk", lines, raw, folder)


def over(one: list[Round], other: list[Round], what: str) -> list[float]:
    return rounds.ratios([getattr(x, what) for x in one], [getattr(x, what) for x in other])


@contextmanager
def scene(servers: Servers, **settings: str) -> Iterator[Scene]:
    with TemporaryDirectory() as folder, installed(Path(folder)) as works:
        connection = with_token(works, text="t" * TOKEN_LETTERS)
        asking = service(works)
        wide = {"API_PER_MINUTE": "100000000"} | settings
        process = ApiProcess(works, application="tests.bench.api_site:application", **wide)
        try:
            yield Scene(servers, process, asking, connection)
        finally:
            process.stop()


# ── What is measured ──────────────────────────────────────────────────────────────────────────


def measured(
    at: Scene,
    deed: Callable[[http.client.HTTPConnection], None],
    kept: list[Round],
    *,
    seconds: float = SECONDS,
) -> float:
    """One round of all clients together."""
    found = Round()
    until = time.monotonic() + seconds
    before = busy(at)
    clients = [
        threading.Thread(target=keep_asking, args=(at, deed, until, found.times))
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    found.busy_ms = (busy(at) - before) / 1e6
    kept.append(found)
    return found.p50


def keep_asking(
    at: Scene,
    deed: Callable[[http.client.HTTPConnection], None],
    until: float,
    times: list[float],
) -> None:
    """At least once, however short the round is."""
    client = at.process.connect()
    mine: list[float] = []
    while not mine or time.monotonic() < until:
        begun = time.perf_counter()
        deed(client)
        mine.append((time.perf_counter() - begun) * 1000)
    client.close()
    times.extend(mine)


def busy(at: Scene) -> int:
    """Nanoseconds of processor time that the api process and its backends have used."""
    with at.servers.postgres.connect(database_name()) as connection:
        backends = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'portal_api'"
        ).fetchall()
    ours = family(at.process.process.pid)
    return sum(map(nanoseconds, [*ours, *(pid for (pid,) in backends)]))


def nanoseconds(pid: int) -> int:
    """Of all its threads."""
    found = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        found += int(task.read_text().split()[0])
    return found


def leases(at: Scene) -> int:
    with at.service.works.inside():
        return int(Lease.objects.filter(service_key_id=at.service.key.id).count())
