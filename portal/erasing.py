"""Erases an organization: its grants are withdrawn, its data keys destroyed, its rows deleted.

In that order. Vendors are asked first, for a day at most, because that needs the tokens. Then one
transaction destroys every data key and leaves the tombstone: from there on nothing of it opens,
here or in a restored backup (`portal/tombstones.py`). Its rows go at leisure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.utils import timezone

from portal import (
    audience,
    audit,
    clock,
    erasing_rows,
    erasure,
    erasure_mail,
    erasure_notices,
    key_cache,
    key_locks,
    key_rewrap,
    startup,
    tenancy,
    tombstones,
    work,
)
from portal.audit import Action
from portal.models import AuditEvent, DataKey, Erasure, Intake, Job, Organization, Tombstone
from portal.policy import SYSTEM, Permission
from portal.refusals import platform
from portal.steps import step

log = logging.getLogger(__name__)

CLEAR: Final = "clear_erased"
PARTING: Final = timedelta(hours=24)  # vendors are asked to withdraw grants for so long, not longer
AGAIN_SECONDS: Final = 300
PORTION: Final = 2000

# Ends what is left of it at other places, until then; whether nothing is left to be tried. It is
# asked again until nothing is, or that moment has come.
Parting = Callable[[work.Claim, datetime], bool]
_partings: list[Parting] = []
_leavings: list[Callable[[], list[str]]] = []
_clearings: list[Callable[[], object]] = []


def on_parting(parting: Parting) -> Parting:
    """Register what other floors do before the keys go. Outside transactions; it may run twice.

    Long work keeps the claim by `stay`, and remembers what it need not do again.
    """
    _partings.append(parting)
    return parting


def on_leaving(leaving: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """Register what stays at other places: each line says what, and where to withdraw it by hand.

    Asked inside a transaction when the keys are gone and the rows still there. The lines go on the
    platform's record for good: no names of people in them.
    """
    _leavings.append(leaving)
    return leaving


def on_clearing(clearing: Callable[[], object]) -> Callable[[], object]:
    """Register what else goes when the erased organization's rows do. It may run twice."""
    _clearings.append(clearing)
    return clearing


@work.job(erasure.KIND)
def perform(claim: work.Claim, *, erasure_id: str) -> None:
    """The organization is erased, unless somebody took that back in time."""
    with tenancy.transaction():
        claim.hold()
        wanted = Erasure.objects.get(id=erasure_id)
    if wanted.ended_at is not None or wanted.due_at is None:
        return
    if wanted.due_at > clock.now():
        wait = (wanted.due_at - clock.now()).total_seconds()
        raise work.RetryLater("in_grace", seconds=wait, free=True)
    until = wanted.due_at + PARTING
    if clock.now() < until:
        answers = [parting(claim, until) for parting in _partings]  # each of them is asked
        if not all(answers):
            raise work.RetryLater("parting", seconds=AGAIN_SECONDS, free=True)
    step("erase.parted")
    with tenancy.transaction():
        claim.hold()
        if Erasure.objects.filter(id=erasure_id, ended_at=None).exists():
            destroy(keeping=claim.job, owners=audience.who_may(Permission.ORGANIZATION_ERASE))
        claim.done()
    step("erase.destroyed")
    tombstones.write_down()


def destroy(*, keeping: Job | None = None, owners: Collection[UUID] = ()) -> None:
    """Not one secret of the acting organization opens any more, and nothing of it goes on.

    In the caller's transaction. Whoever has a job of it in hand loses the lease (T11). `owners` are
    written to once it is done.
    """
    here, now = tenancy.organization_id(), timezone.now()
    if Tombstone.objects.filter(erased_id=here).exists():
        return
    others = Job.objects.filter(done_at=None).exclude(id=keeping.id if keeping else None)
    others.update(done_at=now, lease_owner=None, lease_until=None, last_error="organization_erased")
    key_locks.hold()
    keys = DataKey.objects.exclude(state=DataKey.State.DESTROYED)
    gone = [{"domain": d, "version": v} for d, v in keys.values_list("domain", "version")]
    keys.update(wrapped=b"", state=DataKey.State.DESTROYED)
    _forbid_new_keys()
    key_cache.forget(here)
    Intake.objects.all().delete()  # sealed under the installation's key, not the organization's
    tombstones.bury(here, gone, now)
    erasing_rows.delete("portal_membership", 1_000_000)  # to its members it is not there any more
    if Organization.objects.filter(id=here).exists():
        told = ",".join(sorted(map(str, owners)))
        work.later(CLEAR, dedupe=CLEAR, max_attempts=50, owners=told)


def _forbid_new_keys() -> None:
    """A domain that was never used cannot be used any more either."""
    used = set(DataKey.objects.values_list("domain", flat=True))
    DataKey.objects.bulk_create(
        DataKey(
            organization_id=tenancy.organization_id(),
            domain=domain,
            version=1,
            wrapped=b"",
            kek_version=1,
            state=DataKey.State.DESTROYED,
        )
        for domain in key_rewrap.ACROSS
        if domain not in used
    )


# ── Its rows ──────────────────────────────────────────────────────────────────────────────────


@work.job(CLEAR)
def clear(claim: work.Claim, *, counted: str = "0", owners: str = "") -> None:
    """No row of the erased organization is left; the platform's record says how many there were.

    `counted` is how many went before this job was interrupted: its row knows that, and `owners`
    until they are told. Without a tombstone nothing goes.
    """
    with tenancy.transaction():
        if not Tombstone.objects.filter(erased_id=claim.organization_id).exists():
            return
    tombstones.write_down()
    step("erase.written_down")
    _announce(claim.organization_id, owners)
    step("erase.announced")
    for clearing in _clearings:
        clearing()
    with tenancy.transaction():
        name = _name()
    before = -1
    rows = int(counted)
    while rows != before:
        before, rows = rows, _round(claim, rows)
    with tenancy.elsewhere(tenancy.PLATFORM):
        _put_on_record(claim.organization_id, name, rows)
    step("erase.recorded")
    with tenancy.transaction():
        claim.hold()
        for table in erasing_rows.LAST:
            erasing_rows.delete(table, 1_000_000)


def _announce(erased: UUID, owners: str) -> None:
    """The platform's record, operators and owners know that nothing opens, and what stays where."""
    with tenancy.transaction():
        organization = Organization(id=erased, name=_name())
        left = [line for leaving in _leavings for line in leaving()]
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        done = AuditEvent.objects.filter(action=Action.KEYS_DESTROYED, subject_id=str(erased))
        if done.exists():
            return
        audit.record(
            Action.KEYS_DESTROYED, actor=SYSTEM, subject=organization, left_at_vendors=left
        )
        erasure_notices.erased(organization, left)
        erasure_mail.later([one for one in owners.split(",") if one], erased)


def _round(claim: work.Claim, before: int) -> int:
    """Each table is empty, portion by portion; how many rows are gone, with those before.

    What others still point to waits a round.
    """
    rows, blocked = before, None
    for table in erasing_rows.tables():
        try:
            while (gone := _portion(claim, table, rows)) != rows:
                rows = gone
        except IntegrityError as error:
            blocked = error
    if blocked is not None and rows == before:
        raise blocked
    return rows


def _portion(claim: work.Claim, table: str, before: int) -> int:
    """Some rows of the table are gone, and the job's row knows how many are by now."""
    with tenancy.transaction():
        claim.hold()
        rows = before + erasing_rows.delete(table, PORTION)
        if rows != before:
            Job.objects.filter(id=claim.id).update(ref={"counted": str(rows)})
    if rows != before:
        step("erase.portion")
    return rows


def _name() -> str:
    found = Organization.objects.filter(id=tenancy.organization_id()).first()
    return found.name if found else ""


def _put_on_record(erased: UUID, name: str, rows: int) -> None:
    with tenancy.transaction():
        known = AuditEvent.objects.filter(action=Action.ORGANIZATION_ERASED, subject_id=str(erased))
        if not known.exists():
            subject = Organization(id=erased, name=name)
            audit.record(Action.ORGANIZATION_ERASED, actor=SYSTEM, subject=subject, rows=rows)


# ── After a restore ───────────────────────────────────────────────────────────────────────────


@startup.before_work
def apply_tombstones() -> list[tombstones.Stone]:
    """What was erased since the backup is erased again; raises OSError, or Forged for a false one.

    Before a worker's first job, and by command. The file learns what it does not have yet.
    """
    found = tombstones.unknown()
    for stone in found:
        tombstones.require_ours(stone)
        with tenancy.elsewhere(stone.erased_id), tenancy.transaction():
            destroy()
        log.error("organization.erased_again", extra={"organization_id": str(stone.erased_id)})
    tombstones.write_down()
    return found


def adopt_tombstones() -> int:
    """The file begins with what the database knows, and the record says so; how many that is.

    Raises OSError.
    """
    was_missing = not tombstones.path().exists()
    known = tombstones.adopt()
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        audit.record(
            Action.TOMBSTONES_ADOPTED,
            actor=SYSTEM,
            subject=platform(),
            erased_organizations=known,
            file_was_missing=was_missing,
        )
    return known
