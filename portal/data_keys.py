"""Data keys: one for each organization, domain and version, wrapped by a key of the keyring
or of another provider (`portal/key_providers.py`).

The active one seals; a decrypt-only one opens what it sealed before, until everything was sealed
anew (`portal/key_rotation.py`). A destroyed one keeps its row and opens nothing any more.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from portal import key_cache, key_choice, key_locks, key_providers
from portal.key_providers import KEYRING, KeyProvider, WrapContext
from portal.keys import KEY_BYTES, Cipher, SealBroken
from portal.models import DataKey
from portal.seals import WRAPPED, Place

_LOCAL: Final = WRAPPED + bytes([key_providers.SUITES[KEYRING]])


def active(place: Place) -> tuple[int, Cipher]:
    """The data key that seals now; the first use in an organization makes it.

    Two that come first at once agree: the second waits for the first and finds its key.
    Raises SealBroken and KeyMissing.
    """
    found = DataKey.objects.filter(domain=place.domain, state=DataKey.State.ACTIVE)
    row = found.first()
    if row is None:
        key_locks.hold()
        row = found.first()
    if row is None:
        made = new(place.organization_id, place.domain, version=1)
        DataKey.objects.bulk_create([made], ignore_conflicts=True)
        row = found.first()
    if row is None:  # the keys were destroyed with the organization's secrets
        raise SealBroken("no active data key")
    return row.version, unwrapped(bytes(row.wrapped), place, row.version)


def new(organization_id: UUID, domain: str, *, version: int) -> DataKey:
    """A data key of that version, wrapped and not stored yet.

    Raises KeyMissing and KeysUnavailable.
    """
    kek_version, wrapped = wrap(os.urandom(KEY_BYTES), organization_id, domain, version)
    return DataKey(
        organization_id=organization_id,
        domain=domain,
        version=version,
        wrapped=wrapped,
        kek_version=kek_version,
    )


def find(place: Place, version: int) -> Cipher:
    """The data key of this version; raises SealBroken when there is none any more."""
    row = DataKey.objects.filter(domain=place.domain, version=version).first()
    if row is None or row.state == DataKey.State.DESTROYED:
        raise SealBroken("no such data key")
    return unwrapped(bytes(row.wrapped), place, row.version)


def unwrapped(wrapped: bytes, place: Place, version: int) -> Cipher:
    """The data key of that place, from its stored bytes.

    Raises SealBroken, KeyMissing, and KeysUnavailable while its provider is away.
    """
    context = WrapContext(place.organization_id, place.domain, version)
    if wrapped[:3] == _LOCAL:  # first, because each secret that is opened comes by here
        return Cipher(key_choice.named(KEYRING).unwrap(place.domain, wrapped, context))
    provider = key_choice.opening(place.domain, wrapped)
    found = key_cache.find(context, wrapped)
    if found is None:
        opened = Cipher(provider.unwrap(place.domain, wrapped, context))
        found = key_cache.keep(context, wrapped, opened)
    return found


Stored = tuple[bytes, UUID, int]  # what is stored, whose it is, and its version


def rewrapped(domain: str, rows: Sequence[Stored]) -> list[bytes | None]:
    """The same data keys under the key that wraps now; None for what does not open.

    Raises KeyMissing and KeysUnavailable.
    """
    contexts = [WrapContext(owner, domain, version) for _, owner, version in rows]
    keys = _unwrap_many(domain, [wrapped for wrapped, _, _ in rows], contexts)
    opened = [(key, context) for key, context in zip(keys, contexts, strict=True) if key]
    anew = iter(key_choice.wrapping(domain).wrap_many(domain, opened))
    return [next(anew) if key else None for key in keys]


def _unwrap_many(
    domain: str, wraps: Sequence[bytes], contexts: Sequence[WrapContext]
) -> list[bytes | None]:
    """Each provider is asked once for all that it wrapped."""
    found: list[bytes | None] = [None] * len(wraps)
    by_provider: dict[KeyProvider, list[int]] = {}
    for at, wrapped in enumerate(wraps):
        with suppress(SealBroken):
            by_provider.setdefault(key_choice.opening(domain, wrapped), []).append(at)
    for provider, places in by_provider.items():
        opened = provider.unwrap_many(domain, [(wraps[at], contexts[at]) for at in places])
        for at, key in zip(places, opened, strict=True):
            found[at] = key
    return found


def wrap(key: bytes, organization_id: UUID, domain: str, version: int) -> tuple[int, bytes]:
    """The data key under the key that wraps now, with that key's number."""
    context = WrapContext(organization_id, domain, version)
    wrapped = key_choice.wrapping(domain).wrap(domain, key, context)
    return key_providers.version_of(wrapped), wrapped
