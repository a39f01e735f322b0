"""Workers do an import: ask the vendor about each row, and make its connection.

A row is settled whole or not at all, so that a crash loses none and makes none twice; what the
vendor keeps waiting comes last, and is tried again at its hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Max
from django.utils import timezone

from connections.errors import RateLimited, VendorError
from connections.flows import (
    import_asking as asking,
    import_renewing as renewing,
    import_settling as settling,
    import_undoing as undoing,
)
from connections.flows.import_asking import Asked
from connections.flows.import_checks import FORGET, PORTION, SEALED_FOR
from connections.flows.imports import untouched
from connections.models import ImportBatch, ImportRow
from portal import audit, tenancy, work
from portal.models import User
from portal.policy import SYSTEM, Actor, Permission, allows, present
from portal.steps import step

State = ImportBatch.State
Outcome = ImportRow.Outcome
AT_ONCE: Final = 64
TOGETHER: Final = 16  # settled in one transaction
UNDONE_AT_ONCE: Final = 50
PATIENCE: Final = 6  # tries of a row that the vendor does not answer for
BROWNOUT_PATIENCE: Final = 9  # about an hour: a brownout lasts for half of one
LONG_PATIENCE: Final = 40  # while it only asks for a pause
LONGEST_WAIT: Final = 900.0
NOT_ALLOWED: Final = "not_allowed"


@dataclass(slots=True)
class Turn:
    """What is done next: these rows, as the person who asked may do it now, and their answers."""

    batch: ImportBatch
    actor: Actor
    many: list[Asked]
    answers: list[Future[None]] = field(default_factory=list)


def perform(claim: work.Claim, *, batch_id: str) -> None:
    """Every row has an outcome that is not waiting, and the batch has ended.

    Raises RetryLater while the vendor wants a pause; rows that need none have gone on meanwhile.
    """
    pace = asking.Pace(settings.REFRESH_PER_SECOND)
    with asking.Asking(pace) as threads:
        turn = _begun(threads, _next(claim, batch_id))
        while turn is not None:
            for answer in turn.answers:
                answer.result()
                claim.stay()
            step("import.identified")
            following = _begun(threads, _ahead(claim, turn))  # asked while these are settled
            renewing.renew(claim, turn.batch, turn.many, pace)
            asking.charge(turn.many)
            waits = _settle_all(claim, turn)
            if following is None and waits and len(waits) == len(turn.many):
                _pause(claim, turn.batch, waits)
            turn = following or _begun(threads, _next(claim, batch_id))


def _begun(threads: asking.Asking, turn: Turn | None) -> Turn | None:
    if turn is not None:
        turn.answers = threads.begin(turn.many)
    return turn


def _ahead(claim: work.Claim, turn: Turn) -> Turn | None:
    """The rows behind these that were never tried; those that wait come when these are settled.

    None too when the import is to stop, which `_next` sees to.
    """
    with tenancy.transaction():
        claim.hold()
        batch = ImportBatch.objects.get(id=turn.batch.id)
        actor = _actor(batch)
        if batch.state != State.RUNNING or batch.cancel_requested_at is not None or actor is None:
            return None
        waiting = ImportRow.objects.filter(batch_id=batch.id, outcome=Outcome.WAITING, attempts=0)
        under_way = [one.row.id for one in turn.many]
        untried = waiting.exclude(id__in=under_way).select_related("consumer")
        rows = list(untried.order_by("number")[:AT_ONCE])
        return Turn(batch, actor, asking.opened(rows)) if rows else None


def _next(claim: work.Claim, batch_id: str) -> Turn | None:
    """The rows that have waited longest, the ones never tried first; None when it is over."""
    with tenancy.transaction():
        claim.hold()
        batch = ImportBatch.objects.select_for_update().get(id=batch_id)
        if batch.state != State.RUNNING:
            return None
        actor = _actor(batch)
        waiting = ImportRow.objects.filter(batch_id=batch.id, outcome=Outcome.WAITING)
        if batch.cancel_requested_at is not None or actor is None:
            _give_up(batch, "" if actor else NOT_ALLOWED)
            return None
        rows = list(waiting.select_related("consumer").order_by("attempts", "number")[:AT_ONCE])
        if not rows:
            _finish(batch, State.DONE)
            return None
        ImportBatch.objects.filter(id=batch.id).update(waits_for="", waits_until=None)
        return Turn(batch, actor, asking.opened(rows))


def _actor(batch: ImportBatch) -> Actor | None:
    """Who asked, as they are now: None when they may not import any more."""
    user = User.objects.filter(id=batch.user_id).first() if batch.user_id else None
    actor = present(Actor("person", user.id, str(user))) if user else None
    return actor if actor and allows(actor, Permission.CONNECTION_IMPORT) else None


def _settle_all(claim: work.Claim, turn: Turn) -> list[VendorError]:
    return [
        error
        for start in range(0, len(turn.many), TOGETHER)
        for error in _settle(claim, turn, turn.many[start : start + TOGETHER])
    ]


def _settle(claim: work.Claim, turn: Turn, many: Sequence[Asked]) -> list[VendorError]:
    """The rows have their outcomes; what came instead for those that wait is given back.

    They share a transaction, which spares the disk; where one of them meets what somebody else
    took in the same moment, each gets its own.
    """
    waits = [one for one in many if _may_wait(one)]
    ready = [one for one in many if not _may_wait(one)]
    try:
        with tenancy.transaction():
            claim.hold()
            for one in waits:
                ImportRow.objects.filter(id=one.row.id).update(attempts=one.row.attempts + 1)
            for one in ready:
                _settle_one(turn, one)
    except IntegrityError:
        for one in ready:
            _settle_alone(claim, turn, one)
    step("import.settled")
    return [one.error for one in waits if one.error is not None]


def _settle_alone(claim: work.Claim, turn: Turn, one: Asked) -> None:
    try:
        with tenancy.transaction():
            claim.hold()
            _settle_one(turn, one)
    except IntegrityError as conflict:
        with tenancy.transaction():
            claim.hold()
            settling.conflicted(one.row, one, conflict)


def _settle_one(turn: Turn, one: Asked) -> None:
    row = ImportRow.objects.select_for_update().get(id=one.row.id)
    if row.outcome == Outcome.WAITING:
        settling.settle(turn.batch, turn.actor, row, one)


def _may_wait(one: Asked) -> bool:
    if one.error is None or not one.error.retry:
        return False
    return one.row.attempts < _patience(one.error)


def _patience(error: VendorError) -> int:
    if isinstance(error, RateLimited):
        return LONG_PATIENCE
    return BROWNOUT_PATIENCE if isinstance(error, asking.Brownout) else PATIENCE


def _pause(claim: work.Claim, batch: ImportBatch, waits: Sequence[VendorError]) -> None:
    """Nothing but rows that wait is left in this turn: the page says for what, and until when."""
    seconds = min(asking.wait_seconds(error) for error in waits)
    with tenancy.transaction():
        claim.hold()
        tried = ImportRow.objects.filter(batch_id=batch.id, outcome=Outcome.WAITING)
        fewest = tried.order_by("attempts").values_list("attempts", flat=True).first() or 0
        if fewest < (tried.aggregate(most=Max("attempts"))["most"] or 0):
            return  # others have not had their turn yet
        if not any(isinstance(error, RateLimited) for error in waits):
            seconds = max(seconds, min(LONGEST_WAIT, 15.0 * 2**fewest))  # an outage takes its time
        ImportBatch.objects.filter(id=batch.id).update(
            waits_for=waits[0].code, waits_until=timezone.now() + timedelta(seconds=seconds)
        )
    raise work.RetryLater(waits[0].code, seconds=seconds, free=True)


# ── The end ───────────────────────────────────────────────────────────────────────────────────


def _give_up(batch: ImportBatch, code: str) -> None:
    """What has not begun does not begin; nothing of it stays sealed."""
    _forget_waiting(batch.id, Outcome.CANCELLED, code)
    _finish(batch, State.CANCELLED)


def _forget_waiting(batch_id: UUID, outcome: str, code: str = "") -> None:
    every = ImportRow.objects.filter(batch_id=batch_id, outcome=Outcome.WAITING)
    waiting = asking.to_forget(every.order_by("number"))
    while rows := list(waiting[:PORTION]):
        for row in rows:
            row.outcome, row.code = outcome, code
        asking.forget(rows)
        ImportRow.objects.filter(id__in=[row.id for row in rows]).update(
            outcome=outcome, code=code, done_at=timezone.now()
        )


def _finish(batch: ImportBatch, state: str) -> None:
    batch.state, batch.finished_at = state, timezone.now()
    batch.waits_for, batch.waits_until = "", None
    batch.save()
    if asking.kept(batch.id).exists():
        later = timezone.now() + SEALED_FOR
        work.later(FORGET, priority=work.HOUSEKEEPING, run_at=later, batch_id=batch.id)
    audit.record(
        audit.Action.IMPORT_FINISHED,
        actor=SYSTEM,
        subject=batch,
        state=state,
        **settling.counts(batch.id),
    )


def gave_up(code: str, *, batch_id: str) -> None:
    """The job ended in vain: what was not imported says so. Runs inside the job's transaction."""
    for batch in ImportBatch.objects.filter(id=batch_id, state=State.RUNNING):
        _forget_waiting(batch.id, Outcome.FAILED, code[:40])
        _finish(batch, State.CANCELLED)


def forget(claim: work.Claim, *, batch_id: str) -> None:
    """A file that was discarded, or that nobody decided about in its day, left nothing sealed.

    Nor did a renewed grant that nobody tried again in its three days.
    """
    with tenancy.transaction():
        claim.hold()
        batch = ImportBatch.objects.select_for_update().get(id=batch_id)
        if batch.state == State.READY and batch.expires_at <= timezone.now():
            batch.state, batch.finished_at = State.DISCARDED, timezone.now()
            batch.save(update_fields=["state", "finished_at"])
        if batch.state == State.DISCARDED:
            _forget_waiting(batch.id, Outcome.CANCELLED)
        if batch.finished_at is not None and batch.finished_at + SEALED_FOR <= timezone.now():
            renewing.let_go(batch.id)
        claim.done()


# ── Undo ──────────────────────────────────────────────────────────────────────────────────────


def undo(claim: work.Claim, *, batch_id: str) -> None:
    """What this import made and nobody used since is gone, with everything read through it."""
    while _undo_some(claim, batch_id):
        step("import.undone_some")
    with tenancy.transaction():
        claim.hold()
        for batch in ImportBatch.objects.select_for_update().filter(
            id=batch_id, state=State.UNDOING
        ):
            batch.state = State.UNDONE
            batch.save(update_fields=["state"])
        claim.done()


def _undo_some(claim: work.Claim, batch_id: str) -> bool:
    with tenancy.transaction():
        claim.hold()
        if not ImportBatch.objects.filter(id=batch_id, state=State.UNDOING).exists():
            return False
        rows = list(untouched(UUID(batch_id)).order_by("number")[:UNDONE_AT_ONCE])
        undoing.unmake(rows)
        return bool(rows)
