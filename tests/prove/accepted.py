"""Webhooks while all that serves them is stopped and killed: accepted is stored, and applied once.

Four vendors send at a steady pace to two ingest processes and never send anything twice, while two
workers apply. PostgreSQL is stopped and killed, Valkey killed, ingest and workers killed. What was
answered 202 has its row, and each row marked what it names exactly once.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from uuid import uuid4

from connections.models import Connection, Delivery, DirtyTarget, Repository, Workspace
from portal import clock, roles
from tests import ingesting
from tests.ingesting import IngestProcess, Sender
from tests.prove import broker
from tests.prove.stage import Stage, Workers, until
from tests.prove.told import Claim, Told

VENDORS = 4
LINES = 2  # of each vendor
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Size:
    """`stops` and `crashes` are PostgreSQL's, `kills` those of ingest and of workers each."""

    seconds: float
    per_second: float
    stops: int
    crashes: int
    valkey: int
    kills: int
    away: float
    lease: int


NOT_AT_REST = (
    "SELECT id, attempts, next_at, error FROM connections_delivery WHERE state = 'new' LIMIT 20",
    "SELECT id, until, cardinality(deliveries), now() FROM connections_deliveryclaim",
    "SELECT kind, attempts, last_error, run_at, lease_until, dedupe, now() FROM portal_job"
    " WHERE done_at IS NULL",
)

FULL = Size(300, 200, 3, 1, 2, 20, 10.0, 10)
SHORT = Size(9, 60, 1, 1, 1, 1, 1.0, 3)


@dataclass
class Sent:
    """What the vendors know: the ids that were answered 202, and how the others ended."""

    accepted: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    vendors = [furnished(stage, number) for number in range(VENDORS)]
    at = [IngestProcess(stage.works) for _ in range(2)]
    sent, over = Sent(), threading.Event()
    every = VENDORS * LINES / size.per_second
    lines = [
        threading.Thread(target=keep_sending, args=(vendor, at, over, every, sent))
        for vendor in vendors
        for _ in range(LINES)
    ]
    paces = {"LEASE_SECONDS": str(size.lease), "SWEEP_SECONDS": "2" if short else "10"}
    with stage.workers(WORKERS, **paces) as workers:
        try:
            for line in lines:
                line.start()
            suffer(stage, size, at, workers)
            over.set()
            for line in lines:
                line.join()
            works_again = vendors[0].send(at[0], body_of("again")).status == 202
        finally:
            over.set()
            for one in at:
                one.stop()
        began = time.monotonic()
        try:
            until(lambda: waiting(stage) == 0, 180.0, 0.5)
        except TimeoutError as error:
            error.add_note("\n".join(in_the_way(stage)))
            raise
        applied_after = time.monotonic() - began
    return counted(stage, vendors, size, sent, (works_again, applied_after))


def furnished(stage: Stage, number: int) -> Sender:
    """A vendor and its one repository. The connection is paused: no request is made for it."""
    vendor = ingesting.sender(stage.works, f"vendor {number}")
    with roles.using_role("worker"), stage.works.inside():
        Connection.objects.filter(id=vendor.connection.id).update(paused_at=clock.now())
        workspace = Workspace.objects.create(
            connection=vendor.connection, remote_id="{W}", slug="acme", name="Acme", selected=True
        )
        Repository.objects.create(
            connection=vendor.connection,
            workspace=workspace,
            remote_id="{R}",
            slug="api",
            name="api",
            seen_run=uuid4(),
            seen_at=clock.now(),
        )
    return vendor


def body_of(name: str) -> bytes:
    """A push to a branch that no other delivery names."""
    repository = {"uuid": "{R}", "full_name": "acme/api", "workspace": {"uuid": "{W}"}}
    change = {"new": None, "old": {"type": "branch", "name": name}}
    return json.dumps({"repository": repository, "push": {"changes": [change]}}).encode()


def keep_sending(
    vendor: Sender, at: list[IngestProcess], over: threading.Event, every: float, sent: Sent
) -> None:
    """One delivery after the other, each once, to the processes in turn."""
    due = time.monotonic()
    for number in cycle(range(len(at))):
        due = max(due + every, time.monotonic() - 1)
        if over.wait(max(0.0, due - time.monotonic())):
            return
        name, began = str(uuid4()), time.monotonic()
        try:
            status = vendor.send(at[number], body_of(name), x_request_uuid=name).status
        except (OSError, http.client.HTTPException) as error:
            sent.others[type(error).__name__] += 1
            continue
        sent.slowest = max(sent.slowest, time.monotonic() - began)
        if status == http.client.ACCEPTED:
            sent.accepted.append(name)
        else:
            sent.others[str(status)] += 1


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────


def suffer(stage: Stage, size: Size, at: list[IngestProcess], workers: Workers) -> None:
    """Every fault has had its turn, at even distances."""
    deeds = list(faults(stage, size, at, workers))
    began = time.monotonic()
    for number, deed in enumerate(deeds, 1):
        time.sleep(max(0.0, began + size.seconds * number / (len(deeds) + 1) - time.monotonic()))
        deed()
    time.sleep(max(0.0, began + size.seconds - time.monotonic()))


def faults(
    stage: Stage, size: Size, at: list[IngestProcess], workers: Workers
) -> Iterator[Callable[[], None]]:
    """Those of the servers between those of the processes."""

    def stop() -> None:
        with stage.servers.database_away():
            time.sleep(size.away)

    def valkey() -> None:
        broker.start(stage.servers, broker.kill(stage.servers))

    def kill(place: int) -> None:
        dead = at[place]
        dead.kill()
        at[place] = IngestProcess(stage.works)
        workers.kill()
        workers.start()

    of_servers = [stop, valkey] * min(size.stops, size.valkey)
    of_servers += [stop] * (size.stops - size.valkey) + [
        stage.servers.crash_database
    ] * size.crashes
    pause = max(1, size.kills // (len(of_servers) or 1))
    for number in range(size.kills):
        yield partial(kill, number % len(at))
        if of_servers and (number + 1) % pause == 0:
            yield of_servers.pop()
    yield from of_servers


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def waiting(stage: Stage) -> int:
    with stage.works.inside():
        return Delivery.objects.filter(state=Delivery.State.NEW).count()


def in_the_way(stage: Stage) -> list[str]:
    """The deliveries, claims and jobs that are not at rest."""
    with stage.servers.postgres.connect(stage.database) as administrator:
        return [str(row) for each in NOT_AT_REST for row in administrator.execute(each).fetchall()]


def counted(
    stage: Stage, vendors: list[Sender], size: Size, sent: Sent, ended: tuple[bool, float]
) -> Told:
    works_again, applied_after = ended
    with stage.works.inside():
        rows = list(Delivery.objects.values_list("sender_id", "state", "effect", "attempts"))
        told = list(DirtyTarget.objects.values_list("key", "told"))
    stored = Counter(row[0] for row in rows)
    lost = set(sent.accepted) - stored.keys()
    unanswered = len(stored.keys() - set(sent.accepted)) - int(works_again)
    tried = sum(sent.others.values()) + len(sent.accepted)
    broken = sum(n for name, n in sent.others.items() if not name.isdigit())
    unapplied = sum(state != Delivery.State.APPLIED for _, state, _, _ in rows)
    branches = {key.removeprefix("branch:"): times for key, times in told}
    twice = sum(times != 1 for name, times in branches.items() if name != "again")
    unmarked = stored.keys() - branches.keys()
    claims = [
        Claim("every accepted delivery is stored", not lost and bool(sent.accepted), len(lost)),
        Claim("none is stored twice", max(stored.values()) == 1, max(stored.values())),
        Claim("what is stored unanswered broke off", unanswered <= broken + 1, unanswered),
        Claim("every stored delivery is applied", unapplied == 0, unapplied),
        Claim("each has its effect", len(unmarked) <= 1, len(unmarked)),  # "again" has no own name
        Claim("none has it twice", twice == 0, twice),
        Claim("it takes in again by itself", works_again),
    ]
    answers = [("202", len(sent.accepted)), *sorted(sent.others.items())]
    again = sum(attempts > 1 for _, _, _, attempts in rows)
    about = (
        f"{tried:,} deliveries at {size.per_second:g} a second; PostgreSQL stopped {size.stops} ×"
        f" and killed {size.crashes} ×, Valkey killed {size.valkey} ×, ingest and workers killed"
        f" {size.kills} ×; {again} read again, all applied after {applied_after:.0f} s"
    )
    return Told(about, ["answer", "deliveries"], answers, claims, {"slowest": sent.slowest})
