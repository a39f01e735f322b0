"""B1: a webhook of 4 KB taken in with every duty, against a Django view of one HMAC and one INSERT.

Sixteen clients send without pause. Both sides are served by the same process (`hook_site.py`), and
each commit reaches the disk. Every duty is on: size and kind, address by hash, rate of endpoint and
organization, both secrets, dedupe, replay, headers, the inbox row and the job for it. Only the rate
is set so high that nobody is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from tests import ingesting
from tests.bench import rounds
from tests.bench.leasing import nanoseconds
from tests.bench.memory import family
from tests.bench.rounds import Line
from tests.bench.stage import database_name
from tests.bench.wire import Wire
from tests.conftest import installed
from tests.ingesting import IngestProcess, Sender
from tests.servers import Servers

CLIENTS = 16
SECONDS = 3.0
PER_SECOND = 500
TAIL_MS = 50.0
SITE = "tests.bench.hook_site:application"
SECRET = b"a secret of the benchmark"
TABLE = """
CREATE TABLE IF NOT EXISTS bench_inbox (
    id uuid PRIMARY KEY, body bytea NOT NULL, received_at timestamptz NOT NULL DEFAULT now());
GRANT INSERT ON bench_inbox TO portal_ingest
"""

Send = Callable[[Wire, int], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """A process that serves both sides, and a vendor."""

    servers: Servers
    process: IngestProcess
    vendor: Sender

    def ours(self, client: Wire, number: int) -> None:
        post(client, self.vendor.path, self.vendor.secret, payload(number))

    def bare(self, client: Wire, number: int) -> None:
        post(client, "/bare", SECRET, payload(number))


def payload(number: int) -> bytes:
    """4 KB that nobody sent before."""
    return PUSH.replace(b"NUMBER", b"%040x" % number, 1)


def push() -> bytes:
    """As a push looks: words that repeat, and hashes that do not."""
    commits = []
    for place in range(18):
        name = hashlib.sha1(str(place).encode()).hexdigest()
        links = {"html": {"href": f"https://bitbucket.org/acme/portal/commits/{name}"}}
        commits.append({"type": "commit", "hash": name, "message": "Mend it", "links": links})
    body = {"push": {"changes": [{"commits": commits, "forced": False}]}, "number": "NUMBER"}
    return json.dumps(body).encode().ljust(4096 - 34)


PUSH = push()


def post(client: Wire, path: str, secret: bytes, body: bytes) -> None:
    """As Bitbucket Cloud sends it."""
    digest = hmac.digest(secret, body, "sha256").hex()
    headers = {"content-type": "application/json", "x-hub-signature": f"sha256={digest}"}
    headers |= {"x-event-key": "repo:push", "x-request-uuid": str(uuid4())}
    status, said = client.post(path, headers, body)
    assert status == 202, (status, said)


@dataclass
class Round:
    """What the clients saw, in milliseconds, how long it took, and the processor time of it."""

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    busy_ms: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of processor time for one, the process's and its backends'."""
        return self.busy_ms / len(self.times)

    @property
    def p99(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)]

    @property
    def p50(self) -> float:
        return statistics.median(self.times)


def run(servers: Servers, folder: Path, *, count: int = 7) -> bool:
    """Measure, print and keep; whether every bound holds."""
    kept: dict[str, list[Round]] = {"ours": [], "bare": []}
    with scene(servers) as at:
        sides: dict[str, Callable[[], float]] = {
            "ours": lambda: measured(at, at.ours, kept["ours"]),
            "bare": lambda: measured(at, at.bare, kept["bare"]),
        }
        rounds.interleaved(sides, rounds=count)
        paced: list[Round] = []
        for _ in range(3):
            measured(at, at.ours, paced, per_second=PER_SECOND)
        stored = len(at.vendor.deliveries())
    sent = sum(len(one.times) for one in (*kept["ours"], *paced))
    told = {name: found[-count:] for name, found in kept.items()}
    ours, bare = told["ours"], told["bare"]
    lines = [
        Line(
            "accepted in a second ÷ a view's HMAC + INSERT",
            rounds.ratios([one.rate for one in ours], [one.rate for one in bare]),
            1.0,
            at_least=True,
        ),
        Line(
            "that view's processor time ÷ ours",
            rounds.ratios([one.cost for one in bare], [one.cost for one in ours]),
        ),
        Line(f"p99 at {PER_SECOND} a second", [x.p99 for x in paced], TAIL_MS, unit=" ms"),
        Line("rows ÷ answers of 202", [stored / sent], 1.0, at_least=True),
        Line(f"sent in a second, of {PER_SECOND}", [one.rate for one in paced]),
        Line("p50 at that pace", [one.p50 for one in paced], unit=" ms"),
        Line("accepted in a second", [one.rate for one in ours]),
        Line("the same of the baseline", [one.rate for one in bare]),
        Line("processor time of one", [one.cost for one in ours], unit=" ms"),
        Line("the same of the baseline", [one.cost for one in bare], unit=" ms"),
    ]
    raw = {name: [vars(one) for one in found] for name, found in (told | {"paced": paced}).items()}
    return rounds.report("ingest", f"{CLIENTS} clients, each commit on disk", lines, raw, folder)


@contextmanager
def scene(servers: Servers) -> Iterator[Scene]:
    many = {"HOOKS_PER_SECOND": "1000000", "HOOKS_ORGANIZATION_PER_SECOND": "1000000"}
    with servers.postgres.connect(database_name()) as admin:
        for statement in TABLE.strip().split(";"):
            admin.execute(statement.encode())
    with TemporaryDirectory() as folder, installed(Path(folder)) as works:
        vendor = ingesting.sender(works)
        with ingesting.process(works, application=SITE, **many) as running:
            yield Scene(servers, running, vendor)


# ── What is measured ──────────────────────────────────────────────────────────────────────────


def measured(
    at: Scene,
    send: Send,
    kept: list[Round],
    *,
    seconds: float = SECONDS,
    per_second: float = 0,
) -> float:
    """One round of all clients together, each without pause or at its share of the pace."""
    found, start = Round(), time.monotonic()
    before = busy(at)
    clients = [
        threading.Thread(
            target=keep_sending,
            args=(at, send, (start, start + seconds), CLIENTS / per_second if per_second else 0),
            kwargs={"turn": turn, "times": found.times},
        )
        for turn in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    found.seconds = time.monotonic() - start
    found.busy_ms = (busy(at) - before) / 1e6
    kept.append(found)
    return found.rate


def keep_sending(
    at: Scene,
    send: Send,
    span: tuple[float, float],
    every: float,
    *,
    turn: int,
    times: list[float],
) -> None:
    """`every` is the time between two of one client; it is late when an answer was, and says so."""
    mine: list[float] = []
    due = span[0] + every * turn / CLIENTS
    with Wire(at.process.port) as client:
        while (now := time.monotonic()) < span[1] or not mine:
            if every:
                time.sleep(max(0.0, due - now))
            begun = max(due, span[0]) if every else time.monotonic()
            send(client, uuid4().int)
            mine.append((time.monotonic() - begun) * 1000)
            due += every
    times.extend(mine)


def busy(at: Scene) -> int:
    """Nanoseconds of processor time that the process and its backends have used."""
    with at.servers.postgres.connect(database_name()) as connection:
        backends = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'portal_ingest'"
        ).fetchall()
    ours = family(at.process.process.pid)
    return sum(map(nanoseconds, [*ours, *(pid for (pid,) in backends)]))
