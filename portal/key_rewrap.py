"""Wraps data keys anew after a key-encryption key was replaced: across organizations, in batches.

Two database functions let a worker, and nobody else, read wrapped data keys of all organizations
and put the same keys back under the newer key. Any number may run at once and stop at any moment:
each data key opens before and after, and a second pass finds what a first one left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from portal import data_keys, key_stand, keyring, roles, schedules, tenancy
from portal.keyfile import KeyMissing
from portal.keys import Cipher, SealBroken
from portal.models import DataKey
from portal.steps import step

log = logging.getLogger(__name__)

BATCH: Final = 500
ACROSS: Final = (
    "grant",
    "access",
)  # what workers wrap; the web process has one key and its own way
_FIRST: Final = UUID(int=0)

_LOCKED = """
SELECT id, organization_id, version, wrapped, kek_version
  FROM portal_keys_to_rewrap(%s, %s, %s, %s)
"""
_PUT = "SELECT portal_rewrap(%s, %s, %s::uuid[], %s::int[], %s::bytea[])"


@schedules.every("keys.rewrap", 60)
def rewrap_all() -> None:
    """Whatever a command did not finish: every data key is under the newest activated key."""
    for domain in ACROSS:
        if is_due(domain):
            rewrap(domain)


def is_due(domain: str) -> bool:
    """Whether this process seals with the newest key, and something is under another one."""
    held = keyring.current().domains.get(domain)
    newest = key_stand.target(domain)
    return held is not None and held.active == newest and key_stand.left(domain)[0] > 0


def rewrap(domain: str, *, progress: Callable[[int], object] = lambda _: None) -> int:
    """The domain's data keys are under the active key; how many were wrapped anew.

    One that does not open is left where it is and logged; `left` goes on counting it.
    """
    version, _ = keyring.current().find(Cipher, domain)
    after, done = _FIRST, 0
    while True:
        with transaction.atomic(using=roles.current(), durable=True):
            rows = _locked(domain, version, after)
            done += _put(domain, version, rows)
        step("keys.rewrapped")
        if not rows:
            log.info("keys.rewrapped", extra={"domain": domain, "version": version, "rows": done})
            return done
        after = rows[-1][0]
        progress(done)


def _locked(domain: str, version: int, after: UUID) -> list[Any]:
    with roles.connection().cursor() as cursor:
        cursor.execute(_LOCKED, [domain, version, after, BATCH])
        return list(cursor.fetchall())


def _put(domain: str, version: int, rows: list[Any]) -> int:
    ids, froms, wraps = [], [], []
    for key_id, organization_id, number, wrapped, kek_version in rows:
        try:
            anew = data_keys.rewrapped(bytes(wrapped), organization_id, domain, number)
        except (SealBroken, KeyMissing) as reason:
            log.error("keys.not_rewrapped", extra={"data_key": str(key_id), "reason": str(reason)})
            continue
        ids.append(key_id)
        froms.append(kek_version)
        wraps.append(anew)
    if not ids:
        return 0
    with roles.connection().cursor() as cursor:
        cursor.execute(_PUT, [domain, version, ids, froms, wraps])
        return int(cursor.fetchone()[0])


def rewrap_own(domain: str) -> int:
    """The same for a domain whose data keys all belong to the platform: second factors."""
    version, _ = keyring.current().find(Cipher, domain)
    done = 0
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        rows = DataKey.objects.filter(domain=domain).exclude(state=DataKey.State.DESTROYED)
        for row in rows.exclude(kek_version=version):
            anew = data_keys.rewrapped(bytes(row.wrapped), row.organization_id, domain, row.version)
            own = DataKey.objects.filter(id=row.id, kek_version=row.kek_version)
            done += own.update(wrapped=anew, kek_version=version)
    return done
