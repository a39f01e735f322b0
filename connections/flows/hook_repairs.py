"""Our hooks at a vendor are looked at and repaired: one, or all after a preview of the cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q

from connections.budgets import Purpose
from connections.flows import budget, hook_choice, hook_rounds as rounds, pace, rights
from connections.flows.hook_rounds import FIXABLE, WRONG
from connections.flows.problems import FlowProblem
from connections.models import (
    Connection,
    Hook,
    HookPlan,
    HookStand,
    HookWanted,
)
from portal import audit, clock
from portal.phrases import span
from portal.policy import Actor

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a repair would do at the vendor: hooks to make, change and remove, and what stands in
    the way of others. `requests` are the most that it takes, `takes` is how long at this hour's
    budget, empty when that has room for all of them.
    """

    makes: int
    changes: int
    removes: int
    unknown: int
    refused: int
    requests: int
    takes: str
    left: int | None

    @property
    def is_empty(self) -> bool:
        return not (self.makes or self.changes or self.removes or self.unknown or self.refused)


def preview(connection: Connection, plan: HookPlan) -> Preview:
    """What repairing everything that is known to be wrong would do."""
    found = rounds.rows(connection).aggregate(
        makes=Count("id", filter=Q(stand=HookStand.MISSING)),
        changes=Count("id", filter=Q(stand__in=FIXABLE)),
        removes=Count("id", filter=Q(stand=HookStand.SURPLUS)),
        twice=Count("id", filter=~Q(extras=[]) & ~Q(stand=HookStand.SURPLUS)),
        unknown=Count("id", filter=Q(stand=HookStand.NEW)),
        refused=Count(
            "id", filter=Q(stand__in=(HookStand.REFUSED, HookStand.FAILING, HookStand.FULL))
        ),
    )
    twice = found.pop("twice")
    found["removes"] += twice
    requests = 2 * (found["makes"] + found["changes"] + found["unknown"] + found["refused"])
    return Preview(**found, **_cost(connection, requests + 2 * found["removes"]))


def removal(connection: Connection) -> Preview:
    """What switching to polling alone, or revoking the connection, would remove."""
    count = hook_choice.ours_of(connection).count()
    return Preview(0, 0, count, 0, 0, **_cost(connection, 2 * count))


def telling(connection: Connection) -> Preview:
    """What a new secret costs: each hook of ours at the vendor is told it."""
    count = rounds.tellable(connection, rounds.plan_of(connection)).count()
    return Preview(0, count, 0, 0, 0, **_cost(connection, count))


def _cost(connection: Connection, requests: int) -> dict[str, Any]:
    hour = budget.stand(connection.budget_id)
    seconds = hour.needs(requests, Purpose.INCREMENTAL).total_seconds() if hour else 0
    return {
        "requests": requests,
        "takes": span(seconds) if seconds else "",
        "left": hour.allows(Purpose.INCREMENTAL, hour.per_hour) if hour else None,
    }


def repair_all(*, actor: Actor, connection: Connection) -> int:
    """Everything that is known to be wrong is due for repair; how many containers there are."""
    actor, plan = _begun(actor, connection, rounds.MEND)
    here = rounds.rows(connection)
    wrong = here.filter(rounds.wanted_at(plan)).filter(
        Q(stand__in=(*WRONG, HookStand.NEW)) | ~Q(extras=[])
    )
    count = rounds.want(plan, wrong, HookWanted.MEND, rounds.price(wrong.count()))
    count += rounds.part_with(plan, here.filter(stand=HookStand.SURPLUS))
    audit.record(audit.Action.HOOKS_REPAIR_ASKED, actor=actor, subject=connection, hooks=count)
    return count


def repair_one(*, actor: Actor, connection: Connection, hook_id: UUID) -> None:
    """This container's hook is due for repair, before all others. Raises Hook.DoesNotExist."""
    actor, plan = _begun(actor, connection, rounds.MEND, joins=True)
    one = rounds.rows(connection).filter(id=hook_id)
    row = one.get()
    if row.stand == HookStand.SURPLUS:
        rounds.part_with(plan, one)
    else:
        rounds.want(plan, one, HookWanted.MEND, Purpose.WAITING)
    facts = {"container": str(row.repository or row.workspace)}
    audit.record(audit.Action.HOOKS_REPAIR_ASKED, actor=actor, subject=connection, **facts)


def look(*, actor: Actor, connection: Connection) -> int:
    """Every container is due for a look; nothing is changed at the vendor."""
    actor, plan = _begun(actor, connection, rounds.LOOK)
    here = rounds.rows(connection).exclude(wanted=HookWanted.REMOVE)
    count = rounds.want(plan, here, HookWanted.LOOK, rounds.price(here.count()))
    audit.record(audit.Action.HOOKS_LOOKED, actor=actor, subject=connection, hooks=count)
    return count


def cancel(*, actor: Actor, connection: Connection) -> None:
    """The round ends after the container in hand; what was done stays, nothing mends itself now."""
    actor = rights.manager(actor, connection)
    connection.hold()
    plan = rounds.held(connection)
    if not rounds.is_open(plan):
        return
    rest = Hook.objects.filter(connection_id=connection.id, round_id=plan.round_id)
    rest.update(
        round_id=None,
        wanted=HookWanted.LOOK,
        due_at=clock.now() + DAY,
        purpose=Purpose.FULL,
    )
    plan.round_ended_at, plan.mends_itself = clock.now(), False
    plan.save(update_fields=["round_ended_at", "mends_itself"])
    audit.record(audit.Action.HOOKS_CANCELLED, actor=actor, subject=connection)


def _begun(
    actor: Actor, connection: Connection, what: str, *, joins: bool = False
) -> tuple[Actor, HookPlan]:
    """The person may, the connection is held, and there is a round to put things into."""
    actor = rights.manager(actor, connection)
    pace.keep("hooks", actor)
    connection.hold()
    if not connection.is_live:
        raise FlowProblem("not_live", "", "Resume or re-link this connection first.")
    if reason := hook_choice.offer(connection).why_not:
        raise FlowProblem("polling", "", reason)
    plan = rounds.held(connection)
    if not (joins and rounds.is_open(plan)):
        rounds.begin(plan, what, actor.name)
    for which in rounds.PURPOSES:
        rounds.ask(connection, which)
    return actor, plan
