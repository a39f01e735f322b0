"""Dead letters are applied again, discarded or taken back, each decision with its reason on record.

What was asked for is a row, which `deciding.py` carries out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone

from connections.flows import deciding, rights
from connections.flows.deciding import Choice
from connections.flows.problems import FlowProblem
from connections.models import Connection, DeedKind, DeedState, Delivery, InboxDeed
from portal import audit, clock, work
from portal.audit import Action
from portal.policy import Actor, Permission, authorize

LONGEST_REASON: Final = 300

State = Delivery.State
RECORDED: Final = {
    DeedKind.REPLAY: Action.DELIVERIES_REPLAYED,
    DeedKind.DISCARD: Action.DELIVERIES_DISCARDED,
    DeedKind.RESTORE: Action.DELIVERIES_RESTORED,
}
NO_BODY: Final = "Bodies are kept for 30 days, and this one is gone. A sync reads what it told of."


@dataclass(frozen=True, slots=True)
class Preview:
    """How many it is about, how long that takes, and how many have no body to apply any more."""

    count: int
    without_body: int
    seconds: int


def preview(choice: Choice, kind: DeedKind) -> Preview:
    """What a deed of this kind would do now."""
    rows = deciding.matching(choice)
    count = rows.count()
    gone = rows.filter(body=None).count() if kind is DeedKind.REPLAY else 0
    is_slow = kind is DeedKind.REPLAY
    return Preview(count - gone, gone, span(count - gone) if is_slow else 0)


def waiting(connection: Connection) -> int:
    """How many dead letters of this connection wait for somebody to decide."""
    return int(deciding.matching(Choice(connection)).count())


def span(count: int) -> int:
    """Seconds until so many are applied again, at the pace of portions and pauses."""
    return max(0, -(-count // deciding.PORTION) - 1) * int(deciding.PAUSE.total_seconds())


# ── Asking ────────────────────────────────────────────────────────────────────────────────────


def replay(*, actor: Actor, choice: Choice) -> InboxDeed:
    """Every chosen dead letter that still has its body is applied again, at a throttled pace."""
    return _begin(_may(actor, choice), choice, DeedKind.REPLAY)


def discard(*, actor: Actor, choice: Choice, reason: str) -> InboxDeed:
    """Every chosen dead letter is put away for this reason; it can be taken back."""
    return _begin(_may(actor, choice), choice, DeedKind.DISCARD, _reason(reason))


def restore(*, actor: Actor, deed: InboxDeed) -> InboxDeed:
    """What this deed discarded is a dead letter again, as far as its body is still there."""
    actor = _may(actor, Choice(deed.connection))
    if deed.kind != DeedKind.DISCARD or deed.is_running:
        raise FlowProblem("not_discarded", "", "There is nothing to take back.")
    total = deciding.undoable(deed.id).count()
    if not total:
        raise FlowProblem("nothing_left", "", "Nothing of it is left that could be taken back.")
    made = _make(actor, DeedKind.RESTORE, Choice(deed.connection), total, undoes_id=deed.id)
    deciding.go_on(made)
    return made


def stop(*, actor: Actor, deed: InboxDeed) -> None:
    """It ends after the portion it is at; what was done stays done."""
    actor = _may(actor, Choice(deed.connection))
    held = InboxDeed.objects.filter(id=deed.id, state=DeedState.RUNNING, stop_asked_at=None)
    if held.update(stop_asked_at=timezone.now()):
        audit.record(Action.DELIVERIES_STOPPED, actor=actor, subject=deed, kind=deed.kind)
        work.later(deciding.JOB, priority=work.WAITING, deed_id=deed.id)


def _may(actor: Actor, choice: Choice) -> Actor:
    """Whoever manages that connection, or all of them; raises PermissionDenied."""
    if choice.connection is not None:
        return rights.manager(actor, choice.connection)
    return authorize(actor, Permission.CONNECTION_MANAGE)


def _reason(given: str) -> str:
    reason = " ".join(given.split())
    if not reason:
        raise FlowProblem("reason", "reason", "Say why they are discarded.")
    if len(reason) > LONGEST_REASON:
        raise FlowProblem("reason", "reason", "Use at most 300 characters.")
    return reason


def _begin(actor: Actor, choice: Choice, kind: DeedKind, reason: str = "") -> InboxDeed:
    total = preview(choice, kind).count
    if not total:
        raise FlowProblem("nothing", "", "No dead letter fits this choice any more.")
    deed = _make(actor, kind, choice, total, reason=reason)
    deciding.go_on(deed)
    return deed


def _make(actor: Actor, kind: DeedKind, choice: Choice, total: int, **more: Any) -> InboxDeed:
    deed: InboxDeed = InboxDeed.objects.create(
        kind=kind,
        connection=choice.connection,
        event_key=choice.event_key,
        error=choice.error,
        total=total,
        asked_by=actor.name[:200],
        asked_by_id=actor.id,
        created_at=clock.now(),
        **more,
    )
    facts = {"event": deed.event_key, "error": deed.error, "reason": deed.reason}
    audit.record(
        RECORDED[kind],
        actor=actor,
        subject=deed if choice.connection is None else choice.connection,
        count=total,
        deed=deed.id,
        **{name: value for name, value in facts.items() if value},
    )
    return deed


# ── One alone ─────────────────────────────────────────────────────────────────────────────────


def replay_one(*, actor: Actor, connection: Connection, delivery: Delivery) -> None:
    """This delivery is applied again, whatever came of it before; FlowProblem without its body."""
    actor = rights.manager(actor, connection)
    if delivery.state == State.NEW:
        raise FlowProblem("waiting", "", "It waits to be applied already.")
    if delivery.body is None:
        raise FlowProblem("body_gone", "", NO_BODY)
    _alone(actor, connection, delivery, DeedKind.REPLAY)


def discard_one(*, actor: Actor, connection: Connection, delivery: Delivery, reason: str) -> None:
    """This dead letter is put away for a reason."""
    actor = rights.manager(actor, connection)
    if delivery.state != State.DEAD:
        raise FlowProblem("not_dead", "", "Only what failed for good can be discarded.")
    _alone(actor, connection, delivery, DeedKind.DISCARD, _reason(reason))


def restore_one(*, actor: Actor, connection: Connection, delivery: Delivery) -> None:
    """This discarded delivery is a dead letter again."""
    actor = rights.manager(actor, connection)
    if delivery.state != State.DISCARDED:
        raise FlowProblem("not_discarded", "", "It was not discarded.")
    if delivery.body is None:
        raise FlowProblem("body_gone", "", NO_BODY)
    _alone(actor, connection, delivery, DeedKind.RESTORE)


def _alone(
    actor: Actor, connection: Connection, delivery: Delivery, kind: DeedKind, reason: str = ""
) -> None:
    now = timezone.now()
    done = {"delivery_id": delivery.id, "done": 1, "state": DeedState.FINISHED}
    more = {"reason": reason, "finished_at": now, "moved_at": now}
    deed = _make(actor, kind, Choice(connection, delivery.event_key), 1, **done, **more)
    rows = Delivery.objects.filter(id=delivery.id, state=delivery.state)
    if not deciding.move(deed, [(delivery.id, connection.id, delivery.received_at)], rows):
        raise FlowProblem("changed", "", "Somebody was faster. Look at it again.")
