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

from portal import (
    data_keys,
    key_choice,
    key_providers,
    key_stand,
    keyring,
    roles,
    schedules,
    tenancy,
)
from portal.key_providers import KEYRING
from portal.keys import KeysUnavailable
from portal.models import DataKey
from portal.steps import step

log = logging.getLogger(__name__)

BATCH: Final = 500
# What workers wrap; the web process has one key and its own way.
ACROSS: Final = ("grant", "access", "webhook")
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
        try:
            if is_due(domain):
                rewrap(domain)
        except KeysUnavailable as error:  # the next minute asks again
            log.warning("keys.rewrap_waits", extra={"domain": domain, "reason": str(error)})


def is_due(domain: str) -> bool:
    """Whether this process wraps with the newest key, and something is under another one."""
    held = keyring.current().domains.get(domain)
    if held is None:
        return False
    if key_providers.name_for(domain) == KEYRING:
        return held.active == key_stand.target(domain) and key_stand.left(domain)[0] > 0
    target = key_choice.wrapping(domain).target(domain)
    return any(d == domain and v != target for d, v, _ in keyring.wrapping_keys())


def rewrap(domain: str, *, progress: Callable[[int], object] = lambda _: None) -> int:
    """The domain's data keys are under the key that wraps now; how many were wrapped anew.

    One that does not open is left where it is and logged; `left` goes on counting it. Raises
    KeyMissing and KeysUnavailable.
    """
    target = key_choice.wrapping(domain).target(domain)
    after, done = _FIRST, 0
    while True:
        done_now, last = _portion(domain, target, after)
        done += done_now
        step("keys.rewrapped")
        if last is None:
            log.info("keys.rewrapped", extra={"domain": domain, "version": target, "rows": done})
            return done
        after = last
        progress(done)


def _portion(domain: str, target: int, after: UUID) -> tuple[int, UUID | None]:
    """How many were wrapped anew, and the last that was looked at.

    The keyring's work is done under the rows' locks; another provider is asked outside of any
    transaction, and what changed meanwhile stays as it is.
    """
    with transaction.atomic(using=roles.current(), durable=True):
        rows = _locked(domain, target, after)
        if not _asks_elsewhere(domain, rows):
            return _put(domain, target, _anew(domain, target, rows)), _last(rows)
    anew = _anew(domain, target, rows)
    with transaction.atomic(using=roles.current(), durable=True):
        return _put(domain, target, anew), _last(rows)


def _last(rows: list[Any]) -> UUID | None:
    return rows[-1][0] if rows else None


def _asks_elsewhere(domain: str, rows: list[Any]) -> bool:
    names = {key_providers.name_for(domain), *(key_providers.name_of(row[4]) for row in rows)}
    return names != {KEYRING}


def _locked(domain: str, target: int, after: UUID) -> list[Any]:
    with roles.connection().cursor() as cursor:
        cursor.execute(_LOCKED, [domain, target, after, BATCH])
        return list(cursor.fetchall())


Anew = tuple[UUID, int, bytes]  # a data key's id, under which number it was, and what to store


def _anew(domain: str, target: int, rows: list[Any]) -> list[Anew]:
    stored = [(bytes(wrapped), owner, number) for _, owner, number, wrapped, _ in rows]
    found: list[Anew] = []
    for row, wrapped in zip(rows, data_keys.rewrapped(domain, stored), strict=True):
        if wrapped is None:
            log.error("keys.not_rewrapped", extra={"data_key": str(row[0])})
        elif key_providers.version_of(wrapped) == target:  # else replaced meanwhile: the next pass
            found.append((row[0], row[4], wrapped))
    return found


def _put(domain: str, target: int, anew: list[Anew]) -> int:
    if not anew:
        return 0
    ids, froms, wraps = (list(column) for column in zip(*anew, strict=True))
    with roles.connection().cursor() as cursor:
        cursor.execute(_PUT, [domain, target, ids, froms, wraps])
        return int(cursor.fetchone()[0])


def rewrap_own(domain: str) -> int:
    """The same for a domain whose data keys all belong to the platform: second factors."""
    target = key_choice.wrapping(domain).target(domain)
    done = 0
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        rows = list(
            DataKey.objects.filter(domain=domain)
            .exclude(state=DataKey.State.DESTROYED)
            .exclude(kek_version=target)
        )
        stored = [(bytes(row.wrapped), row.organization_id, row.version) for row in rows]
        for row, wrapped in zip(rows, data_keys.rewrapped(domain, stored), strict=True):
            if wrapped is None or key_providers.version_of(wrapped) != target:
                continue
            own = DataKey.objects.filter(id=row.id, kek_version=row.kek_version)
            done += own.update(wrapped=wrapped, kek_version=target)
    return done
