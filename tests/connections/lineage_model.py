"""A model checker for token refresh: every interleaving of two workers, the wire and time.

Who may claim, when a worker may send and what an answer means are not written down here: the real
functions of `connections/lineage.py` are asked, so what is explored is what runs. Only the world
around them is modelled: workers that crash or are suspended at any step, requests and answers that
are lost, providers that rotate refresh tokens, and time in ticks of a minute.

Assumed, and nothing else: what was sent is worked off or lost within the deadline; suspension
strikes before or after the check that precedes sending, not inside it; one of two workers runs; a
grant in doubt is claimed as soon as it may be.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from connections.lineage import Decision, may_send
from tests.connections.lineage_world import (
    ALIVE,
    CALM,
    CRASHES,
    DEAD,
    INCIDENTS,
    LOSSES,
    NOBODY,
    NOTICED_BY,
    OLD,
    PAUSES,
    REFRESHES,
    TICK_SECONDS,
    Bounds,
    Grant,
    Incident,
    Phase,
    Protocol,
    Provider,
    Worker,
    World,
    can_claim,
    claim_row,
    settle_row,
    use,
)

# ── What can happen next ──────────────────────────────────────────────────────────────────────

Step = tuple[str, World]


@dataclass
class Verdict:
    """What the exploration found; a trace is the shortest way to the first such state."""

    states: int = 0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.lost and not self.dead


@dataclass(frozen=True)
class Model:
    """One protocol against one provider, within bounds."""

    protocol: Protocol
    provider: Provider
    bounds: Bounds

    def start(self) -> World:
        b = self.bounds
        left = (b.refreshes, b.crashes, b.losses, b.pauses, b.incidents)
        return World(Grant(), (Worker(), Worker()), ((NOBODY, ALIVE),), left, Incident())

    def steps(self, world: World) -> Iterator[Step]:
        overdue = [w for w in world.workers if w.wire == "request" and w.clock > 0]
        for who, worker in enumerate(world.workers):
            if worker.wire == "request" and (not overdue or worker.clock > 0):
                yield from self._arrive(world, who, worker)
        if overdue and self.protocol.punctual:
            return  # the deadline has come: nothing happens before these are worked off
        for who, worker in enumerate(world.workers):
            yield from self._mishaps(world, who, worker)
            if not worker.paused:
                yield from self._act(world, who, worker)
        yield from self._incidents(world)
        if self._may_wait(world):
            yield "a minute passes", _tick(world)

    # A worker's own steps

    def _act(self, world: World, who: int, worker: Worker) -> Iterator[Step]:
        if worker.phase is Phase.IDLE:
            yield from self._claim(world, who)
        elif worker.phase is Phase.CLAIMED:
            if not self.protocol.checks_lease or may_send(worker.clock * TICK_SECONDS, 0.0):
                sent = worker._replace(phase=Phase.WAITING, clock=0, wire="request")
                yield f"{who} sends", _with(world, who, sent)
            else:
                yield f"{who} gives up", _with(world, who, Worker())
        elif worker.phase is Phase.WAITING and worker.wire != "request":
            held = worker._replace(phase=Phase.HOLDING, clock=0)
            yield f"{who} reads {worker.wire}", _with(world, who, held)
        elif worker.phase is Phase.HOLDING:
            yield self._settle(world, who, worker)

    def _claim(self, world: World, who: int) -> Iterator[Step]:
        grant = world.grant
        is_scheduled = grant.intent is None and grant.suspect is None
        if is_scheduled and not world.left[REFRESHES]:
            return
        if grant.rests or not can_claim(grant, self.protocol.locks):
            return
        row, doubted = claim_row(grant, who)
        worker = Worker(
            Phase.CLAIMED, 0, grant.version, grant.token, doubted, row.lease, "", NOBODY
        )
        if not self.protocol.remembers_doubt:
            row = row._replace(intent=None)
        after = _with(world._replace(grant=row), who, worker)
        yield f"{who} claims", _spend(after, REFRESHES) if is_scheduled else after

    def _settle(self, world: World, who: int, worker: Worker) -> Step:
        row, decision = settle_row(
            world.grant, who, worker, world.incident.is_noticed, self.protocol.rules
        )
        if decision is Decision.RETRY_SAME_PARENT:
            row = row._replace(rests=self.protocol.backs_off)
        if not self.protocol.frees_only_its_own:
            row = row._replace(owner=NOBODY, lease=0)
        dead = decision is Decision.NEEDS_REAUTHORIZATION
        after = world._replace(grant=row, is_dead=dead)
        return f"{who} settles: {decision}", _with(after, who, Worker())

    # What the wire and the provider do

    def _arrive(self, world: World, who: int, worker: Worker) -> Iterator[Step]:
        if world.incident.age is not None:
            yield f"provider refuses {who}", _with(world, who, worker._replace(wire="refused"))
            return
        tokens, child = use(world.tokens, worker.token, self.provider, self.bounds.grace)
        after = world._replace(tokens=tokens)
        if child is None:
            yield f"provider refuses {who}", _with(after, who, worker._replace(wire="refused"))
        else:
            kept = worker._replace(wire="kept", got=child)
            yield f"provider gives {who} {child}", _with(after, who, kept)
        if world.left[LOSSES]:
            lost = worker._replace(wire="in_doubt")
            yield f"answer to {who} is lost", _spend(_with(after, who, lost), LOSSES)
            yield f"request of {who} is lost", _spend(_with(world, who, lost), LOSSES)

    def _mishaps(self, world: World, who: int, worker: Worker) -> Iterator[Step]:
        if worker.paused:
            yield f"{who} goes on", _with(world, who, worker._replace(paused=0))
        elif self._may_pause(world, who, worker):
            paused = worker._replace(paused=self.bounds.longest_pause)
            yield f"{who} is suspended", _spend(_with(world, who, paused), PAUSES)
        if worker.phase is not Phase.IDLE and world.left[CRASHES]:
            yield f"{who} crashes", _spend(_with(world, who, Worker()), CRASHES)
            if worker.wire == "request" and world.incident.age is None:
                tokens, _ = use(world.tokens, worker.token, self.provider, self.bounds.grace)
                gone = _with(world._replace(tokens=tokens), who, Worker())
                yield f"{who} crashes, its request arrives", _spend(gone, CRASHES)

    def _may_pause(self, world: World, who: int, worker: Worker) -> bool:
        if not world.left[PAUSES] or world.workers[1 - who].paused:
            return False
        has_answer = worker.wire not in {"", "request"}
        return worker.phase is not Phase.IDLE and (self.bounds.pauses_anywhere or has_answer)

    def _incidents(self, world: World) -> Iterator[Step]:
        age, is_noticed, calm = world.incident
        if age is None and world.left[INCIDENTS]:
            begun = world._replace(incident=Incident(0, is_noticed))
            yield "incident begins", _spend(begun, INCIDENTS)
        if age is not None:
            yield "incident ends", world._replace(incident=Incident(None, is_noticed, CALM))
            if not is_noticed:
                # What was suspected before is void: `is_void` says the same of the real rows.
                row = world.grant._replace(looks=0, suspect=None, looked=None)
                opened = Incident(age, True)
                yield "breaker opens", world._replace(incident=opened, grant=row)
        elif is_noticed and not calm:
            yield "breaker closes", world._replace(incident=Incident())

    def _may_wait(self, world: World) -> bool:
        """Whether a minute may pass: nobody who runs has something to do at once."""
        if world.incident.age == NOTICED_BY and not world.incident.is_noticed:
            return False
        if not self.protocol.punctual:
            return True
        running = [w for w in world.workers if not w.paused]
        if any(w.phase in {Phase.CLAIMED, Phase.HOLDING} for w in running):
            return False
        if any(w.phase is Phase.WAITING and w.clock > 0 for w in running):
            return False
        grant = world.grant
        is_claimable = grant.intent is not None and not grant.rests and can_claim(grant, True)
        return not (is_claimable and any(w.phase is Phase.IDLE for w in running))


def _with(world: World, who: int, worker: Worker) -> World:
    first, second = world.workers
    return world._replace(workers=(worker, second) if who == 0 else (first, worker))


def _spend(world: World, what: int) -> World:
    left = list(world.left)
    left[what] -= 1
    return world._replace(left=(left[0], left[1], left[2], left[3], left[4]))


def _tick(world: World) -> World:
    grant, age = world.grant, world.incident.age
    grant = grant._replace(
        lease=max(grant.lease - 1, 0),
        rests=max(grant.rests - 1, 0),
        suspect=None if grant.suspect is None else min(grant.suspect + 1, OLD),
        looked=None if grant.looked is None else min(grant.looked + 1, 1),
    )
    first, second = (_older(worker) for worker in world.workers)
    tokens = tuple((p, s - 1 if s > 0 else s) for p, s in world.tokens)
    incident = world.incident._replace(
        age=None if age is None else min(age + 1, NOTICED_BY),
        calm=max(world.incident.calm - 1, 0),
    )
    return world._replace(grant=grant, workers=(first, second), tokens=tokens, incident=incident)


def _older(worker: Worker) -> Worker:
    if worker.paused > 0:
        worker = worker._replace(paused=worker.paused - 1)
    if worker.phase is Phase.CLAIMED:
        return worker._replace(clock=max(worker.clock - 1, 0))
    if worker.phase is Phase.WAITING:
        return worker._replace(clock=1)
    return worker


# ── Exploration ───────────────────────────────────────────────────────────────────────────────


def is_lost(world: World) -> bool:
    """No token that is stored, held by a worker or on its way to one is of any use any more."""
    known = {world.grant.token, *(token for _, token in world.grant.siblings)}
    known |= {w.got for w in world.workers if w.wire == "kept"}
    return all(world.tokens[token][1] == DEAD for token in known)


def canonical(world: World) -> World:
    """The same world with its two workers in a fixed order: which is which does not matter."""
    first, second = world.workers
    if first <= second:
        return world
    owner = world.grant.owner
    grant = world.grant if owner == NOBODY else world.grant._replace(owner=1 - owner)
    return world._replace(grant=grant, workers=(second, first))


def explore(
    protocol: Protocol, provider: Provider, bounds: Bounds, *, is_for_one: bool = False
) -> Verdict:
    """Every state within the bounds is visited; the first bad ones are noted. Whoever looks for one
    bad state learns of no other."""
    model, began = Model(protocol, provider, bounds), time.monotonic()
    start = model.start()
    came: dict[World, tuple[World, str] | None] = {start: None}
    waiting, verdict = deque([start]), Verdict()
    while waiting and not (is_for_one and not verdict.holds):
        world = waiting.popleft()
        if is_lost(world):
            verdict.lost = verdict.lost or trace(came, world)
        if world.is_dead:
            verdict.dead = verdict.dead or trace(came, world)
            continue
        for label, after in model.steps(world):
            after = canonical(after)
            if after not in came:
                came[after] = (world, label)
                waiting.append(after)
    verdict.states, verdict.seconds = len(came), time.monotonic() - began
    return verdict


def trace(came: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    """The labels of the steps that led here."""
    labels: list[str] = []
    while (before := came[world]) is not None:
        world = before[0]
        labels.append(before[1])
    return labels[::-1]
