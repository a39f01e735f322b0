"""Replaces data keys: a new one seals, what the old one sealed is sealed anew, the old one is gone.

By age, or when somebody asks. Every secret opens at every moment: the old key opens what it sealed
until nothing of it is left, and is destroyed only when no transaction can be under way that began
before it was demoted. A secret that does not open keeps its key alive, and is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from portal import (
    audit,
    clock,
    data_keys,
    everybody,
    key_locks,
    key_stand,
    keyring,
    roles,
    schedules,
    tenancy,
    vault,
    work,
)
from portal.audit import Action
from portal.keys import Cipher, SealBroken
from portal.models import DataKey
from portal.policy import SYSTEM
from portal.seals import Place
from portal.steps import step

log = logging.getLogger(__name__)

DOMAINS: Final = ("grant", "access", "webhook")
BATCH: Final = 500
KIND: Final = "rotate_data_keys"
SETTLED: Final = timedelta(minutes=10)  # no transaction that could still seal lasts that long
_FIRST: Final = UUID(int=0)

_OLD = """
SELECT id, table_name, row_id, field, blob FROM portal_sealedvalue
 WHERE organization_id = %s AND domain = %s AND id > %s
   AND substring(blob FROM 4 FOR 4) <> %s
 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_ANEW = """
UPDATE portal_sealedvalue v SET blob = n.blob
  FROM unnest(%s::uuid[], %s::bytea[]) AS n(id, blob)
 WHERE v.organization_id = %s AND v.id = n.id
"""
_UNDER = """
SELECT count(*) FROM portal_sealedvalue
 WHERE organization_id = %s AND domain = %s AND substring(blob FROM 4 FOR 4) = %s
"""


# ── When ──────────────────────────────────────────────────────────────────────────────────────


@schedules.every("keys.rotate", 3600)
def start_due() -> None:
    """Every organization whose data keys are too old, or half replaced, has a job."""
    before = clock.now() - timedelta(days=settings.DATA_KEY_DAYS)
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT organization_id FROM portal_aged_data_keys(%s)", [before])
        found = [row[0] for row in cursor.fetchall()]
    ask(found, before, once="by age")


def ask(organizations: Iterable[UUID], before: datetime, *, once: str = "") -> None:
    """A worker replaces the data keys of these organizations that were made before that moment.

    What was asked for `once` and is not done yet is not asked for again.
    """
    dedupe = f"{KIND}:{once or before.isoformat()}"

    def one() -> None:
        with tenancy.transaction():
            work.later(KIND, priority=work.HOUSEKEEPING, dedupe=dedupe, before=before.isoformat())

    everybody.for_each(organizations, one)


@work.job(KIND)
def perform(claim: work.Claim, *, before: str) -> None:
    """The organization's older data keys are replaced; comes back until the last one is gone."""
    _require_newest_keys()
    for domain in DOMAINS:
        demote(domain, datetime.fromisoformat(before), hold=claim.hold)
        reseal(domain, hold=claim.hold)
    wait = max(destroy(domain, hold=claim.hold) for domain in DOMAINS)
    if wait > timedelta():
        raise work.RetryLater("settling", seconds=wait.total_seconds() + 1, free=True)


def _require_newest_keys() -> None:
    """Raises RetryLater while this process would wrap a new data key under an older key."""
    keyring.refresh()
    for domain, active in keyring.active_versions().items():
        if domain in DOMAINS and active != (key_stand.target(domain) or active):
            seconds = settings.SWEEP_SECONDS
            raise work.RetryLater("keys_not_read", seconds=seconds, free=True)


# ── How ───────────────────────────────────────────────────────────────────────────────────────

Hold = Callable[[], object]


def demote(domain: str, before: datetime, *, hold: Hold = lambda: None) -> bool:
    """A key made before that moment seals no more, and a new one does: in one transaction (C10)."""
    with tenancy.transaction():
        hold()
        key_locks.hold()
        active = DataKey.objects.select_for_update().filter(
            domain=domain, state=DataKey.State.ACTIVE
        )
        row = active.first()
        if row is None or row.created_at >= before:
            return False
        row.state, row.demoted_at = DataKey.State.DECRYPT_ONLY, clock.now()
        row.save(update_fields=["state", "demoted_at"])
        DataKey.objects.bulk_create(
            [data_keys.new(row.organization_id, domain, version=row.version + 1)]
        )
        audit.record(
            Action.DATA_KEY_REPLACED, actor=SYSTEM, subject=row, domain=domain, was=row.version
        )
    step("data_key.demoted")
    return True


def reseal(domain: str, *, hold: Hold = lambda: None) -> int:
    """Whatever opens in the domain is under the active key; how many values were sealed anew."""
    after, done = _FIRST, 0
    while True:
        with tenancy.transaction():
            hold()
            rows = _old(domain, after)
            done += _anew(domain, rows)
        step("data_key.resealed")
        if not rows:
            return done
        after = rows[-1][0]


def _old(domain: str, after: UUID) -> list[Any]:
    version = DataKey.objects.filter(domain=domain, state=DataKey.State.ACTIVE)
    active = version.values_list("version", flat=True).first()
    if active is None:
        return []
    here = tenancy.organization_id()
    with roles.connection().cursor() as cursor:
        cursor.execute(_OLD, [here, domain, after, active.to_bytes(4, "big"), BATCH])
        return list(cursor.fetchall())


def _anew(domain: str, rows: list[Any]) -> int:
    if not rows:
        return 0
    here = tenancy.organization_id()
    active = data_keys.active(Place(here, "", _FIRST, "", domain))
    find = _remembering()
    ids, blobs = [], []
    for value_id, table, row_id, field, blob in rows:
        place = Place(here, table, row_id, field, domain)
        try:
            secret = vault.unseal_under(find, bytes(blob), place)
        except SealBroken:  # logged with its place
            continue
        ids.append(value_id)
        blobs.append(vault.seal_under(active, secret, place))
    with roles.connection().cursor() as cursor:
        cursor.execute(_ANEW, [ids, blobs, here])
        return int(cursor.rowcount)


def _remembering() -> Callable[[Place, int], Cipher]:
    """Finds the acting organization's data keys of one domain, each once."""
    found: dict[int, Cipher] = {}

    def find(place: Place, version: int) -> Cipher:
        if version not in found:
            found[version] = data_keys.find(place, version)
        return found[version]

    return find


def destroy(
    domain: str, *, hold: Hold = lambda: None, count: Callable[[str, int], int] | None = None
) -> timedelta:
    """Each demoted key under which nothing lies is gone; how long the next one needs to settle.

    `count` says how much lies under a version: where, unless told, is the table of sealed values.
    """
    wait = timedelta()
    with tenancy.transaction():
        hold()
        demoted = DataKey.objects.select_for_update().filter(
            domain=domain, state=DataKey.State.DECRYPT_ONLY
        )
        for row in demoted:
            settles = (row.demoted_at or clock.now()) + SETTLED - clock.now()
            if settles > timedelta():
                wait = max(wait, settles)
            elif left := (count or under)(domain, row.version):
                log.error("data_key.needed", extra={"data_key": str(row.id), "values": left})
            else:
                _destroy(row)
    step("data_key.destroyed")
    return wait


def under(domain: str, version: int) -> int:
    """The proof pass: how many of the acting organization's values lie under this data key."""
    with roles.connection().cursor() as cursor:
        cursor.execute(_UNDER, [tenancy.organization_id(), domain, version.to_bytes(4, "big")])
        return int(cursor.fetchone()[0])


def _destroy(row: DataKey) -> None:
    row.state, row.wrapped = DataKey.State.DESTROYED, b""
    row.save(update_fields=["state", "wrapped"])
    audit.record(
        Action.DATA_KEY_DESTROYED, actor=SYSTEM, subject=row, domain=row.domain, was=row.version
    )
