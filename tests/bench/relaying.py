"""What a link costs: the requests of a back-fill, and how long what happens is on its way.

The back-fill draws 10,000 commits of ten repositories from the rows and takes them to Jira's
sandbox; the fewest requests are those whose every body is as full as Jira allows. The lag is that
of five hundred deliveries through everything that bin/run starts for it, see `carrying.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from django.conf import settings

from connections import access
from connections.flows import relay_links
from connections.models import Commit, Connection, Link, RelayAttempt, Repository, Workspace
from portal import clock, roles
from tests.bench import carrying, rounds
from tests.bench.rounds import Line
from tests.conftest import installed
from tests.connections.atlassian_life import Life
from tests.servers import Servers, pointing_at
from tests.vendor import Vendor
from tests.works import Works

COMMITS, REPOSITORIES = 10_000, 10
FEWEST = COMMITS // 1000  # entities of a request; no more than 400 of one repository
ANOTHER = "portal_bench_lag"


def run(servers: Servers, folder: Path, *, count: int = 1) -> bool:
    """Measure, print and keep; whether every bound holds."""
    with TemporaryDirectory() as place, installed(Path(place)) as works:
        requests = [backfilled(works)]
    lines = [Line("requests of a back-fill ÷ fewest", [n / FEWEST for n in requests], 1.05)]
    found: dict[str, list[Any]] = {"requests": list(requests)}
    # Five links take turns at their site, each with requests of its own: told, not judged.
    for name, connections, bound in (("one connection", 1, 2.0), ("five connections", 5, None)):
        rounds_of = []
        for _ in range(count):
            with anew(servers):
                rounds_of.append(carrying.measured(servers, connections))
        lags = [one.share(0.95) for one in rounds_of]
        lines.append(Line(f"lag p95, {name}, seconds", lags, bound))
        astray = [float(one.missing + one.twice) for one in rounds_of]
        lines.append(Line(f"deliveries not once there, {name}", astray, 0))
        found[name] = [asdict(one) | middle_and_tail(one) for one in rounds_of]
    about = f"{COMMITS:,} commits of {REPOSITORIES} repositories; {carrying.DELIVERIES} deliveries"
    return rounds.report("relay", about, lines, found, folder)


@contextmanager
def anew(servers: Servers) -> Iterator[None]:
    """A database in which nothing has happened, and a broker that says nothing."""
    servers.clone(ANOTHER)
    servers.empty_valkey()
    with pointing_at(ANOTHER):
        yield
    servers.drop(ANOTHER)


def middle_and_tail(one: carrying.Found) -> dict[str, float]:
    return {"p50": one.share(0.5), "p99": one.share(0.99)}


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


# ── The scene ─────────────────────────────────────────────────────────────────────────────────


def code(works: Works, repositories: int, name: str) -> Connection:
    with roles.using_role("worker"), works.inside():
        made: Connection = Connection.objects.create(
            connector="bitbucket-cloud", method="api-token", name=name, state="active",
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
