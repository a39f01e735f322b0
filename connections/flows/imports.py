"""What a person does with a checked file of connections: import it, cancel, undo, discard.

`import_checks.py` is the dry run before, `importing.py` does what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from connections.flows import import_asking as asking
from connections.flows.import_checks import FORGET
from connections.flows.problems import FlowProblem
from connections.models import Connection, Credential, ImportBatch, ImportRow, KeyUse, Replacement
from portal import audit, clock, work
from portal.policy import Actor, Permission, authorize

State = ImportBatch.State
Outcome = ImportRow.Outcome

IMPORT: Final = "import_batch"
UNDO: Final = "undo_import"
RETRY: Final = "retry_import"
ROTATE_DAYS: Final = range(1, 366)
MADE: Final = (Outcome.CREATED, Outcome.DEAD)


def start(*, actor: Actor, batch: ImportBatch, rotate_days: int | None) -> None:
    """A worker imports what can be; with `rotate_days`, each credential is due for another then."""
    actor = authorize(actor, Permission.CONNECTION_IMPORT)
    held = _held(batch, State.READY)
    if held.expires_at <= timezone.now():
        raise FlowProblem("expired", "", "What the file brought is gone. Upload it again.")
    if held.sound + held.warned == 0:
        raise FlowProblem("empty", "", "No row can be imported. Mend the file, upload it again.")
    if rotate_days is not None:
        if rotate_days not in ROTATE_DAYS:
            raise FlowProblem("rotate_days", "rotate_days", "Choose between 1 and 365 days.")
        held.rotate_by = clock.now() + timedelta(days=rotate_days)
    held.state, held.started_at = State.RUNNING, timezone.now()
    held.user_id, held.user_name = actor.id, actor.name[:200]
    held.save()
    work.later(IMPORT, priority=work.FULL, dedupe=f"{IMPORT}:{held.id}", batch_id=held.id)
    audit.record(
        audit.Action.IMPORT_STARTED,
        actor=actor,
        subject=held,
        rows=held.sound + held.warned,
        replaces=held.replaces,
        rotate_by=held.rotate_by,
    )


def retry(*, actor: Actor, batch: ImportBatch) -> None:
    """The rows whose grant was renewed in vain are tried again, by what the renewal gave."""
    actor = authorize(actor, Permission.CONNECTION_IMPORT)
    held = _held(batch, State.DONE, State.CANCELLED)
    rows = asking.kept(held.id).count()
    if not rows:
        raise FlowProblem("empty", "", "Nothing is kept of this import that could be tried again.")
    held.state, held.cancel_requested_at, held.finished_at = State.RUNNING, None, None
    held.user_id, held.user_name = actor.id, actor.name[:200]
    held.save()
    work.later(RETRY, priority=work.WAITING, batch_id=held.id)
    audit.record(
        audit.Action.IMPORT_STARTED, actor=actor, subject=held, rows=rows, replaces=held.replaces
    )


def cancel(*, actor: Actor, batch: ImportBatch) -> None:
    """What is imported stays; the rows behind it are not begun."""
    actor = authorize(actor, Permission.CONNECTION_IMPORT)
    held = _held(batch, State.RUNNING)
    if held.cancel_requested_at is None:
        held.cancel_requested_at = timezone.now()
        held.save(update_fields=["cancel_requested_at"])
        work.later(IMPORT, priority=work.WAITING, batch_id=held.id)
        audit.record(audit.Action.IMPORT_CANCELLED, actor=actor, subject=held)


def discard(*, actor: Actor, batch: ImportBatch) -> None:
    """Nothing was imported, and what was sealed of the file is gone."""
    actor = authorize(actor, Permission.CONNECTION_IMPORT)
    held = _held(batch, State.READY)
    held.state, held.finished_at = State.DISCARDED, timezone.now()
    held.save(update_fields=["state", "finished_at"])
    work.later(FORGET, priority=work.WAITING, batch_id=held.id)
    audit.record(audit.Action.IMPORT_DISCARDED, actor=actor, subject=held)


def _held(batch: ImportBatch, *states: str) -> ImportBatch:
    """The batch as it is now, until the transaction ends; another click came before otherwise."""
    held: ImportBatch = ImportBatch.objects.select_for_update().get(id=batch.id)
    if held.state not in states:
        raise FlowProblem("too_late", "", "This import has moved on. Look at it as it is now.")
    return held


# ── Undo ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Undoing:
    """How many connections an undo would forget, and how many stay because somebody uses them.

    `goes_back` of the replaced credentials give way to the ones before, and `replaced` stay.
    `grants` of those that would be forgotten hold OAuth grants, whose files may be worth nothing.
    """

    forgets: int
    grants: int
    keeps: int
    kept_names: tuple[str, ...]
    goes_back: int
    replaced: int

    @property
    def is_any(self) -> bool:
        return bool(self.forgets or self.goes_back)


def untouched(batch_id: UUID) -> QuerySet[ImportRow]:
    """Rows whose connection is as the import left it, never lent, paused or replaced since.

    Of a credential replaced in place it takes that the one before is still kept.
    """
    of_row = {"connection_id": OuterRef("connection_id")}
    current = Credential.objects.filter(id=OuterRef("credential_id"), replaced_at=None, **of_row)
    standing = Connection.objects.filter(id=OuterRef("connection_id"), paused_at=None).exclude(
        state=Connection.State.REVOKED
    )
    lent, replacing = KeyUse.objects.filter(**of_row), Replacement.objects.filter(**of_row)
    kept = replacing.filter(new_id=OuterRef("credential_id"), stage=Replacement.Stage.SWITCHED)
    as_made = Q(Exists(standing), ~Exists(lent), ~Exists(replacing.filter(ended_at=None)))
    as_replaced = Q(Exists(kept.exclude(old_id=None)))
    rows: QuerySet[ImportRow] = ImportRow.objects.filter(Exists(current), batch_id=batch_id)
    return rows.filter(Q(as_made, outcome__in=MADE) | Q(as_replaced, outcome=Outcome.REPLACED))


def preview_undo(batch: ImportBatch) -> Undoing:
    """What an undo would do now."""
    made = ImportRow.objects.filter(batch_id=batch.id, outcome__in=MADE)
    free = untouched(batch.id)
    kept = made.exclude(id__in=free.values("id")).exclude(connection=None)
    forgotten, goes_back = free.filter(outcome__in=MADE), free.filter(outcome=Outcome.REPLACED)
    replaced = ImportRow.objects.filter(batch_id=batch.id, outcome=Outcome.REPLACED)
    return Undoing(
        forgets=forgotten.count(),
        grants=forgotten.filter(refreshable=True).count(),
        keeps=kept.count(),
        kept_names=tuple(kept.order_by("number").values_list("connection__name", flat=True)[:5]),
        goes_back=goes_back.count(),
        replaced=replaced.exclude(id__in=goes_back.values("id")).count(),
    )


def undo(*, actor: Actor, batch: ImportBatch) -> None:
    """A worker forgets what this import made and nobody has used since, and puts back what it
    replaced. The vendor is not asked."""
    actor = authorize(actor, Permission.CONNECTION_IMPORT)
    held = _held(batch, State.DONE, State.CANCELLED)
    if not untouched(held.id).exists():
        raise FlowProblem("empty", "", "Nothing of this import is left that could be undone.")
    held.state = State.UNDOING
    held.save(update_fields=["state"])
    work.later(UNDO, priority=work.WAITING, batch_id=held.id)
    audit.record(audit.Action.IMPORT_UNDONE, actor=actor, subject=held)
