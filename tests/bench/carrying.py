"""The way of what a webhook tells, from its acceptance to the issue: real processes on all of it.

At Bitbucket's sandbox people push, open, change and approve pull requests, and builds report, fifty
times a second. The sandbox tells of each by a signed webhook; the ingest process takes it in, a
worker process as bin/run starts it fetches what it named, and sends it to Jira's sandbox, which
takes 100 ms to answer. The lag of a delivery is from its acceptance until the answer to the last
request that carried something of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from launcher import children, programs

from connections.flows import hook_endpoints, relay_links
from connections.models import (
    Connection,
    Delivery,
    DirtyTarget,
    RelayAttempt,
    RelayItem,
    RequestBudget,
    Workspace,
)
from integrations import bitbucket_code
from portal import roles, tenancy
from portal.models import Heartbeat
from tests import ingesting
from tests.bench.stage import database_name
from tests.conftest import installed, led_to
from tests.connections import hook_line
from tests.connections.atlassian_life import Life
from tests.connections.coding import CAPABILITIES, STREAMS
from tests.connections.ways import a_team
from tests.servers import Servers
from tests.vendor import ROOT, Vendor
from tests.works import Works

DELIVERIES, A_SECOND = 500, 50
PEOPLE = ("dana", "dana-too", "tomas", "nora", "rashid")
REPOSITORIES = 10  # of all connections together
ISSUES = 40  # of the project PAY
TARGET_MS = 100
UNHURRIED = "1000000"  # requests of an hour: what it allows is no matter of speed
PATIENCE = 60.0
# What happens, over and over: a push is seen by its branch, a build by its commit.
KINDS = (
    *("push", "create", "push", "status", "update"),
    *("push", "status", "approve", "push", "status"),
)
BEFORE = 50  # deliveries earlier, a branch was pushed that a pull request or a build is of


@dataclass(slots=True)
class Source:
    """One connection: a workspace of its own, and what was prepared there for each repository."""

    connection: Connection
    space: str
    user: str
    slugs: list[str]
    pulls: list[tuple[str, int]] = field(default_factory=list)  # to be changed or approved once
    pushed: list[tuple[str, str, str]] = field(default_factory=list)  # repository, branch, commit


@dataclass(slots=True)
class Scene:
    """Sources that are linked to one site, an ingest process and a worker."""

    works: Works
    vendor: Vendor
    sources: list[Source]


@dataclass(slots=True)
class Found:
    """What came of the deliveries: seconds of each, and what was not once at the target."""

    lags: list[float]
    accepted: int
    carried: int
    missing: int
    twice: int
    requests: int

    @property
    def is_whole(self) -> bool:
        """Whether each delivery that names an issue arrived, and nothing of it twice."""
        return not self.missing and not self.twice and bool(self.carried)

    def share(self, of: float) -> float:
        """So many of a hundred took no longer than this."""
        return self.lags[min(len(self.lags) - 1, int(len(self.lags) * of))]


def measured(servers: Servers, count: int) -> Found:
    """What came of the deliveries to so many connections."""
    vendor = Vendor("--rate-limit", UNHURRIED)
    try:
        with (
            TemporaryDirectory() as folder,
            led_to(vendor),
            installed(Path(folder)) as works,
            scene(servers, works, vendor, count, DELIVERIES) as at,
        ):
            return carried(at, DELIVERIES, A_SECOND)
    finally:
        vendor.stop()


def carried(at: Scene, count: int, per_second: float) -> Found:
    """So many things happen, and all of it has arrived."""
    happen(at, count, per_second)
    settled(at)
    return counted(at)


# ── The scene ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def scene(servers: Servers, works: Works, vendor: Vendor, count: int, most: int) -> Iterator[Scene]:
    """So many connections are linked to the site, ready for `most` deliveries."""
    life = Life(works, vendor, "jira")
    target = life.connection(life.link("site-credentials"))
    sources = [source(works, vendor, number, count, most) for number in range(count)]
    for one in sources:
        linked(works, one.connection, target)
    unhurried()
    works.drain()
    here = {"REDIS_URL": os.environ["REDIS_URL"]}
    ingesting.prove(works.worker_keys, "worker")
    with ingesting.process(works, **here) as ingest:
        lead = {settings.HOOKS_URL: f"http://127.0.0.1:{ingest.port}"}
        vendor.order("/webhooks", routes=lead)
        vendor.order("/latency", ms=TARGET_MS, match="* /jira/*")
        for one in sources:
            subscribed(works, vendor, one)
        works.drain()
        with servers.postgres.connect(database_name()) as admin:
            admin.execute("ANALYZE")  # a database in use knows how much it holds
        with worker(servers, works):
            yield Scene(works, vendor, sources)


def source(works: Works, vendor: Vendor, number: int, of: int, most: int) -> Source:
    """Linked and read: what is there from the start, and what will be changed."""
    space, user = f"bench-{of}-{number}", PEOPLE[number]
    person = next(one for one in vendor.known["users"] if one["nickname"] == user)
    full = next(one for one in vendor.known["tokens"] if one["about"].startswith("dana-full:"))
    vendor.order("/workspaces", create=space, user=user)
    token = vendor.order("/tokens", kind="api_token", user=user, scopes=full["scopes"])["token"]
    slugs = [f"r{each}" for each in range(max(1, min(REPOSITORIES, most // 5) // of))]
    for slug in slugs:
        vendor.order("/repositories", workspace=space, create=slug, commits=2)
    made = Source(None, space, user, slugs)  # type: ignore[arg-type]
    for each in range(most // of // 5 + len(slugs)):
        slug, branch = slugs[each % len(slugs)], f"ready-{each}"
        push(vendor, made, slug, branch, each)
        wish = {"workspace": space, "repository": slug, "do": "create", "source": branch}
        found = vendor.order("/pull-requests", **wish, title=f"PAY-{1 + each % ISSUES} Ready")
        made.pulls.append((slug, found["id"]))
    pending = works.link_by_token(
        token,
        name=space,
        capabilities=CAPABILITIES,
        team_id=a_team(works, space),
        fields={"email": person["email"]},
    )
    made.connection = works.connection(pending, streams=STREAMS)
    works.sync(made.connection, space)
    return made


def unhurried() -> None:
    """The accounts may ask as often as it takes."""
    with roles.using_role("worker"), tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        RequestBudget.objects.update(per_hour=int(UNHURRIED))


def linked(works: Works, connection: Connection, target: Connection) -> None:
    """All of its repositories to the site acme, from now on."""
    with works.inside():
        rows = Workspace.objects.select_related("connection")
        place = rows.get(connection_id=target.id, slug="acme")
        read = Connection.objects.get(id=connection.id)
        link = relay_links.draft(actor=works.alice, source=read, destination=place)
        relay_links.choose(actor=works.alice, link=link, choice="all")
        relay_links.activate(actor=works.alice, link=link)


def subscribed(works: Works, vendor: Vendor, one: Source) -> None:
    """The vendor's workspace tells this connection's address of everything."""
    with tenancy.acting_for(works.acme):
        made = hook_endpoints.make(actor=works.alice, connection=one.connection)
    assert made.secret is not None
    vendor.order("/members", workspace=one.space, user="dana", permission="owner")
    hook_line.subscribe(vendor, one.space, made.address, made.secret.reveal())


@contextmanager
def worker(servers: Servers, works: Works) -> Iterator[None]:
    """One worker runs, called with what bin/run calls it with."""
    name = re.sub(r"/[^/?]*\?", f"/{database_name()}?", os.environ["DATABASE_URL"])
    own = {"PORTAL_PROCESS": "worker", "DATABASE_URL": name, "LOG_LEVEL": "WARNING"}
    places = {
        "SANDBOX_ORIGINS": ",".join(settings.SANDBOX_ORIGINS),
        "CONNECTOR_ORIGINS": json.dumps(settings.CONNECTOR_ORIGINS),
    }
    log = works.worker_keys.with_name("worker.log")
    with log.open("ab") as errors:
        running = subprocess.Popen(
            [sys.executable, "-m", *programs.worker(servers.layout, os.environ).arguments],
            cwd=ROOT,
            env=os.environ | own | places | {"KEYRING_FILE": str(works.worker_keys)},
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
    try:
        beats = Heartbeat.objects.filter(kind="worker", hands__gt=0)
        until(lambda: running.poll() is not None or beats.exists())
        assert running.poll() is None, log.read_text()[-2000:]
        yield
    finally:
        children.stop(running, signal.SIGTERM, 10)


def until(true: Callable[[], bool], why: Callable[[], object] = str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"too late {why()}"
        time.sleep(0.1)


# ── What happens ──────────────────────────────────────────────────────────────────────────────


def happen(at: Scene, count: int, per_second: float) -> None:
    """So many things, steadily, at each source in turn; a few name no issue."""
    began = time.monotonic()
    with ThreadPoolExecutor(4) as people:
        for number in range(count):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            of = at.sources[number % len(at.sources)]
            people.submit(deed, at, of, number).add_done_callback(Future.result)


def deed(at: Scene, of: Source, number: int) -> None:
    """One thing that the vendor tells by one delivery."""
    turn = number // len(at.sources)
    kind = KINDS[turn % len(KINDS)]
    slug = of.slugs[turn % len(of.slugs)]
    before = max(0, len(of.pushed) - BEFORE // len(at.sources))
    if kind == "push":
        push(at.vendor, of, slug, f"t{number}", number)
    elif kind == "status":
        slug, _, commit = of.pushed[before]
        wish = {"commit": commit, "key": f"ci-{number}", "state": "SUCCESSFUL"}
        at.vendor.order("/statuses", workspace=of.space, repository=slug, **wish)
    elif kind == "create":
        slug, branch, _ = of.pushed[before]
        wish = {"do": kind, "source": branch, "title": f"PAY-{1 + number % ISSUES} Count"}
        at.vendor.order("/pull-requests", workspace=of.space, repository=slug, **wish)
    else:
        slug, pull = of.pulls.pop()
        wish = {"do": kind, "id": pull, "title": f"PAY-{1 + number % ISSUES} Count anew"}
        at.vendor.order("/pull-requests", workspace=of.space, repository=slug, **wish)


def push(vendor: Vendor, of: Source, slug: str, branch: str, number: int) -> None:
    """A new branch with a commit or a few."""
    name = f"PAY-{1 + number % ISSUES} " if number % 20 else ""
    commits = [f"{name}Count, part {part}" for part in range(1 + 2 * (number % 7 == 0))]
    wish = {"workspace": of.space, "repository": slug, "branch": branch, "commits": commits}
    done = vendor.order("/push", **wish)
    if name:
        of.pushed.append((slug, branch, done["changes"][0]["new"]))


# ── What came of it ───────────────────────────────────────────────────────────────────────────


def settled(at: Scene) -> None:
    """Nothing is on its way any more."""
    at.vendor.order("/webhooks/settle", seconds=PATIENCE)
    until(lambda: not any(waiting(at)), lambda: waiting(at))


def waiting(at: Scene) -> tuple[list[object], ...]:
    """Deliveries not applied, things not fetched, items not sent: a few of each."""
    with at.works.inside():
        new = Delivery.objects.filter(state=Delivery.State.NEW).values_list("event_key", flat=True)
        things = DirtyTarget.objects.exclude(due_at=None)
        items = RelayItem.objects.exclude(due_at=None)
        return (
            list(new[:3]),
            list(things.values_list("stream", "key", "attempts", "error", "due_at")[:3]),
            list(items.values_list("kind", "key", "state", "error", "due_at")[:3]),
        )


def counted(at: Scene) -> Found:
    """Each delivery with what carried it."""
    with at.works.inside():
        told = list(Delivery.objects.values_list("repository_id", "received_at", "body"))
        items = {
            (repository, kind, key): str(id_)
            for id_, repository, kind, key in RelayItem.objects.values_list(
                "id", "repository_id", "kind", "key"
            )
        }
        sent = arrivals()
        requests = RelayAttempt.objects.count()
    lags, missing, twice = [], 0, 0
    for repository, received, body in told:
        wanted = named(json.loads(bytes(body)))
        if not wanted:
            continue
        came = [sent.get(items.get((repository, *one), ""), []) for one in wanted]
        missing += not all(came)
        twice += any(len(one) > 1 for one in came)
        if all(came):
            lags.append(max((min(one) - received).total_seconds() for one in came))
    return Found(sorted(lags), len(told), len(lags), missing, twice, requests)


def arrivals() -> dict[str, list[datetime]]:
    """When the target's answer came to each item that it took."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for at, latency, items in RelayAttempt.objects.values_list("at", "latency_ms", "items"):
        for id_, _, _, outcome, _ in items:
            if outcome == "accepted":
                found[id_].append(at + timedelta(milliseconds=latency or 0))
    return found


def named(body: dict[str, Any]) -> list[tuple[str, str]]:
    """What of a delivery has to arrive: kind and key of each; nothing where no issue is named."""
    if pull := body.get("pullrequest"):
        return [("pull_request", str(pull["id"]))]
    if status := body.get("commit_status"):
        commit = status["links"]["commit"]["href"].rpartition("/")[2]
        return [("build", bitbucket_code.build_id(commit, status["key"]))]
    (change,) = body["push"]["changes"]
    commits = [one for one in change["commits"] if one["message"].startswith("PAY-")]
    return [("commit", one["hash"]) for one in commits]
