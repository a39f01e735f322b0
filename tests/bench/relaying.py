"""What a link costs: the requests of a back-fill, and how long a push takes to reach its target.

The back-fill draws 10,000 commits of ten repositories from the rows and takes them to Jira's
sandbox; the fewest requests are those whose every body is as full as Jira allows. The lag is from
the transaction that keeps a push, fifty of them a second, to the moment when the target answers,
which takes it 100 ms; a worker drains beside in this process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from django.conf import settings

from connections import access
from connections.contracts import BranchRecord, CommitRecord, Person
from connections.flows import keep, relay_links
from connections.models import Commit, Connection, Link, RelayAttempt, Repository, Workspace
from portal import clock, roles, work
from portal.models import Team
from tests.bench import rounds
from tests.bench.rounds import Line
from tests.conftest import installed
from tests.connections import board as room
from tests.connections.atlassian_life import Life
from tests.connections.board import Wall, wall
from tests.connections.relaying import board
from tests.servers import Servers
from tests.vendor import Vendor
from tests.works import Works

COMMITS, REPOSITORIES = 10_000, 10
FEWEST = COMMITS // 1000  # entities of a request; no more than 400 of one repository
PUSHES, A_SECOND = 500, 50
TARGET_SECONDS = 0.1


def run(servers: Servers, folder: Path, *, count: int = 1) -> bool:
    """Measure, print and keep; whether every bound holds."""
    found: dict[str, list[float]] = {"one": [], "five": []}
    with TemporaryDirectory() as place, installed(Path(place)) as works:
        found["requests"] = [backfilled(works)]
        roomy()
        with wall(settings) as here:
            target = board(works)
            one, five = sources(works, target, 1), sources(works, target, 5)
            here.seconds = TARGET_SECONDS
            for _ in range(count):
                found["one"].append(lag(works, here, one))
                found["five"].append(lag(works, here, five))
    lines = [
        Line("requests of a back-fill ÷ fewest", [n / FEWEST for n in found["requests"]], 1.05),
        Line("lag p95, one connection, seconds", found["one"], 2),
        Line("lag p95, five connections, seconds", found["five"], 2),
    ]
    about = f"{COMMITS:,} commits of {REPOSITORIES} repositories; {PUSHES} pushes"
    return rounds.report("relay", about, lines, found, folder)


# ── A back-fill ───────────────────────────────────────────────────────────────────────────────


def backfilled(works: Works) -> float:
    """How many requests 10,000 commits took."""
    with led() as vendor:
        life = Life(works, vendor, "jira")
        target = life.connection(life.link("site-credentials"))
        source = code(works, REPOSITORIES, "code")
        with roles.using_role("worker"), works.inside():
            for row in Repository.objects.filter(connection=source):
                Commit.objects.bulk_create(
                    Commit(
                        organization_id=works.acme.id, connection=source, repository=row,
                        remote_id=uuid4().hex + "00000000", message=f"PAY-{1 + n % 40} Do it",
                        author_name="Dana Levi", author_email="dana@acme.example",
                        committed_at=clock.now(), url="https://bitbucket.org/acme/r/commits/1",
                    )
                    for n in range(COMMITS // REPOSITORIES)
                )  # fmt: skip
        linked(works, source, target, fills=True)
        for _ in range(20):
            works.drain()
            with works.inside():
                link = Link.objects.get()
                if link.backfill_stand == "done":
                    break
            time.sleep(1)
        with works.inside():
            assert link.backfill_done == COMMITS, link.backfill_done
            return float(RelayAttempt.objects.count())


# ── Lag ───────────────────────────────────────────────────────────────────────────────────────


def roomy() -> None:
    """The imaginary target takes as much in a request as Jira does."""
    room.MOST, known = 400, room.Board.manifest
    assert known.relay is not None
    room.Board.manifest = replace(known, relay=replace(known.relay, batch=2000))


def sources(works: Works, target: Connection, count: int) -> list[Connection]:
    """So many connections of ten repositories each, linked to this target."""
    made = [code(works, 10, f"code {count} {n}") for n in range(count)]
    for source in made:
        linked(works, source, target)
    return made


def lag(works: Works, here: Wall, made: list[Connection]) -> float:
    """The 95th percentile of seconds from kept to answered."""
    here.came, here.moments = [], []
    kept: dict[str, float] = {}
    stop = threading.Event()
    worker = threading.Thread(target=draining, args=(stop,), daemon=True)
    worker.start()
    pushed(works, made, kept)
    until = time.monotonic() + 30
    while len(here.moments) < 2 * PUSHES and time.monotonic() < until:
        time.sleep(0.1)
    stop.set()
    worker.join(60)
    came = zip(here.came, here.moments, strict=True)
    seen = {pin["name"].rsplit(" ", 1)[1]: at for pin, at in came}
    lags = sorted(seen.get(key, time.time()) - at for key, at in kept.items())
    return lags[int(len(lags) * 0.95)]


def pushed(works: Works, sources: list[Connection], kept: dict[str, float]) -> None:
    """Fifty a second: a commit and its branch, kept as a webhook's fetch keeps them."""
    with works.inside():
        rows = {
            source.id: list(
                Repository.objects.filter(connection=source).select_related("workspace")
            )
            for source in sources
        }
    began = time.monotonic()
    for number in range(PUSHES):
        time.sleep(max(0.0, began + number / A_SECOND - time.monotonic()))
        own = rows[sources[number % len(sources)].id]
        row = own[number % len(own)]
        key = uuid4().hex + "00000000"
        person = Person("", "Dana Levi", "dana@acme.example")
        commit = CommitRecord(key, message=f"CARD-{number} Do it", author=person)
        branch = BranchRecord(f"branch:t{number}", "branch", f"t{number}", key, clock.now())
        seen = keep.Seen(uuid4(), clock.now())
        with roles.using_role("worker"), works.inside():
            keep.page(keep.Place(row.workspace, row), [branch], seen)
            keep.page(keep.Place(row.workspace, row), [commit], seen)
        kept[key] = time.time()


def draining(stop: threading.Event) -> None:
    with roles.using_role("worker"):
        while not stop.is_set():
            if not work.drain():
                time.sleep(0.05)


# ── The scene ─────────────────────────────────────────────────────────────────────────────────


def code(works: Works, repositories: int, name: str) -> Connection:
    with works.inside():
        team = None if name == "code" else Team.objects.create(name=name)
    with roles.using_role("worker"), works.inside():
        made: Connection = Connection.objects.create(
            connector="bitbucket-cloud", method="api-token", name=name, team=team, state="active",
            account_id=str(uuid4()), account_name="Dana Levi", capabilities=["repositories-read"],
        )  # fmt: skip
        space = Workspace.objects.create(
            connection=made, remote_id=f"{{{name}}}", slug="acme", name="Acme", selected=True
        )
        for n in range(repositories):
            Repository.objects.create(
                connection=made, workspace=space, remote_id=f"{{{name} {n}}}", slug=f"r{n}",
                name=f"r{n}", full_name=f"acme/r{n}", url=f"https://bitbucket.org/acme/r{n}",
            )  # fmt: skip
    return made


def linked(works: Works, source: Connection, target: Connection, *, fills: bool = False) -> None:
    with works.inside():
        place = Workspace.objects.select_related("connection").filter(connection_id=target.id)[0]
        link = relay_links.draft(actor=works.alice, source=source, destination=place)
        relay_links.choose(actor=works.alice, link=link, choice="all")
        relay_links.activate(actor=works.alice, link=link, fills=fills)


@contextmanager
def led() -> Iterator[Vendor]:
    """The sandbox, with the portal's calls led to it."""
    vendor = Vendor()
    settings.SANDBOX_ORIGINS, settings.CONNECTOR_ORIGINS = vendor.sandboxes, vendor.origins
    access.door.cache_clear()
    try:
        yield vendor
    finally:
        vendor.stop()
        access.door.cache_clear()
