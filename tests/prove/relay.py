"""What happens at Bitbucket is at Jira once, in order and by the right person, whatever dies.

A random stream of events goes through ingest and workers to Jira's sandbox while its answers are
lost, workers die at random and at named steps, tokens end and the credential is replaced. Then each
thing that Bitbucket has is looked for at Jira, and the links are removed with what they wrote.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from connections.flows import hook_endpoints, relay_removal
from connections.models import Link, LinkState
from portal import tenancy
from tests.connections import hook_line, jira_line
from tests.connections.coding import SPACE
from tests.ingesting import IngestProcess, Sender
from tests.prove import relay_scene as scene, relay_truth
from tests.prove.relay_scene import Linked
from tests.prove.relay_stream import Stream
from tests.prove.relay_trouble import Trouble
from tests.prove.stage import Stage, until
from tests.prove.told import Claim, Told


@dataclass(frozen=True, slots=True)
class Size:
    """`steps` are where a worker is made to die while events come; `token` is a token's life."""

    events: int
    per_second: float
    workers: int
    lease: int
    token: int
    between_kills: tuple[float, float]
    between_faults: tuple[float, float]
    steps: tuple[str, ...]
    is_long: bool


STEPS = ("relay.taken", "relay.sent", "relay.settled", "told.taken", "told.fetched")
FULL = Size(900, 4.0, 3, 8, 60, (5, 12), (6, 12), STEPS, True)
SHORT = Size(24, 12.0, 1, 3, 60, (60, 60), (60, 60), ("relay.sent",), False)


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    seed = random.randrange(10**6)
    linked = scene.linked(stage, token_seconds=size.token, with_oauth=size.is_long)
    stream = Stream(stage.vendor, SPACE, linked.slugs, random.Random(seed))
    environment = {"LEASE_SECONDS": str(size.lease), "SWEEP_SECONDS": "1"}
    with told(stage, linked), stage.workers(0, **environment) as workers:
        trouble = Trouble(stage, linked, workers, environment, random.Random(seed + 1))
        began = time.monotonic()
        suffer(stage, size, stream, trouble)
        trouble.end()
        patience = 600 if size.is_long else 120
        scene.come_to_rest(stage, linked, patience, at_rest=stream.deploy_last)
        took = time.monotonic() - began
        found = [relay_truth.compared(stage, each, stream) for each in linked.links]
        jira_line.told_by_another(stage.vendor, "PAY-1")
        left = removed(stage, linked, trouble)
    return counted(size, seed, stream, trouble, found, left, took)


@contextmanager
def told(stage: Stage, linked: Linked) -> Iterator[None]:
    """Bitbucket's hook leads to an ingest process, which takes in what it is told."""
    works = stage.works
    with tenancy.acting_for(works.acme):
        made = hook_endpoints.make(actor=works.alice, connection=linked.source)
    works.drain()
    assert made.secret is not None
    secret = made.secret.reveal()
    sender = Sender(
        works, linked.source, made.endpoint, made.address, secret.encode(), works.acme, works.alice
    )
    running = IngestProcess(works)
    try:
        url = f"http://127.0.0.1:{running.port}{sender.path}"
        hook_line.subscribe(stage.vendor, SPACE, url, secret)
        yield
    finally:
        running.stop()


def suffer(stage: Stage, size: Size, stream: Stream, trouble: Trouble) -> None:
    """Events come at their pace; something goes wrong now and then, and half-way a secret ends."""
    chance = trouble.chance
    begun = time.monotonic()
    kill_at = begun + chance.uniform(*size.between_kills)
    fault_at = begun + chance.uniform(*size.between_faults)
    if size.is_long:
        trouble.workers.start(size.workers)
    read_at = begun + 15
    steps = {round(size.events * (n + 1) / (len(size.steps) + 2)): s
             for n, s in enumerate(size.steps)}  # fmt: skip
    for number in range(size.events):
        stream.happen()
        if number in steps:
            trouble.die_at(steps[number], stream.happen)
        if number in steps and not size.is_long:
            trouble.workers.start(size.workers)
        if number == size.events // 2:
            trouble.fail(status=503, kind="status", times=3)
            trouble.fail(kind="reset", times=2)
            trouble.replace_secret()
            scene.let_token_end(stage, trouble.linked)
        now = time.monotonic()
        if now > kill_at:
            trouble.kill()
            kill_at = now + chance.uniform(*size.between_kills)
        if now > fault_at:
            trouble.fault()
            fault_at = now + chance.uniform(*size.between_faults)
        if now > read_at:
            scene.let_read(stage, trouble.linked)
            read_at = now + 20
        time.sleep(max(0.0, begun + number / size.per_second - time.monotonic()))


def removed(stage: Stage, linked: Linked, trouble: Trouble) -> list[str]:
    """What is left of ours once the links were removed, while a worker dies at it."""
    trouble.workers.stop()
    for each in linked.links:
        with stage.works.inside():
            link = Link.objects.select_related("source", "target").get(id=each.id)
            relay_removal.remove(
                actor=stage.works.alice, link=link, erase=True, confirm_name=str(link)
            )
    trouble.die_at("relay.erased")
    trouble.workers.start()
    until(lambda: all(state == LinkState.REMOVED for state in states(stage)), 180, 0.3)
    return relay_truth.left(stage, linked)


def states(stage: Stage) -> list[str]:
    with stage.works.inside():
        return list(Link.objects.values_list("state", flat=True))


def counted(
    size: Size,
    seed: int,
    stream: Stream,
    trouble: Trouble,
    found: list[relay_truth.Compared],
    left: list[str],
    took: float,
) -> Told:
    rows: list[list[object]] = [[kind, count] for kind, count in sorted(stream.done.items())]
    rows += [["workers killed at random", trouble.workers.kills]]
    rows += [[f"workers killed at {step}", n] for step, n in sorted(trouble.died.items())]
    rows += [[f"answers spoiled: {kind}", n] for kind, n in sorted(trouble.hits().items())]
    rows += [[f"tokens issued by {name}", n] for name, n in trouble.issued().items()]
    for one in found:
        rows += [[f"{one.way}: {kind} looked for", n] for kind, n in sorted(one.looked.items())]
        rows += [[f"{one.way}: bodies of things received", one.received]]
    wrong = [f"{one.way}: {each}" for one in found for each in one.wrong]
    hits = trouble.hits()
    back = [each for one in found for each in one.backwards]
    looked = sum(one.looked.total() for one in found)
    claims = [
        Claim("everything is there once, as Bitbucket has it", not wrong, some(wrong, looked)),
        Claim("no older state came after a newer one", not back, some(back, looked)),
        Claim("things were received", all(one.received > 0 for one in found)),
        Claim("builds and deployments are among them", all(one.has_builds for one in found)),
        Claim("nothing ended as a dead letter", not any(one.dead for one in found)),
        Claim(
            "workers died at each named step",
            all(trouble.died[step] for step in (*size.steps, "relay.erased")),
            trouble.died.total(),
        ),
        Claim("answers were lost and refused", all(hits.values()), hits.total()),
        Claim("tokens ended meanwhile", all(n > 1 for n in trouble.issued().values())),
        Claim("a removed link leaves nothing of ours, and all of others", not left, some(left, 0)),
    ]
    tried = f"{size.events} events in {took:.0f} s, {size.workers} workers, seed {seed}"
    raw = {"seed": seed, "wrong": wrong, "backwards": back, "left": left}
    return Told(tried, ("counted", "number"), rows, claims, raw)


def some(wrong: list[str], looked: int) -> str:
    return f"{len(wrong)} of {looked}" + (f": {'; '.join(wrong[:4])}" if wrong else "")
