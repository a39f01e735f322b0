"""B3: what finding n changed pull requests costs, in requests, and the fewest that can find them.

Nobody can do with less than one question for the workspace and one for each repository that
changed. Where nothing changed, no row that was read is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.test import override_settings

from connections import access, tasks
from connections.models import Connection, PullRequest
from portal import clock, keyfile, keyring, roles
from tests import keys
from tests.bench import rounds
from tests.bench.rounds import Line
from tests.bench.stage import database_name
from tests.servers import Servers
from tests.vendor import VENDORS, Vendor
from tests.works import Works

REPOSITORIES = 200
CHANGES = (0, 1, 10, 25, 100)
STREAMS = ["repositories", "pull-requests"]
CAPABILITIES = ["repositories-read", "workspaces-read", "pullrequests-read"]
TABLES = ("connections_repository", "connections_pullrequest", "connections_streamstate")


@dataclass(frozen=True, slots=True)
class Scene:
    """A workspace that was read once, with all its pull requests, and the sandbox behind it."""

    servers: Servers
    works: Works
    vendor: Vendor
    connection: Connection
    slugs: Sequence[str]
    pulls: int


def run(servers: Servers, folder: Path) -> bool:
    """Measure, print and keep; whether the bounds hold."""
    with scene(servers, REPOSITORIES) as at:
        costs = {count: [cost(at, count) for _ in range(3)] for count in CHANGES}
        before = mark(at)
        idle = cost(at, 0)
        written = float(mark(at) != before)
    lines = [
        Line(f"requests ÷ minimum, {count} changed", [c / (1 + count) for c in found], 1.05)
        for count, found in costs.items()
    ]
    lines += [Line("requests when nothing changed", [float(idle)], 1)]
    lines += [Line("tables written when nothing changed", [written], 0)]
    about = f"{REPOSITORIES} repositories, {at.pulls:,} pull requests"
    return rounds.report("poll", about, lines, costs, folder)


@contextmanager
def scene(servers: Servers, count: int) -> Iterator[Scene]:
    """The sandbox's first workspace has so many repositories, and all of it was read."""
    rings = {p: keyfile.parse(text, p) for p, text in keyring.generate().items()}
    vendor = Vendor("--repositories", str(count))
    origins = dict.fromkeys(VENDORS, vendor.url)
    with (
        keys.holding(keys.everything(rings)),
        override_settings(SANDBOX_ORIGINS=[vendor.url], CONNECTOR_ORIGINS=origins),
    ):
        access.door.cache_clear()
        try:
            vendor.order("/switches", rate_limit=1_000_000, pull_requests_move_repository=True)
            works = Works(Path())
            pending = works.link_by_token(vendor.token("dana-full"), capabilities=CAPABILITIES)
            connection = works.connection(pending, streams=STREAMS)
            assert works.sync(connection, "acme").state == "done"
            with works.inside():
                rows = PullRequest.objects.filter(number=1).order_by("repository__slug")
                slugs = list(rows.values_list("repository__slug", flat=True))
                pulls = PullRequest.objects.count()
            yield Scene(servers, works, vendor, connection, slugs, pulls)
        finally:
            access.door.cache_clear()
            vendor.stop()


def cost(at: Scene, count: int) -> int:
    """So many repositories have a pull request that changed; the requests until it is held."""
    for slug in at.slugs[:count]:
        at.vendor.order(
            "/pull-requests", workspace="acme", repository=slug, do="comment", id=1, text="Again"
        )
    before = len(at.vendor.requests())
    with at.works.inside():
        Connection.objects.update(next_sync_at=clock.now())
    with roles.using_role("worker"):
        tasks.start_due()
    at.works.drain()
    return len(at.vendor.requests()) - before


def mark(at: Scene) -> list[str]:
    """What any write to a row that was read changes."""
    marks = "string_agg(xmin::text || ctid::text, ',' ORDER BY id)"
    with at.servers.postgres.connect(database_name()) as admin:
        return [
            str(admin.execute(f"SELECT md5({marks}) FROM {table}".encode()).fetchone())
            for table in TABLES
        ]
