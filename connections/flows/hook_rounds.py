"""The containers of a connection's webhooks: a row for each, marked for a worker to tend.

A round is what was asked for of many of them, and its progress is what has not been settled yet.
What comes due by itself makes a round of its own, so that whatever is done at a vendor is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import uuid4

from django.db.models import F, Q, QuerySet

from connections.budgets import Purpose
from connections.models import (
    Arrival,
    Connection,
    Hook,
    HookEndpoint,
    HookPlan,
    HookStand,
    HookWanted,
)
from portal import clock, roles, tenancy, work

JOB: Final = "tend_hooks"
ASKED, REST = "asked", "rest"
PURPOSES: Final[Mapping[str, tuple[Purpose, ...]]] = {
    ASKED: (Purpose.WAITING,),
    REST: (Purpose.INCREMENTAL, Purpose.FULL),
}
FEW: Final = 25  # so many may be paid for from what is kept for people who wait
LOOK, MEND, REMOVE, SECRET = "look", "mend", "remove", "secret"
TITLES: Final[Mapping[str, str]] = {
    LOOK: "Looking at webhooks",
    MEND: "Repairing webhooks",
    REMOVE: "Removing webhooks",
    SECRET: "Telling webhooks the new secret",
}
FIXABLE: Final = (
    *(HookStand.INACTIVE, HookStand.EVENTS, HookStand.ADDRESS),
    *(HookStand.NO_SECRET, HookStand.FORMER),
)
WRONG: Final = (
    *(HookStand.MISSING, *FIXABLE, HookStand.SURPLUS),
    *(HookStand.FULL, HookStand.REFUSED, HookStand.FAILING),
)

MAY_SIGN: Final = (  # how a hook of ours stands that may well send, signed with what it was told
    *(HookStand.PRESENT, HookStand.EVENTS, HookStand.ADDRESS),
    *(HookStand.FORMER, HookStand.REFUSED, HookStand.FAILING),
)

_REPOSITORIES: Final = (
    "JOIN connections_repository r ON r.organization_id = w.organization_id"
    " AND r.workspace_id = w.id AND r.gone_at IS NULL"
)
# The containers without a row; "=" and not "IS NOT DISTINCT FROM", which no index serves.
_BARE: Final = """
  FROM connections_workspace w {join}
 WHERE w.organization_id = %(organization)s AND w.connection_id = %(connection)s
   AND w.selected AND w.gone_at IS NULL
   AND NOT EXISTS (
       SELECT FROM connections_hook h WHERE h.organization_id = w.organization_id
          AND h.workspace_id = w.id AND h.repository_id {same})
"""
_CONTAINERS: Final = {
    Arrival.WORKSPACE: ("NULL::uuid", _BARE.format(join="", same="IS NULL")),
    Arrival.REPOSITORY: ("r.id", _BARE.format(join=_REPOSITORIES, same="= r.id")),
}
_NEW: Final = """
INSERT INTO connections_hook (id, organization_id, connection_id, workspace_id, repository_id,
       stand, remote_id, extras, events, strangers, lookalikes, lookalike_host, wanted, due_at,
       purpose, attempts, error, error_detail)
SELECT gen_random_uuid(), w.organization_id, w.connection_id, w.id, {repository}, 'new', '', '{{}}',
       '{{}}', 0, 0, '', %(wanted)s, %(now)s, %(purpose)s, 0, '', ''
{bare}
ON CONFLICT DO NOTHING
"""


def plan_of(connection: Connection) -> HookPlan:
    """What people chose, or what holds without their choice; then it is no row."""
    found = HookPlan.objects.filter(connection_id=connection.id).first()
    return found or HookPlan(connection=connection)


def held(connection: Connection) -> HookPlan:
    """The same as a row that is locked; inside a transaction that holds the connection."""
    made: HookPlan = HookPlan.objects.get_or_create(
        organization_id=connection.organization_id, connection=connection
    )[0]
    found: HookPlan = HookPlan.objects.select_for_update(no_key=True).get(id=made.id)
    return found


def rows(connection: Connection) -> QuerySet[Any]:
    """The containers that are there."""
    there = Q(repository=None) | Q(repository__gone_at=None)
    found = Hook.objects.filter(connection_id=connection.id)
    return found.filter(there, workspace__gone_at=None)


def wanted_at(plan: HookPlan) -> Q:
    """Which of them are to have a hook."""
    if plan.arrival == Arrival.POLLING:
        return Q(pk__in=[])
    return Q(repository__isnull=plan.arrival == Arrival.WORKSPACE, workspace__selected=True)


def behind(connection: Connection, plan: HookPlan, endpoint: HookEndpoint) -> QuerySet[Any]:
    """Those whose hook may sign with another secret than the newest."""
    return tellable(connection, plan).exclude(secret_at=endpoint.secret_at)


def tellable(connection: Connection, plan: HookPlan) -> QuerySet[Any]:
    """Those with a hook of ours that a new secret is told to."""
    found = rows(connection).filter(wanted_at(plan), stand__in=MAY_SIGN)
    return found.exclude(remote_id="")


def due(connection: Connection, purposes: Iterable[str]) -> QuerySet[Any]:
    """Those that a worker is to tend now."""
    wanted = rows(connection).exclude(wanted=HookWanted.NOTHING)
    return wanted.filter(purpose__in=list(purposes), due_at__lte=clock.now())


# ── Mark ──────────────────────────────────────────────────────────────────────────────────────


def begin(plan: HookPlan, what: str, by: str) -> None:
    """A new round, of nothing yet; one under way ends with what it has done."""
    plan.round_id, plan.round_what, plan.round_by = uuid4(), what, by[:200]
    plan.round_began_at, plan.round_ended_at, plan.round_total = clock.now(), None, 0
    plan.made = plan.changed = plan.removed = plan.failed = 0
    plan.waits_for = ""
    plan.save()


def want(plan: HookPlan, found: QuerySet[Any], what: str, purpose: str) -> int:
    """These are of the plan's round, due now and paid for as this; how many there are."""
    ids = found.values("id")
    marked: int = Hook.objects.filter(id__in=ids).update(
        wanted=what, due_at=clock.now(), purpose=purpose, round_id=plan.round_id, attempts=0
    )
    plan.round_total += marked
    plan.save(update_fields=["round_total"])
    return marked


def part_with(plan: HookPlan, found: QuerySet[Any]) -> int:
    """Our hooks of these containers are to go; how many containers there are."""
    purpose = price(found.count())
    stand_at(found, HookStand.SURPLUS)
    return want(plan, found, HookWanted.REMOVE, purpose)


def stand_at(found: QuerySet[Any], stand: str) -> None:
    """These stand like this from now on."""
    Hook.objects.filter(id__in=found.values("id")).update(stand=stand)


def price(count: int) -> str:
    """What so many are paid for as, when a person asks."""
    return Purpose.WAITING if count <= FEW else Purpose.INCREMENTAL


def is_open(plan: HookPlan) -> bool:
    return plan.round_id is not None and plan.round_ended_at is None


def left(plan: HookPlan) -> int:
    """How many of the round are not settled."""
    if not is_open(plan):
        return 0
    found: int = Hook.objects.filter(
        connection_id=plan.connection_id, round_id=plan.round_id
    ).count()
    return found


def tell_vendor(connection: Connection) -> None:
    """A new secret holds, or the first one: workers tell it to the vendor's hooks."""
    if HookPlan.objects.filter(connection_id=connection.id).exists():
        for which in PURPOSES:
            ask(connection, which)


def ask(connection: Connection, which: str = REST) -> None:
    """A worker tends what is due; inside a transaction that holds the connection."""
    work.later(
        JOB,
        priority=work.WAITING if which == ASKED else work.NORMAL,
        dedupe=f"hooks:{connection.id}:{which}",
        connection_id=connection.id,
        which=which,
    )


def look_soon(connection: Connection) -> None:
    """Containers may be new, or not chosen any more: then a worker draws them within a minute."""
    plan = HookPlan.objects.filter(connection_id=connection.id).first()
    if plan is None or plan.arrival == Arrival.POLLING:
        return
    if _lacks_rows(connection, plan) or _unsettled(connection, plan).exists():
        HookPlan.objects.filter(id=plan.id).update(next_at=clock.now())


# ── Draw; for workers ─────────────────────────────────────────────────────────────────────────


def draw(connection: Connection, plan: HookPlan, endpoint: HookEndpoint | None) -> None:
    """Every container has its row, and what is to be done of itself is due.

    New containers are looked at, or have their hook made where it mends itself; hooks with a former
    secret are told the newest one. A row without a hook that nobody wants is gone.
    """
    _insert(connection, plan)
    unwanted = rows(connection).exclude(wanted_at(plan))
    bare = unwanted.filter(remote_id="", extras=[])
    Hook.objects.filter(id__in=bare.values("id")).delete()
    late = _unsettled(connection, plan)
    wish = HookWanted.REMOVE if plan.mends_itself else HookWanted.NOTHING
    Hook.objects.filter(id__in=late.values("id")).update(
        stand=HookStand.SURPLUS, wanted=wish, due_at=clock.now() if wish else None
    )
    if endpoint is not None and endpoint.secret_at is not None:
        _tell_newest(connection, plan, endpoint)
    _adopt(connection, plan)


def _unsettled(connection: Connection, plan: HookPlan) -> QuerySet[Any]:
    """Those that are to have no hook any more, and whose row does not say so yet."""
    unwanted = rows(connection).exclude(wanted_at(plan))
    return unwanted.exclude(stand__in=(HookStand.SURPLUS, HookStand.REFUSED, HookStand.FAILING))


def _lacks_rows(connection: Connection, plan: HookPlan) -> bool:
    bare = _CONTAINERS[Arrival(plan.arrival)][1]
    facts = {"organization": tenancy.organization_id(), "connection": connection.id}
    with roles.connection().cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT {bare})", facts)
        found: bool = cursor.fetchone()[0]
        return found


def _insert(connection: Connection, plan: HookPlan) -> None:
    if plan.arrival == Arrival.POLLING:
        return
    repository, bare = _CONTAINERS[Arrival(plan.arrival)]
    facts = {
        "wanted": HookWanted.MEND if plan.mends_itself else HookWanted.LOOK,
        "now": clock.now(),
        "purpose": Purpose.INCREMENTAL if is_open(plan) and plan.round_by else Purpose.FULL,
        "organization": tenancy.organization_id(),
        "connection": connection.id,
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_NEW.format(repository=repository, bare=bare), facts)


def _tell_newest(connection: Connection, plan: HookPlan, endpoint: HookEndpoint) -> None:
    """Whoever replaced the secret wanted this: hooks that still have the former are due.

    One that refused or failed has its own time, and is told once a look has found it there.
    """
    old = behind(connection, plan, endpoint).exclude(secret_at=None)  # those were told none before
    old = old.exclude(stand__in=(HookStand.REFUSED, HookStand.FAILING))
    old = old.exclude(stand=HookStand.FORMER, wanted=HookWanted.MEND)
    Hook.objects.filter(id__in=old.values("id")).update(
        stand=HookStand.FORMER,
        wanted=HookWanted.MEND,
        due_at=clock.now(),
        purpose=Purpose.INCREMENTAL,
        attempts=0,
    )


def _adopt(connection: Connection, plan: HookPlan) -> None:
    """What is due belongs to the round under way, or to one that nobody asked for."""
    loose = due(connection, Purpose).filter(Q(round_id=None) | ~Q(round_id=plan.round_id))
    if not loose.exists():
        return
    if not is_open(plan):
        secret = loose.filter(stand=HookStand.FORMER, purpose=Purpose.INCREMENTAL).exists()
        mends = loose.exclude(wanted=HookWanted.LOOK).exists()
        begin(plan, SECRET if secret else MEND if mends else LOOK, "")
    found: int = Hook.objects.filter(id__in=loose.values("id")).update(round_id=plan.round_id)
    HookPlan.objects.filter(id=plan.id).update(round_total=F("round_total") + found)
    plan.round_total += found
