"""B2: an inbox is emptied with every duty, against a bare claim loop and a Celery task per event.

All sides empty the same rows. The bare loop claims a hundred with SKIP LOCKED, reads them from the
database and marks them done by one UPDATE, in one transaction. Ours commits what it has in hand
before it reads a body, finds its repository, marks what it names, and keeps who pushed, the
outcome and its effect. A real worker of two processes does the tasks.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import redis
from launcher import children

from connections.models import Connection, Delivery, Repository, Workspace
from portal import clock, roles, tenancy, work
from tests import ingesting
from tests.bench import rounds
from tests.bench.event_site import QUEUE, app, apply
from tests.bench.rounds import Line
from tests.bench.stage import ROOT, database_name
from tests.conftest import installed
from tests.ingesting import Sender
from tests.servers import Servers

EVENTS = 20_000  # of a round
TASKS = 1_000
REPOSITORIES = 100
BATCH = 100
PAUSE = 0.005

_ARRIVED = """
INSERT INTO connections_delivery (id, organization_id, endpoint_id, connection_id, received_at,
       sender_id, dedupe, content_hash, possible_replay, conflict, event_key, attempt, headers,
       body, size, state, attempts, next_at, error, error_detail, effect)
SELECT gen_random_uuid(), %(organization)s, %(endpoint)s, %(connection)s,
       now() - interval '1 minute' + n * interval '1 microsecond', '', uuid_send(gen_random_uuid()),
       sha256(body), false, false, event, 1, jsonb_build_object('x-event-key', event), body,
       length(body), 'new', 0, now() - interval '1 minute', '', '', '{}'
  FROM (SELECT n, %(events)s::text[] AS events, 1 + n %% 4 AS kind,
               (%(events)s::text[])[1 + n %% 4] AS event,
               convert_to(replace(replace((%(bodies)s::text[])[1 + n %% 4], 'REPOSITORY',
                          'r' || n %% %(repositories)s), 'NUMBER',
                          lpad(to_hex(n + %(first)s), 40, '0')), 'UTF8') AS body
          FROM generate_series(1, %(count)s) AS n) made
"""
_BARE_CLAIM = """
SELECT id, connection_id, headers, body FROM connections_delivery
 WHERE state = 'new' AND next_at <= now()
 ORDER BY next_at LIMIT %s FOR UPDATE SKIP LOCKED
"""
_BARE_DONE = """
UPDATE connections_delivery SET state = 'applied', applied_at = now(), next_at = NULL
 WHERE id = ANY (%s)
"""


@dataclass(slots=True)
class Scene:
    """An organization with a hundred repositories, and an inbox that is filled anew each time."""

    servers: Servers
    vendor: Sender
    first: int = 0

    def fill(self, count: int) -> None:
        """So many deliveries wait, as if they had come in a moment ago."""
        facts: dict[str, Any] = {
            "organization": self.vendor.organization.id,
            "endpoint": self.vendor.endpoint.id,
            "connection": self.vendor.connection.id,
            "events": [event for event, _ in MIX],
            "bodies": [body for _, body in MIX],
            "repositories": REPOSITORIES,
            "first": self.first,
            "count": count,
        }
        self.first += count
        with self.servers.postgres.connect(database_name()) as admin:
            admin.execute("TRUNCATE connections_delivery")
            admin.execute("TRUNCATE portal_job")  # apart: a worker may hold the one, wanting both
            admin.execute(_ARRIVED, facts)
            admin.execute("ANALYZE connections_delivery")
            admin.execute("CHECKPOINT")

    def left(self) -> int:
        with self.vendor.works.inside(self.vendor.organization):
            return Delivery.objects.filter(state="new").count()


def text(**body: object) -> str:
    """As JSON of 4 KB."""
    whole = {"repository": {"uuid": "{REPOSITORY}", "full_name": "acme/REPOSITORY"}, **body}
    whole["repository"]["workspace"] = {"uuid": "{W}", "slug": "acme"}  # type: ignore[index]
    whole["actor"] = {"uuid": "{7}", "display_name": "Dana Levi", "type": "user"}
    said = json.dumps(whole)
    words = "A description of what was done, and why. " * 100
    return json.dumps(whole | {"description": words[: 4096 - len(said) - 20]})


_COMMIT = {"hash": "NUMBER", "message": "Mend it", "date": "2026-11-01T10:00:00+00:00"}
_REF = {"type": "branch", "name": "main", "target": _COMMIT}
_PULL = {"id": 12, "title": "Mend it", "updated_on": "2026-11-01T10:00:00+00:00"}
_STATUS = {
    "state": "SUCCESSFUL",
    "key": "build",
    "url": "https://ci.example/7",
    "commit": {"hash": "a1" * 20},
}
MIX = (
    ("repo:push", text(push={"changes": [{"new": _REF, "commits": [_COMMIT]}]})),
    ("pullrequest:updated", text(pullrequest=_PULL, number="NUMBER")),
    ("repo:commit_status_updated", text(commit_status=_STATUS, number="NUMBER")),
    ("pullrequest:approved", text(pullrequest=_PULL, approval={}, number="NUMBER")),
)


def run(servers: Servers, folder: Path, *, count: int = 5) -> bool:
    """Measure, print and keep; whether every bound holds."""
    with scene(servers) as at:
        sides = {"ours": lambda: ours(at, EVENTS), "bare": lambda: bare(at, EVENTS)}
        found = rounds.interleaved(sides, rounds=count)
        found["messages"] = [messages(at, EVENTS) for _ in range(3)]
        with tasks(at) as do:
            found["tasks"] = [do(TASKS) for _ in range(count + 1)][1:]
        arriving = arrivals(at)
    lines = [
        Line("ours ÷ bare loop", rounds.ratios(found["ours"], found["bare"]), 0.5, at_least=True),
        Line(
            "ours ÷ one Celery task per event",
            rounds.ratios(found["ours"], found["tasks"]),
            20,
            at_least=True,
        ),
        Line("Celery messages ÷ events, a full inbox", found["messages"], 0.02),
        Line("Celery messages ÷ events, 500 a second", [arriving], 0.02),
        Line("ours, events a second", found["ours"]),
        Line("bare loop, events a second", found["bare"]),
        Line("tasks, events a second", found["tasks"]),
    ]
    about = f"{EVENTS:,} deliveries of 4 KB a round, {TASKS:,} tasks"
    return rounds.report("effect", about, lines, found, folder)


@contextmanager
def scene(servers: Servers) -> Iterator[Scene]:
    with TemporaryDirectory() as folder, installed(Path(folder)) as works:
        vendor = ingesting.sender(works)
        with roles.using_role("worker"), works.inside():
            # Paused, so that nothing is asked of a vendor: fetching has its own bounds.
            Connection.objects.filter(id=vendor.connection.id).update(paused_at=clock.now())
            workspace = Workspace.objects.create(
                connection=vendor.connection, remote_id="{W}", slug="acme", name="Acme",
                selected=True,
            )  # fmt: skip
            for number in range(REPOSITORIES):
                name = f"r{number}"
                Repository.objects.create(
                    connection=vendor.connection, workspace=workspace, remote_id=f"{{{name}}}",
                    slug=name, name=name, seen_run=uuid4(), seen_at=clock.now(),
                )  # fmt: skip
        yield Scene(servers, vendor)


# ── The sides ─────────────────────────────────────────────────────────────────────────────────


def ours(at: Scene, events: int) -> float:
    """Events a second, by one worker in this process."""
    at.fill(events)
    with roles.using_role("worker"):
        with tenancy.acting_for(at.vendor.organization), tenancy.transaction():
            work.later("apply_deliveries", dedupe="apply_deliveries")
        began = time.monotonic()
        work.drain()
        seconds = time.monotonic() - began
    assert at.left() == 0
    return events / seconds


def bare(at: Scene, events: int) -> float:
    """The same by the loop that does nothing else, on one connection of the same role."""
    at.fill(events)
    with roles.using_role("worker"), tenancy.acting_for(at.vendor.organization):
        began = time.monotonic()
        while _bare_batch():
            pass
        seconds = time.monotonic() - began
    assert at.left() == 0
    return events / seconds


def _bare_batch() -> int:
    with tenancy.transaction(), roles.connection().cursor() as cursor:
        cursor.execute(_BARE_CLAIM, [BATCH])
        rows = cursor.fetchall()
        if rows:
            cursor.execute(_BARE_DONE, [[row[0] for row in rows]])
    return len(rows)


def messages(at: Scene, events: int) -> float:
    """How many messages for workers a full inbox makes, for each event."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker:
        broker.delete("portal")
        ours(at, events)
        time.sleep(0.5)
        return float(broker.llen("portal")) / events  # type: ignore[arg-type]


def arrivals(at: Scene, *, seconds: float = 3.0, per_second: float = 500) -> float:
    """The same for deliveries that come in one by one."""
    many = {"HOOKS_PER_SECOND": "1000000", "HOOKS_ORGANIZATION_PER_SECOND": "1000000"}
    many["REDIS_URL"] = os.environ["REDIS_URL"]
    with (
        redis.Redis.from_url(os.environ["REDIS_URL"]) as broker,
        ingesting.process(at.vendor.works, **many) as running,
    ):
        broker.delete("portal")
        client, began, sent = running.connect(), time.monotonic(), 0
        while (due := began + sent / per_second) < began + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            body = b'{"n": %d}' % sent
            client.request("POST", at.vendor.path, body, at.vendor.headers(body))
            assert client.getresponse().read()
            sent += 1
        time.sleep(0.5)
        return float(broker.llen("portal")) / sent  # type: ignore[arg-type]


# ── A task per event ──────────────────────────────────────────────────────────────────────────


@contextmanager
def tasks(at: Scene) -> Iterator[Any]:
    """A worker of two processes runs; what it gives measures so many events a second."""
    name = re.sub(r"/[^/?]*\?", f"/{database_name()}?", os.environ["DATABASE_URL"])
    keys = at.vendor.works.worker_keys
    ingesting.prove(keys, "worker")
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "tests.bench.event_site", "worker"),
            *("-P", "prefork", "-c", "2", "--without-gossip", "--without-mingle", "-l", "error"),
        ],
        cwd=ROOT,
        env=os.environ
        | {"PORTAL_PROCESS": "worker", "DATABASE_URL": name, "KEYRING_FILE": str(keys)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def do(events: int) -> float:
        at.fill(events)
        organization = str(at.vendor.organization.id)
        ids = [str(one) for one in _waiting(at)]
        began = time.monotonic()
        for one in ids:
            apply.delay(organization, one)
        while at.left():
            assert worker.poll() is None, "the worker ended"
            time.sleep(PAUSE)
        return events / (time.monotonic() - began)

    try:
        yield do
    finally:
        children.stop(worker, signal.SIGTERM, 10)
        with app.connection_for_write() as broker:
            broker.default_channel.queue_purge(QUEUE)


def _waiting(at: Scene) -> list[UUID]:
    with at.vendor.works.inside(at.vendor.organization):
        return list(Delivery.objects.filter(state="new").values_list("id", flat=True))
