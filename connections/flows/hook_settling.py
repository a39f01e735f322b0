"""What came of one container's hooks stands on its row, with when it is looked at again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import F, Min

from connections.budgets import Purpose
from connections.errors import (
    AccessDenied,
    Refused,
    RemoteGone,
    ScopeMissing,
    VendorError,
)
from connections.flows import budget, hook_rounds as rounds
from connections.flows.hook_mending import Done
from connections.hook_matching import MISSING, Found
from connections.models import (
    Connection,
    Hook,
    HookEndpoint,
    HookPlan,
    HookStand,
    HookWanted,
)
from portal import audit, clock, tenancy, work
from portal.policy import SYSTEM

NOT_ALLOWED: Final = (ScopeMissing, AccessDenied, Refused)
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
TRIES: Final = 4
FREE: Final = {"lease_owner": None, "lease_until": None}
SHARE: Final = 0.05  # of an hour's requests, for looking at all of them again


def settle(
    claim: work.Claim,
    connection: Connection,
    row: Hook,
    found: Found,
    done: Done,
    secret_at: datetime | None,
    period: timedelta,
) -> None:
    """The container is as it was found; `secret_at` is of the secret that was told, if any was.

    It is looked at again after the `period`, about.
    """
    values: dict[str, Any] = {
        "stand": found.stand,
        "remote_id": found.remote_id,
        "extras": list(found.extras),
        "events": list(found.events),
        "strangers": found.strangers,
        "lookalikes": found.lookalikes,
        "lookalike_host": found.lookalike_host,
        "seen_at": clock.now(),
        "error": "",
        "error_detail": "",
        **FREE,
    }
    if done.made or done.changed:
        values |= {"secret_at": secret_at, "changed_at": clock.now()}
    elif not found.remote_id:
        values["secret_at"] = None
    with tenancy.transaction():
        claim.hold()
        connection.hold()
        plan = rounds.held(connection)
        Hook.objects.filter(id=row.id).update(**values)
        _put_off(plan, row, found.stand, period)
        HookPlan.objects.filter(id=plan.id).update(waits_for="", **_counted(done))


def _put_off(plan: HookPlan, row: Hook, stand: str, period: timedelta) -> None:
    """It is settled, unless somebody wanted something else of it meanwhile.

    What was only looked at, is wrong and mends itself is due at once.
    """
    wrong = plan.mends_itself and stand in (MISSING, *rounds.FIXABLE)
    at_once = wrong and row.wanted == HookWanted.LOOK
    wait = HOUR if wrong else period
    spread = 0.75 + 0.5 * (row.id.int % 1000) / 1000
    same = Hook.objects.filter(id=row.id, wanted=row.wanted, purpose=row.purpose)
    same.update(
        wanted=_of_itself(plan),
        due_at=clock.now() if at_once else clock.now() + wait * spread,
        purpose=row.purpose if at_once else Purpose.FULL,
        round_id=plan.round_id if at_once else None,
        attempts=0,
    )


def _of_itself(plan: HookPlan) -> str:
    """What is done in a container when nobody asks."""
    return HookWanted.MEND if plan.mends_itself else HookWanted.LOOK


def period_of(connection: Connection) -> timedelta:
    """From one look to the next; longer where so many cost more than their share of requests."""
    count = rounds.rows(connection).count()
    hour = budget.stand(connection.budget_id)
    hours = count / max(1.0, (hour.per_hour if hour else budget.USUAL) * SHARE)
    return max(DAY, timedelta(hours=hours))


def fail(
    claim: work.Claim, connection: Connection, row: Hook, error: VendorError, done: Done
) -> None:
    """This container alone: refused until somebody acts, or tried again in a while."""
    again = error.retry and row.attempts < TRIES
    values: dict[str, Any] = {"error": error.code, "error_detail": error.detail[:200]}
    with tenancy.transaction():
        claim.hold()
        connection.hold()
        plan = rounds.held(connection)
        if again:
            values["due_at"] = clock.now() + timedelta(seconds=30 * 2**row.attempts)
        else:
            values |= _given_up(plan, row, error)
        Hook.objects.filter(id=row.id).update(**FREE)
        Hook.objects.filter(id=row.id, wanted=row.wanted).update(**values)
        failed = {} if again else {"failed": F("failed") + 1}
        HookPlan.objects.filter(id=plan.id).update(**_counted(done), **failed)


def let_go(claim: work.Claim, row: Hook) -> None:
    """Whoever comes next may take it."""
    with tenancy.transaction():
        claim.hold()
        Hook.objects.filter(id=row.id).update(**FREE)


def _given_up(plan: HookPlan, row: Hook, error: VendorError) -> dict[str, Any]:
    """It is looked at again in a while; only a removal that was asked for goes on by itself."""
    refused = isinstance(error, NOT_ALLOWED)
    wait = DAY if refused or isinstance(error, RemoteGone) else HOUR
    values: dict[str, Any] = {
        "due_at": clock.now() + wait,
        "round_id": None,
        "attempts": 0,
        "purpose": Purpose.FULL,
    }
    if row.wanted != HookWanted.REMOVE:
        values["stand"] = HookStand.REFUSED if refused else HookStand.FAILING
        values["wanted"] = _of_itself(plan)
    return values


def _counted(done: Done) -> dict[str, Any]:
    counts = {"made": done.made, "changed": done.changed, "removed": done.removed}
    return {name: F(name) + count for name, count in counts.items() if count}


def end_round(connection: Connection, plan: HookPlan) -> None:
    """A round of which nothing is left is over, and on record when anything was done.

    Inside a transaction that holds the connection.
    """
    soonest = rounds.rows(connection).aggregate(at=Min("due_at"))["at"]
    plan.refresh_from_db()
    plan.next_at = soonest
    plan.save(update_fields=["next_at"])
    if not rounds.is_open(plan) or rounds.left(plan):
        return
    plan.round_ended_at = clock.now()
    plan.save(update_fields=["round_ended_at"])
    counts = {name: getattr(plan, name) for name in ("made", "changed", "removed", "failed")}
    if any(counts.values()):
        audit.record(audit.Action.HOOKS_TENDED, actor=SYSTEM, subject=connection, **counts)


def keep_both_secrets(connection: Connection) -> None:
    """While hooks still have the former secret it holds on, unless a person ended it."""
    plan = rounds.held(connection)
    endpoint = HookEndpoint.objects.filter(connection_id=connection.id).first()
    if endpoint is None or endpoint.previous_until is None:
        return
    if not rounds.behind(connection, plan, endpoint).exists():
        return
    until = max(endpoint.previous_until, clock.now() + 2 * HOUR)
    HookEndpoint.objects.filter(id=endpoint.id).update(previous_until=until)
    plan.next_at = min(plan.next_at or until, until - HOUR)  # before it ends this is asked again
    plan.save(update_fields=["next_at"])


def gave_up(code: str, *, connection_id: str, which: str) -> None:
    """All attempts are used up: in an hour a worker tries again. In the job's transaction."""
    for plan in HookPlan.objects.filter(connection_id=connection_id):
        plan.next_at, plan.waits_for = clock.now() + HOUR, code[:40]
        plan.save(update_fields=["next_at", "waits_for"])
