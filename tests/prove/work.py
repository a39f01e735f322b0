"""Jobs of every class and of two organizations while Valkey is flushed and killed, and workers too.

One organization has a backlog of full syncs for all that time; the others ask for something now and
then. Hints are lost, so what is due is found by the workers' own sweeps. Late is how long after it
was due a job began, of jobs that no dying worker had taken before.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from django.db import connections

from portal import fairness, work
from portal.fairness import FULL, HOUSEKEEPING, INCREMENTAL, NORMAL, REFRESH, WAITING
from portal.models import Organization
from tests.prove import deeds
from tests.prove.broker import Tormented
from tests.prove.stage import Stage, Workers, until
from tests.prove.told import Claim, Told

HANDS = 4  # of a worker of the stage


@dataclass(frozen=True, slots=True)
class Size:
    """`few` is how often, in seconds, a job of each urgent class is asked for."""

    workers: int
    seconds: float
    backlog: int
    many: int
    few: float
    flush_every: float
    kill_every: float
    lease: int
    sweep: int
    may_be_late: float


LONG = Size(3, 300, 3500, 2000, 1.0, 5.0, 45.0, 20, 10, 13.0)
SHORT = Size(2, 12, 60, 60, 0.5, 2.0, 6.0, 4, 2, 8.0)


@dataclass(slots=True)
class Seen:
    """What a look at the leases found, each tenth of a second."""

    looks: int = 0
    full: int = 0
    bulk: int = 0
    hands: list[int] = field(default_factory=list)


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else LONG
    globex = stage.works.organization("globex")
    with stage.servers.postgres.connect(stage.database) as administrator:
        administrator.execute(deeds.TABLES)
    environment = {"LEASE_SECONDS": str(size.lease), "SWEEP_SECONDS": str(size.sweep)}
    with stage.workers(size.workers, including="tests.prove.ticks", **environment) as workers:
        until(lambda: fairness.hands() >= size.workers * HANDS)
        torment = Tormented(stage.servers, flush_every=size.flush_every, kill_every=size.kill_every)
        over, seen = threading.Event(), Seen()
        watcher = threading.Thread(target=watch, args=(stage, over, seen))
        watcher.start()
        with torment:
            began = time.monotonic()
            ask_for_work(stage, globex, size, workers)
            until(lambda: unfinished(stage) == 0, size.seconds + 10 * size.lease + 120, 0.5)
            took = time.monotonic() - began
        over.set()
        watcher.join()
    return counted(stage, size, torment, workers.kills, seen, took)


def ask_for_work(stage: Stage, globex: Organization, size: Size, workers: Workers) -> None:
    """The backlog at once, then now and then something of each class; half-way a worker dies."""
    with stage.works.inside():
        for _ in range(size.backlog):
            work.later(deeds.KIND, priority=FULL, seconds="0.4")
        for _ in range(size.many):
            work.later(deeds.KIND, priority=NORMAL, seconds="0.01")
    end, next_kill = time.monotonic() + size.seconds, time.monotonic() + size.seconds / 3
    while time.monotonic() < end:
        with stage.works.inside(globex):
            for kind in (WAITING, REFRESH, NORMAL, INCREMENTAL, HOUSEKEEPING):
                work.later(deeds.KIND, priority=kind, seconds="0.02")
        if time.monotonic() > next_kill:
            next_kill += max(size.kill_every, size.seconds / 2)
            workers.kill()
            workers.start()
        time.sleep(size.few)


def watch(stage: Stage, over: threading.Event, seen: Seen) -> None:
    """How many hands the syncs hold, as often as may be."""
    with stage.servers.postgres.connect(stage.database) as administrator:
        while not over.wait(0.1):
            row = administrator.execute(
                "SELECT count(*) FILTER (WHERE priority >= %s),"
                " count(*) FILTER (WHERE priority >= %s) FROM portal_job"
                " WHERE done_at IS NULL AND lease_until >= now()",
                [int(FULL), int(INCREMENTAL)],
            ).fetchone()
            assert row
            seen.looks += 1
            seen.full, seen.bulk = max(seen.full, row[0]), max(seen.bulk, row[1])


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def unfinished(stage: Stage) -> int:
    with connections["sweeper"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM portal_job WHERE kind = %s AND done_at IS NULL", [deeds.KIND]
        )
        return int(cursor.fetchone()[0])


_COUNTED = """
SELECT j.priority, count(*), count(d.times), coalesce(sum(d.times - 1), 0),
       count(*) FILTER (WHERE j.attempts > 1),
       max(extract(epoch FROM b.first - j.run_at)) FILTER (WHERE j.attempts = 1)
  FROM portal_job j
  LEFT JOIN (SELECT job, count(*) AS times FROM proof_done GROUP BY 1) d ON d.job = j.id
  LEFT JOIN (SELECT job, min(at) AS first FROM proof_begun GROUP BY 1) b ON b.job = j.id
 WHERE j.kind = %s GROUP BY 1 ORDER BY 1
"""


def counted(
    stage: Stage, size: Size, torment: Tormented, kills: int, seen: Seen, took: float
) -> Told:
    with stage.servers.postgres.connect(stage.database) as administrator:
        found = administrator.execute(_COUNTED, [deeds.KIND]).fetchall()
        ticks = [row[0] for row in administrator.execute("SELECT at FROM proof_tick ORDER BY at")]
    rows = [
        [fairness.Priority(row[0]).label, row[1], row[2], int(row[3]), row[4], float(row[5] or 0)]
        for row in found
    ]
    lost, doubled = sum(row[1] - row[2] for row in rows), sum(row[3] for row in rows)
    late = max(row[5] for row in rows if row[0] in {WAITING.label, REFRESH.label})
    apart = (ticks[-1] - ticks[0]).total_seconds() / deeds.SECONDS
    claims = [
        Claim("no job is lost", lost == 0, lost),
        Claim("none is done twice", doubled == 0, doubled),
        Claim(
            f"people and refresh wait {size.may_be_late:g} s at most",
            late <= size.may_be_late,
            f"{late:.1f} s",
        ),
        Claim(
            "full syncs never hold all hands",
            0 < seen.full < size.workers * HANDS,
            f"{seen.full} of {size.workers * HANDS}",
        ),
        Claim(
            "a schedule runs once a period, whoever dies",
            0.4 * apart <= len(ticks) <= apart + kills + 2,
            f"{len(ticks)} times in {apart:.0f} periods",
        ),
    ]
    tried = (
        f"{sum(row[1] for row in rows)} jobs in {took:.0f} s by {size.workers} workers; Valkey "
        f"flushed {torment.flushes} times and killed {torment.kills} times, {kills} workers killed"
    )
    columns = ("class", "asked", "done", "doubled", "tried again", "latest [s]")
    return Told(tried, columns, rows, claims, {"looks": seen.looks, "ticks": ticks})
