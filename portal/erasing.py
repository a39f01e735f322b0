"""Erases an organization: its grants are withdrawn, its data keys destroyed, its rows deleted.

In that order. Vendors are asked first, for a day at most, because that needs the tokens. Then one
transaction destroys every data key and leaves the tombstone: from there on nothing of it opens,
here or in a restored backup (`portal/tombstones.py`). Its rows go at leisure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.utils import timezone

from portal import (
    audit,
    clock,
    erasure,
    key_cache,
    key_locks,
    key_rewrap,
    roles,
    startup,
    tenancy,
    tombstones,
    work,
)
from portal.audit import Action
from portal.models import AuditEvent, DataKey, Erasure, Intake, Job, Organization, Tombstone
from portal.policy import SYSTEM
from portal.steps import step

log = logging.getLogger(__name__)

CLEAR: Final = "clear_erased"
PARTING: Final = timedelta(hours=24)  # vendors are asked to withdraw grants for so long, not longer
AGAIN_SECONDS: Final = 300
PORTION: Final = 2000

# Ends what is left of it at other places; whether it has: asked again until it has, or a day went.
Parting = Callable[[work.Claim], bool]
_partings: list[Parting] = []
_clearings: list[Callable[[], object]] = []


def on_parting(parting: Parting) -> Parting:
    """Register what other floors do before the keys go. Outside transactions; it may run twice.

    Long work keeps the claim by `stay`, and remembers what it need not do again.
    """
    _partings.append(parting)
    return parting


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
    if clock.now() < wanted.due_at + PARTING:
        answers = [parting(claim) for parting in _partings]  # each of them is asked
        if not all(answers):
            raise work.RetryLater("parting", seconds=AGAIN_SECONDS, free=True)
    step("erase.parted")
    with tenancy.transaction():
        claim.hold()
        if Erasure.objects.filter(id=erasure_id, ended_at=None).exists():
            destroy(keeping=claim.job)
        claim.done()
    step("erase.destroyed")
    tombstones.write_down()


def destroy(*, keeping: Job | None = None) -> None:
    """Not one secret of the acting organization opens any more, and nothing of it goes on.

    In the caller's transaction. Whoever has a job of it in hand loses the lease (T11).
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
    _erase_rows("portal_membership", 1_000_000)  # to its members it is not there any more
    if Organization.objects.filter(id=here).exists():
        work.later(CLEAR, dedupe=CLEAR, max_attempts=50)


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
def clear(claim: work.Claim, *, counted: str = "0") -> None:
    """No row of the erased organization is left; the platform's record says how many there were.

    `counted` is how many went before this job was interrupted: its row knows that. Without a
    tombstone nothing goes.
    """
    with tenancy.transaction():
        if not Tombstone.objects.filter(erased_id=claim.organization_id).exists():
            return
    tombstones.write_down()
    step("erase.written_down")
    for clearing in _clearings:
        clearing()
    name, before = _name(), -1
    rows = int(counted)
    while rows != before:
        before, rows = rows, _round(claim, rows)
    with tenancy.elsewhere(tenancy.PLATFORM):
        _put_on_record(claim.organization_id, name, rows)
    step("erase.recorded")
    with tenancy.transaction():
        claim.hold()
        for table in ("portal_datakey", "portal_job", "portal_organization"):
            _delete(table, 1_000_000)


LAST: Final = frozenset({"portal_datakey", "portal_job", "portal_organization"})

_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE a.attname = 'organization_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
   AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname
"""


def _round(claim: work.Claim, before: int) -> int:
    """A portion of each table is gone; how many rows are, with those before.

    What others still point to waits a round.
    """
    rows, blocked = before, None
    for table in _tables():
        try:
            rows = _portion(claim, table, rows)
        except IntegrityError as error:
            blocked = error
    if blocked is not None and rows == before:
        raise blocked
    return rows


def _portion(claim: work.Claim, table: str, before: int) -> int:
    """Some rows of the table are gone, and the job's row knows how many are by now."""
    with tenancy.transaction():
        claim.hold()
        rows = before + _delete(table, PORTION)
        if rows != before:
            Job.objects.filter(id=claim.id).update(ref={"counted": str(rows)})
    if rows != before:
        step("erase.portion")
    return rows


def _tables() -> list[str]:
    with roles.connection().cursor() as cursor:
        cursor.execute(_TABLES)
        return [name for (name,) in cursor.fetchall() if name not in LAST]


def _delete(table: str, most: int) -> int:
    """Rows of the acting organization are gone from this table, by the worker's right or not."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, 'DELETE')", [table])
        if not cursor.fetchone()[0]:
            return _erase_rows(table, most)
        here = tenancy.organization_id()
        cursor.execute(
            f'DELETE FROM "{table}" WHERE organization_id = %s AND id IN'  # noqa: S608
            f' (SELECT id FROM "{table}" WHERE organization_id = %s LIMIT %s)',
            [here, here, most],
        )
        return int(cursor.rowcount)


def _erase_rows(table: str, most: int) -> int:
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT portal_erase_rows(%s, %s)", [table, most])
        return int(cursor.fetchone()[0])


def _name() -> str:
    with tenancy.transaction():
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
