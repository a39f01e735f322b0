"""Carries out what was decided of dead letters, portion by portion, until all of it is done.

It can be stopped, goes on after a crash, and finds nothing left to do the second time. Applying
again is throttled, and does no harm twice: a delivery is only a reason to look (trust.md §6.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from connections.flows import applying, delivery_hours
from connections.models import Connection, DeedKind, DeedState, Delivery, InboxDeed
from portal import clock, tenancy, work
from portal.policy import Actor, Permission, allows, present
from portal.steps import step

JOB: Final = "decide_deliveries"
PORTION: Final = 100
PAUSE: Final = timedelta(seconds=10)  # between two portions that are applied again

State = Delivery.State


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters: those of a connection, an event, an error, as far as these are given."""

    connection: Connection | None = None
    event_key: str = ""
    error: str = ""


def matching(choice: Choice) -> QuerySet[Delivery]:
    """The dead letters that are chosen."""
    found: QuerySet[Delivery] = Delivery.objects.filter(state=State.DEAD)
    if choice.connection is not None:
        found = found.filter(connection_id=choice.connection.id)
    if choice.event_key:
        found = found.filter(event_key=choice.event_key)
    return found.filter(error=choice.error) if choice.error else found


def go_on(deed: InboxDeed, *, run_at: datetime | None = None) -> None:
    """A worker does its next portion. Inside a transaction."""
    work.later(
        JOB, priority=work.WAITING, dedupe=f"decide:{deed.id}", run_at=run_at, deed_id=deed.id
    )


def perform(claim: work.Claim, *, deed_id: str) -> None:
    """Portions are done until none is left, the pace asks for a pause, or somebody stops it."""
    while True:
        with tenancy.transaction():
            claim.hold()
            deed = InboxDeed.objects.select_for_update().get(id=deed_id)
            goes_on, pauses = _sitting(deed)
            if not goes_on or pauses:
                claim.done()
            if pauses:
                go_on(deed, run_at=clock.now() + PAUSE)
        step("deliveries.decided")
        if not goes_on or pauses:
            return


def _sitting(deed: InboxDeed) -> tuple[bool, bool]:
    """One portion; whether more are left, and whether they have to wait."""
    if not deed.is_running:
        return False, False
    because = _hindrance(deed)
    if because:
        _end(deed, DeedState.STOPPED, because)
        return False, False
    rows = _left(deed)
    portion = list(
        rows.order_by("received_at", "id")
        .select_for_update(of=("self",))
        .values_list("id", "connection_id", "received_at")[:PORTION]
    )
    deed.done += move(deed, portion, Delivery.objects.filter(id__in=[row[0] for row in portion]))
    deed.moved_at = timezone.now()
    deed.save(update_fields=["done", "moved_at"])
    if len(portion) < PORTION:
        _end(deed, DeedState.FINISHED)
        return False, False
    return True, deed.kind == DeedKind.REPLAY


def _hindrance(deed: InboxDeed) -> str:
    """Why it may not go on: it was stopped, or who asked for it may not any more."""
    if deed.stop_asked_at is not None:
        return "stopped"
    actor = present(Actor("person", deed.asked_by_id, deed.asked_by))
    team_id = deed.connection.team_id if deed.connection else None
    is_allowed = allows(actor, Permission.CONNECTION_MANAGE, team_id=team_id)
    return "" if is_allowed else "not_allowed"


def _left(deed: InboxDeed) -> QuerySet[Delivery]:
    """What this deed has still to do. What failed again since is not taken a second time."""
    if deed.kind == DeedKind.RESTORE:
        assert deed.undoes_id is not None
        return undoable(deed.undoes_id)
    rows = matching(Choice(deed.connection, deed.event_key, deed.error))
    rows = rows.filter(received_at__lte=deed.created_at).exclude(deed_id=deed.id)
    return rows.exclude(body=None) if deed.kind == DeedKind.REPLAY else rows


def undoable(deed_id: UUID) -> QuerySet[Delivery]:
    """What this deed discarded and can still be taken back."""
    found: QuerySet[Delivery] = Delivery.objects.filter(
        deed_id=deed_id, state=State.DISCARDED, body__isnull=False
    )
    return found


def move(
    deed: InboxDeed, portion: Sequence[tuple[UUID, UUID, datetime]], rows: QuerySet[Delivery]
) -> int:
    """These rows are as the deed wants them; how many were changed."""
    values: dict[str, Any] = {"deed_id": deed.id}
    if deed.kind == DeedKind.REPLAY:
        values |= {"state": State.NEW, "attempts": 0, "next_at": clock.now()}
    elif deed.kind == DeedKind.DISCARD:
        values |= {"state": State.DISCARDED, "next_at": None}
    else:
        values |= {"state": State.DEAD, "next_at": None}
    changed = rows.update(**values)
    if changed and deed.kind == DeedKind.REPLAY:
        applying.ask_to_apply()
    delivery_hours.count_again((connection, at) for _, connection, at in portion)
    return int(changed)


def _end(deed: InboxDeed, state: DeedState, because: str = "") -> None:
    deed.state, deed.ended_because, deed.finished_at = state, because, timezone.now()
    deed.save(update_fields=["state", "ended_because", "finished_at"])


def gave_up(code: str, *, deed_id: str) -> None:
    """All attempts are used up: the row says so. Runs in the job's transaction."""
    InboxDeed.objects.filter(id=deed_id, state=DeedState.RUNNING).update(
        state=DeedState.STOPPED, ended_because=code[:40], finished_at=timezone.now()
    )
