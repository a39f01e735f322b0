"""The world around the rules of refresh, for the model checker: workers, wires, providers, time.

Nothing is written down here that `connections/lineage.py` knows: its real functions are asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import NamedTuple
from uuid import UUID

from connections.lineage import (
    CALM_FOR,
    RULES,
    AnswerClass,
    Decision,
    GrantView,
    Rule,
    claimed,
    decide,
    is_outlived,
    may_claim,
    settled,
)

TICK_SECONDS = 60
TICK = timedelta(seconds=TICK_SECONDS)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GRACE = 10  # ticks in which a spent refresh token still answers
OLD = 11  # a suspicion's age is not counted further
ALIVE, DEAD = -1, 0  # of a token; a positive number is what is left of its grace
NOBODY = -1
FOREVER = -1
CALM = int(CALM_FOR / TICK)
NOTICED_BY = 5  # ticks: then the breaker is open
OWNERS = (UUID(int=1), UUID(int=2))


class Provider(StrEnum):
    """How a provider takes the second use of a refresh token."""

    GRACE = "grace"  # it gives another child
    WORST_GRACE = "worst grace"  # it gives another child and kills the earlier ones
    STRICT = "strict"  # it refuses and revokes the whole family


@dataclass(frozen=True)
class Protocol:
    """What a client does.

    `punctual`: its calls have a deadline, and what is in doubt is claimed as soon as it may be.
    """

    name: str
    rules: tuple[Rule, ...] = RULES
    locks: bool = True
    checks_lease: bool = True
    frees_only_its_own: bool = True
    punctual: bool = True
    remembers_doubt: bool = True
    backs_off: int = 0  # ticks that what is in doubt is left alone, beyond its lease


@dataclass(frozen=True)
class Bounds:
    """How often what may go wrong. `refreshes` are those that nothing but the schedule asks for."""

    refreshes: int = 2
    crashes: int = 0
    losses: int = 0
    pauses: int = 0
    incidents: int = 0  # the provider refuses everybody for a while
    grace: int = GRACE
    longest_pause: int = FOREVER
    pauses_anywhere: bool = True  # or only with an answer in hand


class Phase(StrEnum):
    IDLE = "idle"
    CLAIMED = "claimed"
    WAITING = "waiting"
    HOLDING = "holding"


class Worker(NamedTuple):
    """`clock`: the lease's ticks left when claimed, the request's age when waiting."""

    phase: Phase = Phase.IDLE
    paused: int = 0  # ticks left, or FOREVER
    parent: int = 0
    token: int = 0
    doubted: bool = False
    clock: int = 0
    wire: str = ""  # request, kept, refused, in_doubt
    got: int = NOBODY


class Grant(NamedTuple):
    version: int = 1
    token: int = 0
    intent: int | None = None
    owner: int = NOBODY
    lease: int = 0
    rests: int = 0  # ticks for which nobody asks, by a back-off
    siblings: tuple[tuple[int, int], ...] = ()  # (parent, token), oldest first
    looks: int = 0
    suspect: int | None = None  # ages in ticks
    looked: int | None = None


class Incident(NamedTuple):
    """`age` None: the provider is well. The breaker opens in time, and closes after a calm."""

    age: int | None = None
    is_noticed: bool = False
    calm: int = 0


class World(NamedTuple):
    grant: Grant
    workers: tuple[Worker, Worker]
    tokens: tuple[tuple[int, int], ...]  # (parent, ALIVE | DEAD | ticks of grace left)
    left: tuple[int, int, int, int, int]  # refreshes, crashes, losses, pauses, incidents
    incident: Incident
    is_dead: bool = False  # declared needs_reauthorization though nobody withdrew anything


REFRESHES, CRASHES, LOSSES, PAUSES, INCIDENTS = range(5)


# ── The real functions, asked about the model's row ───────────────────────────────────────────


@cache
def view_of(grant: Grant, doubted: bool, breaker_open: bool) -> GrantView:
    return GrantView(
        version=grant.version,
        intent_version=grant.intent,
        lease_owner=None if grant.owner == NOBODY else OWNERS[grant.owner],
        lease_until=None if grant.owner == NOBODY else NOW + grant.lease * TICK,
        due_at=NOW,
        doubted=doubted,
        candidates=len(grant.siblings),
        looks=grant.looks,
        suspect_since=None if grant.suspect is None else NOW - grant.suspect * TICK,
        looked_at=None if grant.looked is None else NOW - grant.looked * TICK,
        breaker_open=breaker_open,
    )


def row_of(view: GrantView, grant: Grant) -> Grant:
    """The model's row as the real functions left it."""
    held = view.lease_owner is not None and view.lease_until is not None
    return grant._replace(
        version=view.version,
        intent=view.intent_version,
        owner=OWNERS.index(view.lease_owner) if view.lease_owner else NOBODY,
        lease=int((view.lease_until - NOW) / TICK) if held and view.lease_until else 0,
        looks=view.looks,
        suspect=None if view.suspect_since is None else int((NOW - view.suspect_since) / TICK),
        looked=None if view.looked_at is None else int((NOW - view.looked_at) / TICK),
    )


@cache
def can_claim(grant: Grant, locks: bool) -> bool:
    view = view_of(grant, False, False)
    return may_claim(view if locks else replace(view, lease_until=None), NOW)


@cache
def claim_row(grant: Grant, who: int) -> tuple[Grant, bool]:
    view = claimed(view_of(grant, False, False), OWNERS[who], NOW)
    return row_of(view, grant), view.doubted


@cache
def settle_row(
    grant: Grant, who: int, worker: Worker, breaker_open: bool, rules: tuple[Rule, ...]
) -> tuple[Grant, Decision]:
    view, owner = view_of(grant, worker.doubted, breaker_open), OWNERS[who]
    answer = AnswerClass(worker.wire)
    decision = decide(view, parent=worker.parent, answer=answer, owner=owner, now=NOW, rules=rules)
    row = row_of(settled(view, decision, owner=owner, now=NOW), grant)
    if decision is Decision.BECAME_CURRENT:
        kept = tuple(s for s in row.siblings if not is_outlived(s[0], worker.parent))
        row = row._replace(token=worker.got, siblings=kept)
    elif decision is Decision.KEPT_AS_CANDIDATE:
        row = row._replace(siblings=(*row.siblings, (worker.parent, worker.got)))
    elif decision is Decision.CANDIDATE_PROMOTED:
        row = row._replace(token=row.siblings[-1][1], siblings=row.siblings[:-1])
    return row, decision


# ── The provider ──────────────────────────────────────────────────────────────────────────────


def use(
    tokens: tuple[tuple[int, int], ...], token: int, provider: Provider, grace: int
) -> tuple[tuple[tuple[int, int], ...], int | None]:
    """The provider's tokens after this one was sent, and the child it gave; None when refused."""
    now = list(tokens)
    parent, status = now[token]
    if status == DEAD:
        if provider is Provider.STRICT:
            now = [(p, DEAD) for p, _ in now]
        return tuple(now), None
    if provider is Provider.WORST_GRACE and status != ALIVE:
        now = [(p, DEAD if p == token else s) for p, s in now]
    if status == ALIVE:
        now[token] = (parent, DEAD if provider is Provider.STRICT else grace)
    return (*now, (token, ALIVE)), len(now)
