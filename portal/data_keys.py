"""Data keys: one for each organization, domain and version, wrapped by a key of the keyring.

The active one seals; a decrypt-only one opens what it sealed before, until everything was sealed
anew (`portal/key_rotation.py`). A destroyed one keeps its row and opens nothing any more.
"""

from __future__ import annotations

import os
from uuid import UUID

from portal import keyring
from portal.keys import KEY_BYTES, Cipher, SealBroken, lp
from portal.models import DataKey
from portal.seals import AES_256_GCM, WRAPPED, Place, head, parts


def active(place: Place) -> tuple[int, Cipher]:
    """The data key that seals now; the first use in an organization makes it.

    Two that come first at once agree: the second insert waits for the first and does nothing.
    Raises SealBroken and KeyMissing.
    """
    found = DataKey.objects.filter(domain=place.domain, state=DataKey.State.ACTIVE)
    row = found.first()
    if row is None:
        made = new(place.organization_id, place.domain, version=1)
        DataKey.objects.bulk_create([made], ignore_conflicts=True)
        row = found.first()
    if row is None:  # the keys were destroyed with the organization's secrets
        raise SealBroken("no active data key")
    return row.version, unwrapped(bytes(row.wrapped), place, row.version)


def new(organization_id: UUID, domain: str, *, version: int) -> DataKey:
    """A data key of that version, wrapped and not stored yet; raises KeyMissing."""
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
    """The data key of that place, from its stored bytes; raises SealBroken and KeyMissing."""
    return Cipher(_unwrap(wrapped, place.organization_id, place.domain, version))


def rewrapped(wrapped: bytes, organization_id: UUID, domain: str, version: int) -> bytes:
    """The same data key under the key that wraps now; raises SealBroken and KeyMissing."""
    key = _unwrap(wrapped, organization_id, domain, version)
    return wrap(key, organization_id, domain, version)[1]


def wrap(key: bytes, organization_id: UUID, domain: str, version: int) -> tuple[int, bytes]:
    """The data key under the active key of its domain, with that key's version."""
    kek_version, kek = keyring.current().find(Cipher, domain)
    context = _context(organization_id, domain, version, kek_version)
    return kek_version, head(WRAPPED, AES_256_GCM, kek_version) + kek.seal(key, context)


def _unwrap(wrapped: bytes, organization_id: UUID, domain: str, version: int) -> bytes:
    kek_version, sealed = parts(wrapped, WRAPPED, AES_256_GCM)
    _, kek = keyring.current().find(Cipher, domain, kek_version)
    return kek.open(sealed, _context(organization_id, domain, version, kek_version))


def _context(organization_id: UUID, domain: str, version: int, kek_version: int) -> bytes:
    return lp("portal/v1/data-key", organization_id, domain, version, kek_version)
