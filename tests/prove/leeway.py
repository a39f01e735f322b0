"""Atlassian's refresh tokens are spent by many processes that die, and never twice too late.

They rotate with ten minutes of leeway; one that comes again later ends its whole family. Sweeps and
on-demand callers want the same grants at once, answers are lost and late, workers die at every step
that has a name, and the database restarts. The sandbox writes down each time that a refresh token
is shown. Lease, deadline and leeway are a tenth of the real ones, and a fortieth when short.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.test import override_settings

from connections import places
from portal import clock, roles
from tests.prove import crowd, sites
from tests.prove.callers import Callers
from tests.prove.crowd import Linked
from tests.prove.dying import REPLAYED, SPOOLED, Doomed, sweep
from tests.prove.grants import looked_at
from tests.prove.sites import BELOW
from tests.prove.stage import Stage, Workers, until
from tests.prove.told import Claim, Told

TOKEN = "POST /oauth/token"
PATIENCE_SECONDS = 3.0
WITHDRAWN = 3
LOSSES = (  # what the vendor has done by then is done: nobody learns of it
    {"kind": "cut", "chance": 0.03},
    {"kind": "reset", "chance": 0.015},
    {"kind": "status", "status": 503, "takes_effect": True, "chance": 0.015},
)

_STALE = """
UPDATE connections_credential c
   SET expires_at = %(now)s - interval '1 minute',
       refresh_due_at = CASE WHEN random() < 0.5 THEN %(now)s ELSE c.refresh_due_at END
 WHERE c.intent_version IS NULL AND c.id = ANY (ARRAY(
       SELECT id FROM connections_credential ORDER BY random() LIMIT %(count)s))
RETURNING c.organization_id, c.connection_id
"""
_DUE = """
UPDATE connections_credential SET refresh_due_at = %(now)s, expires_at = %(now)s
 WHERE connection_id <> ALL (%(but)s)
"""
_LOOK = """
UPDATE connections_credential SET refresh_due_at = %(now)s WHERE connection_id = ANY (%(but)s)
"""
_AT_WORK = """
SELECT count(*) FROM connections_credential
 WHERE connection_id <> ALL (%(but)s) AND (intent_version IS NOT NULL OR refresh_due_at <= %(now)s)
"""
_LINKED = """
SELECT organization_id, connection_id, id, '', '' FROM connections_credential
 WHERE connection_id <> ALL (%(but)s)
"""


@dataclass(frozen=True, slots=True)
class Size:
    """At each turn `stale` grants have ended, each of `callers` processes wants eight of them, and
    `dying` processes are told where to die."""

    grants: int
    organizations: int
    turns: int
    stale: int
    dying: int
    workers: int
    callers: int
    kills: int
    restarts: int
    lease: int
    latency: float

    @property
    def leeway(self) -> int:
        return 5 * self.lease

    @property
    def deadline(self) -> float:
        return self.lease / 3


FULL = Size(600, 30, 300, 24, 2, 3, 3, 40, 12, 12, 0.4)
SHORT = Size(40, 4, 3, 10, 5, 0, 1, 0, 1, 3, 0.15)


@dataclass(slots=True)
class Seen:
    """What happened meanwhile: withdrawn connections and grants, how each caller's wait ended."""

    connections: list[UUID] = field(default_factory=list)
    grants: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    losses: int = 0


def prove(stage: Stage, *, short: bool) -> Told:
    size, seen, doomed = SHORT if short else FULL, Seen(), Doomed()
    own = {"REFRESH_LEASE_SECONDS": size.lease, "REFRESH_PER_SECOND": 200}
    own |= {"LEASE_SECONDS": size.lease, "SWEEP_SECONDS": 1}
    paces = {name: str(value) for name, value in own.items()}
    paces["SPOOL_DIR"] = str(stage.folder / "spool")
    with override_settings(**own, SPOOL_DIR=stage.folder / "spool"):
        stage.keep_commits()
        rules(stage, size)
        grants = sites.gathered(stage, size.grants, size.organizations)
        with stage.workers(size.workers, **paces) as workers, asking(stage, size, paces) as callers:
            torment(stage, size, workers, callers, doomed, seen, grants)
            seen.losses = sum(fault["hits"] for fault in stage.vendor.ask("/faults"))
            stage.vendor.order("/normal")
            calm(stage, size, seen)
            stage.vendor.order("/clock", advance=size.leeway + 60)
            change(stage, _DUE, seen)
            calm(stage, size, seen)
        return counted(stage, size, seen, doomed, workers.kills)


def rules(stage: Stage, size: Size) -> None:
    """The vendor's manners, and its faults."""
    vendor = stage.vendor
    vendor.order(
        f"{BELOW}/switches", refresh_grace_seconds=size.leeway, token_length=300,
        burst_per_second=10**6, points_per_hour=10**6,
    )  # fmt: skip
    vendor.order("/latency", ms=size.latency * 1000, match=TOKEN)
    for loss in LOSSES:
        vendor.order("/faults", match=TOKEN, times=None, **loss)
    late = size.deadline * 0.8
    vendor.order("/faults", match=TOKEN, times=None, kind="slow", seconds=late, chance=0.04)


def change(stage: Stage, statement: str, seen: Seen, **more: object) -> list[Any]:
    """As the database's superuser, of every organization, but of what was withdrawn."""
    asked = {"now": clock.now(), "but": seen.connections, **more}
    with stage.servers.postgres.connect(stage.database) as administrator:
        done = administrator.execute(statement, asked)
        return done.fetchall() if done.description else []


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────


def asking(stage: Stage, size: Size, paces: dict[str, str]) -> Callers:
    environment, log = stage.environment("worker", **paces), stage.folder / "asking.log"
    return Callers("tests.prove.asking", size.callers, environment, log)


def torment(
    stage: Stage,
    size: Size,
    workers: Workers,
    callers: Callers,
    doomed: Doomed,
    seen: Seen,
    grants: dict[UUID, str],
) -> None:
    """Turn by turn some grants have ended, and everybody wants them; at even distances more
    happens: a worker is killed, the database restarts, once the vendor ends a few grants."""
    deeds = {
        "kill": workers.replace_one,
        "restart": lambda: restart(stage, size, doomed, seen),
        "withdraw": lambda: withdraw(stage, seen, grants),
    }
    events = plan(size)
    for turn in range(size.turns):
        for event in events[turn]:
            deeds[event]()
        there = change(stage, _STALE, seen, count=size.stale)
        wanted = [(o, c) for o, c in there if c not in seen.connections]
        for place, step in enumerate(doomed.next_steps(size.dying)):
            doomed.send(step, wanted[place :: size.dying])
        among = [{"organization": str(o), "connection": str(c)} for o, c in wanted]
        callers.begin(callers=8, among=among, deadline=PATIENCE_SECONDS)
        seen.asked.update(error for _, error in callers.outcomes())
        doomed.reap()
    doomed.reap(wait=True)


def plan(size: Size) -> dict[int, list[str]]:
    """What happens at which turn."""
    found: dict[int, list[str]] = defaultdict(list)
    for name, count in (("withdraw", 1), ("kill", size.kills), ("restart", size.restarts)):
        for number in range(count):
            found[int(size.turns * (number + 0.5) / count)].append(name)
    return found


def restart(stage: Stage, size: Size, doomed: Doomed, seen: Seen) -> None:
    """The database goes while answers are on their way; some die when they have written them down,
    and some when they settle what others had written."""
    doomed.reap(wait=True)
    wanted = change(stage, _STALE, seen, count=size.stale)
    stage.vendor.order("/latency", ms=size.deadline * 700, match=TOKEN)
    before = calls(stage)
    for first in range(3):
        doomed.send(SPOOLED, wanted[first::3])
    until(lambda: calls(stage) > before, every=0.02)
    if seen.restarts % 2:
        with stage.servers.database_away():
            time.sleep(size.deadline)
    else:
        stage.servers.crash_database()
    stage.vendor.order("/latency", ms=size.latency * 1000, match=TOKEN)
    seen.restarts += 1
    doomed.send(REPLAYED, wanted)


def calls(stage: Stage) -> int:
    return int(stage.vendor.ask(f"{BELOW}/calls")["calls"])


def withdraw(stage: Stage, seen: Seen, grants: dict[UUID, str]) -> None:
    for connection_id in random.sample(sorted(grants), WITHDRAWN):
        sites.withdraw(stage, grants[connection_id])
        seen.connections.append(connection_id)
        seen.grants.add(grants[connection_id])
    change(stage, _LOOK, seen)


def calm(stage: Stage, size: Size, seen: Seen) -> None:
    """Nothing is held, in doubt or due any more; this process is one more that sweeps."""

    def is_calm() -> bool:
        with roles.using_role("worker"):
            sweep([])
        return bool(change(stage, _AT_WORK, seen)[0][0] == 0)

    until(is_calm, 4 * size.lease + 60, 0.2)


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def counted(stage: Stage, size: Size, seen: Seen, doomed: Doomed, kills: int) -> Told:
    book = sites.book(stage, size.leeway, without=seen.grants)
    lost, left = lost_grants(stage, seen)
    states = states_of(stage)
    dead = sum(
        1 for one, state in states.items() if state != "active" and one not in seen.connections
    )
    unseen = sum(1 for one in seen.connections if states[one] == "active")
    spared = {REPLAYED} if size is SHORT else set()  # one restart may leave nothing to be settled
    untouched = [step for step, count in doomed.deaths.items() if not count and step not in spared]
    told = seen.asked["ReauthorizationRequired"]
    rows = [
        ["refresh tokens spent", book.tokens],
        ["calls that spent them", book.spends],
        ["spent more than once", book.again],
        ["longest time between, in seconds", round(book.longest, 1)],
        ["waits of on-demand callers", seen.asked.total()],
        ["workers killed at random", kills],
        *([f"killed at {step}", count] for step, count in doomed.deaths.items()),
        ["restarts of the database", seen.restarts],
        ["answers lost or late", seen.losses],
    ]
    claims = [
        Claim("none is spent again after the leeway", not book.late, len(book.late)),
        Claim("none of a dead family is spent", not book.refused, len(book.refused)),
        Claim("some were spent again within it", book.again > 0, book.again),
        Claim("no grant is lost", not lost, f"{len(lost)} of {left}"),
        Claim("no connection is called dead", dead == 0, dead),
        Claim("those that the vendor ended are noticed", unseen == 0, unseen),
        Claim("no caller is told to link again", told == 0, told),
        Claim("somebody died at each step", not untouched, untouched),
    ]
    tried = (
        f"{size.grants} grants of {size.organizations} organizations, {size.workers} workers and"
        f" {size.callers} × 8 callers, leeway {size.leeway} s, lease {size.lease} s"
    )
    raw = {"lost": lost, "late": book.late, "refused": book.refused, "asked": seen.asked}
    return Told(tried, ("counted", "number"), rows, claims, raw)


def lost_grants(stage: Stage, seen: Seen) -> tuple[list[str], int]:
    """The credentials whose refresh token the vendor would not take, of how many."""
    there = [Linked(*row) for row in change(stage, _LINKED, seen)]
    held = crowd.held(stage, there)
    works = looked_at(
        stage.vendor, *(held[one.credential_id][places.REFRESH] for one in there), below=BELOW
    )
    lost = [str(one.credential_id) for one, alive in zip(there, works, strict=True) if not alive]
    return lost, len(there)


def states_of(stage: Stage) -> dict[UUID, str]:
    """How each connection stands; a suspect is no longer active."""
    statement = "SELECT id, state, suspect_since IS NOT NULL FROM connections_connection"
    with stage.servers.postgres.connect(stage.database) as administrator:
        rows = administrator.execute(statement).fetchall()
    return {row[0]: "suspect" if row[2] else str(row[1]) for row in rows}  # type: ignore[misc]
