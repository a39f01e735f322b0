"""B4: a first reading of 50 pages in eight workspaces, eight requests at a time.

`next` links are opaque, so a workspace's pages come one after the other. Nobody can be done before
max(longest chain, pages ÷ concurrency) × latency: that is the bound. The second baseline reads the
same with atlassian-python-api, in pages of 100 as we do, one request at a time as it does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atlassian.bitbucket import Cloud
from django.conf import settings
from django.test import override_settings

from connections import access
from connections.flows import sync
from connections.models import Connection, Repository, SyncRun, Workspace
from portal import keyfile, keyring
from tests import keys
from tests.bench import rounds
from tests.bench.rounds import Line
from tests.bench.stage import database_name
from tests.servers import Servers
from tests.vendor import VENDORS, Vendor
from tests.works import READ, Works

PAGE = 100
LATENCY_MS = 200
CHAINS = (7, 7, 6, 6, 6, 6, 6, 6)


@dataclass(frozen=True, slots=True)
class Scene:
    """A linked connection whose chosen workspaces are the chains, and the sandbox behind it."""

    servers: Servers
    works: Works
    vendor: Vendor
    connection: Connection
    chains: Sequence[int]
    latency_ms: int

    @property
    def slugs(self) -> list[str]:
        return [f"chain-{number}" for number in range(len(self.chains))]

    @property
    def bound_seconds(self) -> float:
        """What the vendor's latency alone costs."""
        waves = max(max(self.chains), sum(self.chains) / settings.SYNC_CONCURRENCY)
        return waves * self.latency_ms / 1000


def run(servers: Servers, folder: Path, *, count: int = 7) -> bool:
    """Measure, print and keep; whether both bounds hold."""
    with scene(servers, CHAINS, LATENCY_MS) as at:
        sides = {"ours": lambda: ours(at), "library": lambda: library(at)}
        samples = rounds.interleaved(sides, rounds=count)
        bound = at.bound_seconds
        lines = [
            Line("our wall ÷ latency bound", [s / bound for s in samples["ours"]], 1.15),
            Line(
                "atlassian-python-api ÷ ours",
                rounds.ratios(samples["library"], samples["ours"]),
                6.0,
                at_least=True,
            ),
            Line("our wall", samples["ours"], unit=" s"),
        ]
    about = f"{sum(CHAINS)} pages of {PAGE}, {LATENCY_MS} ms each, in {len(CHAINS)} chains"
    return rounds.report("sync", f"{about}; bound {bound:.2f} s", lines, samples, folder)


@contextmanager
def scene(servers: Servers, chains: Sequence[int], latency_ms: int) -> Iterator[Scene]:
    """The sandbox has a workspace for each chain; an API token to them is linked and verified."""
    rings = {p: keyfile.parse(text, p) for p, text in keyring.generate().items()}
    vendor = Vendor()
    origins = dict.fromkeys(VENDORS, vendor.url)
    with (
        keys.holding(keys.everything(rings)),
        override_settings(SANDBOX_ORIGINS=[vendor.url], CONNECTOR_ORIGINS=origins),
    ):
        access.door.cache_clear()
        try:
            works = Works(Path())
            grow(vendor, chains)
            pending = works.link_by_token(vendor.token("dana-full"), capabilities=READ)
            at = Scene(servers, works, vendor, works.connection(pending), chains, latency_ms)
            choose(at)
            vendor.order("/latency", ms=latency_ms)
            yield at
        finally:
            access.door.cache_clear()
            vendor.stop()


def grow(vendor: Vendor, chains: Sequence[int]) -> None:
    vendor.order("/switches", rate_limit=1_000_000)
    for number, pages in enumerate(chains):
        vendor.order("/workspaces", create=f"chain-{number}")
        vendor.order("/repositories", workspace=f"chain-{number}", count=pages * PAGE)


def choose(at: Scene) -> None:
    """The chains are chosen and nothing else; the sync that linking started has ended."""
    at.works.drain()
    with at.works.inside():
        known = Workspace.objects.filter(connection_id=at.connection.id)
        known.update(selected=False)
        known.filter(slug__in=at.slugs).update(selected=True)


# ── The two sides ─────────────────────────────────────────────────────────────────────────────


def ours(at: Scene) -> float:
    """Seconds from the claim of the job to its end, all rows kept; as a first reading."""
    with at.servers.postgres.connect(database_name()) as connection:
        connection.execute("TRUNCATE connections_repository CASCADE")
        connection.execute("CHECKPOINT")
    with at.works.inside():
        asked = sync.start(at.connection, requested_by="bench")
    begun = time.perf_counter()
    at.works.drain()
    seconds = time.perf_counter() - begun
    with at.works.inside():
        state = SyncRun.objects.get(id=asked.id).state
        kept = Repository.objects.count()
    assert (state, kept) == ("done", sum(at.chains) * PAGE), (state, kept)
    return seconds


def library(at: Scene) -> float:
    """Seconds in which atlassian-python-api lists the same, keeping nothing."""
    token = next(t for t in at.vendor.known["tokens"] if t["about"].startswith("dana-full:"))
    begun = time.perf_counter()
    cloud = Cloud(at.vendor.url, username=token["email"], password=token["token"])
    read = 0
    for slug in at.slugs:
        # Its own `each()` of a workspace takes no page length and would need ten times as many.
        path = f"repositories/{slug}?pagelen={PAGE}"
        while path:
            body = cloud.get(path, absolute=path.startswith("http"))
            read += len(body["values"])
            path = body.get("next", "")
    seconds = time.perf_counter() - begun
    assert read == sum(at.chains) * PAGE, json.dumps({"read": read})
    return seconds
