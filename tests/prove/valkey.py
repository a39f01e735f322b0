"""Valkey flushed every 5 s and killed while tokens are refreshed and repositories read.

Each grant becomes due at a moment of its own, and readings are asked for all along. Hints are lost,
so work is found by the sweeps of the workers: at most 13 s late by the settings that ship, be there
one worker, as in the first half, or three, as in the second. Doubled is a grant refreshed twice, a
page read twice, or a repository kept twice.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.request import Request, urlopen

from connections.flows import sync
from connections.models import (
    Connection,
    Credential,
    RefreshAttempt,
    Repository,
    SyncRun,
    Workspace,
)
from portal import clock, roles
from portal.models import Heartbeat, Organization
from tests.prove import crowd
from tests.prove.broker import Tormented
from tests.prove.crowd import Linked
from tests.prove.stage import Stage, Workers, until
from tests.prove.told import Claim, Told

WORKSPACE = "yarden"
MORE_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Size:
    refreshes: int
    readings: int
    seconds: float
    flush_every: float
    kill_every: float
    sweep: int
    may_be_late: float  # a sweep's period and three tenths; short, with patience for the machine


FULL = Size(600, 60, 600, 5.0, 60.0, 10, 13.0)
SHORT = Size(12, 4, 12, 2.0, 8.0, 2, 8.0)
READERS = 4  # connections that are read in turn


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    readers = crowd.gather(stage, stage.works.acme, READERS, life_seconds=7200, workspace=WORKSPACE)
    prepare_readers(stage, readers)
    linked = crowd.gather(
        stage, stage.works.organization("refreshers"), size.refreshes, life_seconds=7200
    )
    with stage.workers(1, SWEEP_SECONDS=str(size.sweep)) as workers:
        until(lambda: Heartbeat.objects.filter(kind="worker").exists())
        due = plan(stage, linked, size.seconds)
        torment = Tormented(stage.servers, flush_every=size.flush_every, kill_every=size.kill_every)
        with torment:
            ask_for_readings(stage, readers, size, workers)
            until(lambda: refreshed(stage, linked) == len(linked), size.seconds + 120, 0.5)
            until(lambda: unfinished(stage) == 0, 120, 0.5)
    return counted(stage, size, readers, linked, due, torment)


def prepare_readers(stage: Stage, readers: list[Linked]) -> None:
    """Each reader has chosen the workspace, as a person would have."""
    known = next(w for w in stage.vendor.state()["workspaces"] if w["slug"] == WORKSPACE)
    with roles.using_role("worker"), stage.works.inside():
        for reader in readers:
            Workspace.objects.create(
                connection_id=reader.connection_id,
                remote_id=known["uuid"],
                slug=known["slug"],
                name=known["name"],
                selected=True,
            )


def plan(stage: Stage, linked: list[Linked], seconds: float) -> dict[object, datetime]:
    """The grants are due one after the other, evenly over the time; when, by credential."""
    begin, organization = clock.now() + timedelta(seconds=1), linked[0].organization_id
    due = {
        one.credential_id: begin + timedelta(seconds=seconds * number / len(linked))
        for number, one in enumerate(linked)
    }
    with stage.works.inside(Organization(id=organization)):
        for credential_id, moment in due.items():
            Credential.objects.filter(id=credential_id).update(refresh_due_at=moment)
    return dict(due)


def ask_for_readings(stage: Stage, readers: list[Linked], size: Size, workers: Workers) -> None:
    """One at a time, evenly over the time, each reader in turn; half-way there are more workers."""
    end = time.monotonic() + size.seconds
    for number in range(size.readings):
        if number == size.readings // 2:
            workers.start(MORE_WORKERS)
        reader = readers[number % len(readers)]
        until(lambda reader=reader: unfinished(stage, reader) == 0, 60)  # type: ignore[misc]
        with stage.works.inside():
            connection = Connection.objects.get(id=reader.connection_id)
            sync.start(connection, requested_by="the proof")
        pause = (end - time.monotonic()) / (size.readings - number)
        time.sleep(max(0.0, pause))


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def refreshed(stage: Stage, linked: list[Linked]) -> int:
    with stage.works.inside(Organization(id=linked[0].organization_id)):
        return int(RefreshAttempt.objects.values("credential_id").distinct().count())


def unfinished(stage: Stage, reader: Linked | None = None) -> int:
    """Readings that have not ended, of one reader or of all."""
    with stage.works.inside():
        runs = SyncRun.objects.filter(finished_at=None)
        if reader is not None:
            runs = runs.filter(connection_id=reader.connection_id)
        return int(runs.count())


def refresh_delays(stage: Stage, linked: list[Linked], due: dict[object, datetime]) -> list[float]:
    """How late each grant's first attempt was sent."""
    first: dict[object, float] = {}
    with stage.works.inside(Organization(id=linked[0].organization_id)):
        for attempt in RefreshAttempt.objects.order_by("-at"):
            late = (attempt.at - due[attempt.credential_id]).total_seconds()
            first[attempt.credential_id] = late - (attempt.latency_ms or 0) / 1000
    return list(first.values())


def reading_delays(stage: Stage) -> list[float]:
    with stage.works.inside():
        runs = SyncRun.objects.exclude(started_at=None)
        return [(run.started_at - run.created_at).total_seconds() for run in runs]


def listed(stage: Stage, reader: Linked) -> int:
    """How many repositories the vendor shows to this person."""
    token = crowd.held(stage, [reader])[reader.credential_id]["access"]
    asked = Request(f"{stage.vendor.url}/2.0/repositories/{WORKSPACE}?pagelen=100")
    asked.add_header("Authorization", f"Bearer {token}")
    with urlopen(asked, timeout=10) as answer:
        return int(json.load(answer)["size"])


def pages_read_twice(stage: Stage, size: Size) -> int:
    """Requests for a page beyond one for each reading by the same reader."""
    asked = Counter(
        (row["path"], row["query"], row["credential"])
        for row in stage.vendor.ask(f"/requests?path=/2.0/repositories/{WORKSPACE}")["requests"]
    )
    return sum(max(0, count - size.readings // READERS) for count in asked.values())


def counted(
    stage: Stage,
    size: Size,
    readers: list[Linked],
    linked: list[Linked],
    due: dict[object, datetime],
    torment: Tormented,
) -> Told:
    issued = {one["id"]: one["issued"] for one in stage.vendor.ask("/grants")}
    times = Counter(issued[one.grant] for one in linked)
    again = pages_read_twice(stage, size)
    delays, waits = refresh_delays(stage, linked, due), reading_delays(stage)
    with stage.works.inside():
        states = Counter(SyncRun.objects.values_list("state", flat=True))
        kept = Counter(Repository.objects.values_list("connection_id", "remote_id"))
    expected = READERS * listed(stage, readers[0])
    latest = max([*delays, *waits])
    rows = [
        ["refreshes", len(linked), times[1], max(delays)],
        ["readings", size.readings, states["done"], max(waits)],
    ]
    claims = [
        Claim("every grant is refreshed", times[0] == 0, f"{times[0]} are not"),
        Claim("none is refreshed twice", set(times) <= {0, 1}, dict(times)),
        Claim("every reading ends well", states["done"] == size.readings, dict(states)),
        Claim("no page is read twice", again == 0, again),
        Claim(
            "every repository is kept once",
            len(kept) == expected and set(kept.values()) <= {1},
            f"{len(kept)} of {expected}",
        ),
        Claim(
            f"nothing begins more than {size.may_be_late:g} s late",
            latest <= size.may_be_late,
            f"{latest:.1f} s",
        ),
    ]
    tried = f"Valkey flushed {torment.flushes} times and killed {torment.kills} times"
    raw = {"refresh_delays": delays, "reading_delays": waits}
    return Told(tried, ("work", "asked", "done once", "latest [s]"), rows, claims, raw)
