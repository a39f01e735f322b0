"""Grants withdrawn at the vendor are noticed, shown and told; an outage of an hour bothers nobody.

Two connections are in use when their grants are withdrawn: a service reads with leased tokens and
reports the refusal, and our own sync meets one. A third is idle. Nobody has chosen what to be told
how: a suspicion is in the inbox, and mailed is only what is certain. Then the vendor is down for an
hour, refusing connections and answering 503, while a service asks for tokens all along. Clocks run
faster in the parts where only time passes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connections
from django.test import override_settings

from connections.flows import sync, told_kinds
from connections.lineage import THIRD_LOOK_SECONDS
from connections.models import Connection, Credential, Workspace
from connections.queries import health
from portal import clock, roles
from portal.models import Dispatch, Notice, Receipt
from tests.prove import crowd
from tests.prove.consumer import Service, service
from tests.prove.crowd import Linked
from tests.prove.faster import Faster
from tests.prove.stage import Stage, until
from tests.prove.told import Claim, Told

WORKSPACE = "yarden"
IN_USE_SECONDS, IDLE_SECONDS = 60, 15 * 60
LOOKS_AN_HOUR = 20  # two percent of a thousand requests
HOUR, LIFE, PROMISED_LIFE = 3600, 7200, 300
ENOUGH = 0.9995
BYSTANDERS = 45
ROLES = REPORTS, SYNCS, IDLE = "leased and reported", "our own sync", "idle"
USED_EVERY, LEAD_SECONDS = 10, 20
BELIEVED_SECONDS = 30 * 60
SENDING_SECONDS = 15  # a mail waits for half a minute to a minute, then for a worker


@dataclass(frozen=True, slots=True)
class Size:
    """How fast the clocks run in each part, and how many connections live through the outage.

    `hurry` holds until a third look is believed, `looks` from then to the mail. `out_within` is
    when people are told: a minute, and twice that by a clock that runs faster.
    """

    in_use: float
    hurry: float
    looks: float
    idle: float
    outage: float
    tokens: int
    ask_every: float
    out_within: float


FULL = Size(1.0, 3.0, 3.0, 60.0, 20.0, 45, 20.0, 60.0)
SHORT = Size(6.0, 40.0, 10.0, 200.0, 500.0, 12, 250.0, 120.0)


@dataclass(slots=True)
class Withdrawn:
    """One connection whose grant was withdrawn, and the moments that followed, by our clock."""

    how: str
    linked: Linked
    at: datetime
    noticed: float = float("inf")
    told: float = float("inf")
    mailed: float = float("inf")
    shown: str = ""
    believed: float = float("inf")

    def row(self) -> list[object]:
        seconds = (self.noticed, self.told, self.believed, self.mailed)
        written = [f"{each:.0f}" if each < 2 * HOUR else "never" for each in seconds]
        return [self.how, *written, self.shown]


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    quiet = {"EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend"}
    with override_settings(**quiet):
        linked, consumer = gathered(stage, size), service(stage)
        with Faster(stage) as time_passes:
            seen = in_use(stage, time_passes, size, linked, consumer)
            until_mailed(stage, time_passes, size, seen)
            seen.append(idle(stage, time_passes, size, linked))
            until_mailed(stage, time_passes, size, seen[-1:])
            looks = looks_an_hour(stage, linked, seen[0].at)
            asked, given = outage(stage, time_passes, size, linked[-size.tokens :], consumer)
            back = well_again(stage, time_passes)
    links = opened(stage, told_kinds.NEEDS_LINK)
    return Told(
        f"{len(linked)} connections, {size.tokens} of them through an outage",
        COLUMNS,
        [one.row() for one in seen],
        [
            *noticed(seen, size),
            Claim("looks cost two percent of the budget", looks <= LOOKS_AN_HOUR, f"{looks:.0f}"),
            Claim(
                "in an outage of an hour leases are given while the token lives",
                asked > 0 and given >= ENOUGH * asked,
                f"{given} of {asked}",
            ),
            Claim("nobody else is asked to link again", links == len(seen), f"{links} were"),
            Claim("all is fresh when the vendor is back", back, back),
        ],
        [asdict(one) for one in seen],
    )


COLUMNS = ("in use as", "noticed [s]", "told [s]", "link wanted [s]", "mailed [s]", "shown as")


def noticed(seen: list[Withdrawn], size: Size) -> list[Claim]:
    used, alone = seen[:-1], seen[-1]
    return [
        Claim(
            f"a withdrawal is noticed within {IN_USE_SECONDS} s when in use",
            all(one.noticed <= IN_USE_SECONDS for one in used),
        ),
        Claim(f"and within {IDLE_SECONDS // 60} minutes when idle", alone.noticed <= IDLE_SECONDS),
        Claim("it is shown", all(one.shown in ("attention", "broken") for one in seen)),
        Claim(
            f"it is in the inbox {size.out_within:g} s later",
            all(one.told - one.noticed <= size.out_within for one in seen),
        ),
        Claim(
            "it is certain, and a new link wanted, within half an hour",
            all(one.believed - one.noticed <= BELIEVED_SECONDS for one in seen),
        ),
        Claim("nothing is mailed before that", all(one.mailed >= one.believed for one in seen)),
        Claim(
            f"it is mailed {size.out_within + SENDING_SECONDS:g} s after it is certain",
            all(one.mailed - one.believed <= size.out_within + SENDING_SECONDS for one in seen),
        ),
    ]


# ── Who is there ──────────────────────────────────────────────────────────────────────────────


def gathered(stage: Stage, size: Size) -> list[Linked]:
    """Connections that the vendor was just heard of; quiet looks are planned as after a link.

    Of the bystanders one is refreshed each minute: where nothing ever succeeds, three withdrawals
    at a time look like an incident of the vendor.
    """
    count = len(ROLES) + BYSTANDERS
    linked = crowd.gather(stage, stage.works.acme, count, life_seconds=LIFE, workspace=WORKSPACE)
    known = next(w for w in stage.vendor.state()["workspaces"] if w["slug"] == WORKSPACE)
    with roles.using_role("worker"), stage.works.inside():
        idle = timedelta(minutes=settings.PROBE_IDLE_MINUTES)
        Connection.objects.update(next_probe_at=clock.now() + idle)
        for minute, one in enumerate(linked[len(ROLES) :]):
            due = clock.now() + timedelta(minutes=minute)
            Credential.objects.filter(id=one.credential_id).update(refresh_due_at=due)
        Workspace.objects.create(
            connection_id=linked[ROLES.index(SYNCS)].connection_id,
            remote_id=known["uuid"],
            slug=known["slug"],
            name=known["name"],
            selected=True,
        )
    return linked


# ── Withdrawn ─────────────────────────────────────────────────────────────────────────────────


def in_use(
    stage: Stage, time_passes: Faster, size: Size, linked: list[Linked], consumer: Service
) -> list[Withdrawn]:
    """Grants in use are withdrawn; what followed until people could read of it."""
    time_passes.factor = size.in_use
    reports, syncs = (linked[ROLES.index(how)] for how in (REPORTS, SYNCS))
    deeds = [lambda: consumer.use(reports.connection_id), lambda: read(stage, syncs)]
    with again_and_again(deeds, USED_EVERY / size.in_use):
        time_passes.let_pass(2 * USED_EVERY)
        seen = [withdraw(stage, REPORTS, reports), withdraw(stage, SYNCS, syncs)]
        watch(stage, seen, lambda: all_told(seen), 300 / size.in_use)
    return seen


def idle(stage: Stage, time_passes: Faster, size: Size, linked: list[Linked]) -> Withdrawn:
    """The grant of a connection that nobody uses is withdrawn too."""
    alone = linked[ROLES.index(IDLE)]
    soon = timedelta(seconds=2 * LEAD_SECONDS)
    until(lambda: next_look(stage, alone) > clock.now() + soon, 60)  # one may be under way
    one = withdraw(stage, IDLE, alone)
    time_passes.factor = size.idle
    time_passes.let_pass((next_look(stage, alone) - clock.now()).total_seconds() - LEAD_SECONDS)
    time_passes.factor = size.in_use
    watch(stage, [one], lambda: all_told([one]), 300 / size.in_use)
    return one


def all_told(seen: list[Withdrawn]) -> bool:
    return all(one.noticed < HOUR and one.told < HOUR for one in seen)


def until_mailed(stage: Stage, time_passes: Faster, size: Size, seen: list[Withdrawn]) -> None:
    """They are believed lost and mailed of; time passes quickly until a third look may come."""
    third = min(one.at + timedelta(seconds=one.noticed) for one in seen)
    third += timedelta(seconds=THIRD_LOOK_SECONDS[0] - LEAD_SECONDS)
    time_passes.factor = size.idle
    time_passes.let_pass((third - clock.now()).total_seconds())

    def all_are() -> bool:
        waiting = any(one.believed < 2 * HOUR < one.mailed for one in seen)
        time_passes.factor = size.looks if waiting else size.hurry
        return all(one.mailed < 2 * HOUR for one in seen)

    watch(stage, seen, all_are, BELIEVED_SECONDS / size.looks)


def next_look(stage: Stage, linked: Linked) -> datetime:
    """When it is planned to be looked at, if nobody uses it before."""
    with stage.works.inside():
        planned = Connection.objects.get(id=linked.connection_id).next_probe_at
    assert planned is not None
    return planned


def withdraw(stage: Stage, how: str, linked: Linked) -> Withdrawn:
    """The person withdrew it in their settings at the vendor."""
    stage.vendor.order("/grants/revoke", grant=linked.grant)
    return Withdrawn(how, linked, clock.now())


def read(stage: Stage, linked: Linked) -> None:
    """Our own sync of this connection, unless one runs."""
    with stage.works.inside():
        sync.start(Connection.objects.get(id=linked.connection_id), requested_by="the proof")


@contextmanager
def again_and_again(deeds: Sequence[Callable[[], object]], every: float) -> Iterator[None]:
    """Each deed is done every so many seconds, in a thread of its own."""
    over = threading.Event()

    def repeat(deed: Callable[[], object]) -> None:
        while not over.wait(every):
            deed()
        connections.close_all()

    threads = [threading.Thread(target=repeat, args=[deed], daemon=True) for deed in deeds]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def watch(
    stage: Stage, seen: list[Withdrawn], is_over: Callable[[], bool], patience: float
) -> None:
    """Look at them until it is over; what never comes in time stays infinite."""
    with suppress(TimeoutError):
        until(lambda: look(stage, seen) or is_over(), patience + 30)


def look(stage: Stage, seen: list[Withdrawn]) -> None:
    """Take down what the rows say has happened by now."""
    with stage.works.inside():
        for one in seen:
            now = Connection.objects.get(id=one.linked.connection_id)
            if now.suspect_since is not None and one.noticed > HOUR:
                one.noticed = since(one, now.suspect_since)
                one.shown = health.word_of(now)
            asked = Notice.objects.filter(kind=told_kinds.NEEDS_LINK, subject_id=now.id).first()
            if asked is not None and one.believed > 2 * HOUR:
                one.believed = since(one, asked.opened_at)
            first = Receipt.objects.filter(notice__subject_id=now.id).order_by("created_at").first()
            if first is not None and one.told > HOUR:
                one.told = since(one, first.created_at)
            mailed = Dispatch.objects.filter(
                receipts__notice__subject_id=now.id, outcome=Dispatch.Outcome.SENT
            )
            moment = mailed.order_by("ended_at").values_list("ended_at", flat=True).first()
            if moment is not None and one.mailed > HOUR:
                one.mailed = since(one, moment)


def since(one: Withdrawn, moment: datetime) -> float:
    return (moment - one.at).total_seconds()


def looks_an_hour(stage: Stage, linked: list[Linked], since: datetime) -> float:
    """The most calls of the API on behalf of a bystander, by the hour."""
    bystanders = {one.nickname for one in linked[len(ROLES) :]}
    asked = Counter(row["user"] for row in stage.vendor.requests() if row.get("user") in bystanders)
    hours = max(1.0, (clock.now() - since).total_seconds() / HOUR)
    return max(asked.values(), default=0) / hours


# ── The vendor is away ────────────────────────────────────────────────────────────────────────


def outage(
    stage: Stage, time_passes: Faster, size: Size, linked: list[Linked], consumer: Service
) -> tuple[int, int]:
    """How often a token that lived for five minutes more was asked for in an hour, and given."""
    spread(stage, linked)
    stage.vendor.order("/outage", kind="refused")
    began, asked, given = clock.now(), 0, 0
    time_passes.factor = size.outage
    while (passed := (clock.now() - began).total_seconds()) < HOUR:
        if passed > HOUR / 2:
            stage.vendor.order("/outage", kind="unavailable")
        for one in living(stage, linked, size):
            asked += 1
            given += consumer.lease(one.connection_id, wait=0.5) is not None
        time_passes.let_pass(size.ask_every)
    return asked, given


def spread(stage: Stage, linked: list[Linked]) -> None:
    """Their tokens end evenly over the next two hours, as by the vendor's clock."""
    now = clock.now()
    with stage.works.inside():
        for number, one in enumerate(linked):
            left = timedelta(seconds=LIFE * (number + 1) / len(linked))
            Credential.objects.filter(id=one.credential_id).update(
                expires_at=now + left,
                refreshed_at=now + left - timedelta(seconds=LIFE),
                refresh_due_at=now + left - timedelta(seconds=450),
            )


def living(stage: Stage, linked: list[Linked], size: Size) -> list[Linked]:
    """Those whose token lives long enough to be leased, with a moment for asking them all."""
    enough = clock.now() + timedelta(seconds=PROMISED_LIFE + size.outage)
    with stage.works.inside():
        found = Credential.objects.filter(expires_at__gte=enough).values_list("id", flat=True)
        alive = set(found)
    return [one for one in linked if one.credential_id in alive]


def well_again(stage: Stage, time_passes: Faster) -> bool:
    """Whether every token that is still wanted is fresh soon after the vendor is back."""
    stage.vendor.order("/outage", kind="")
    time_passes.factor = 20.0
    with suppress(TimeoutError):
        until(lambda: stale(stage) == 0, 120)
    return stale(stage) == 0


def stale(stage: Stage) -> int:
    """Tokens of active connections that have ended."""
    with stage.works.inside():
        ended = Credential.objects.filter(expires_at__lte=clock.now())
        return int(ended.filter(connection__state=Connection.State.ACTIVE).count())


def opened(stage: Stage, kind: str) -> int:
    with stage.works.inside():
        return int(Notice.objects.filter(kind=kind).count())
