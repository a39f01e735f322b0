"""Seals and opens secrets: the only file where a key and a secret meet.

It lies on the ground floor, not in connections/, because sign-in's TOTP seeds are sealed as well.
The web process seals for the workers (`take_in`) and cannot open; a worker moves the secret to
where it stays (`reseal`) and opens it there. A secret opens for one place only: organization,
table, row and field. Anything else raises SealBroken; no stored value is ever returned as it is.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NoReturn

from django.db.models import Q
from django.utils import timezone

from portal import data_keys, keyring, roles, tenancy
from portal.keyfile import BEFORE, KeyMissing
from portal.keys import Cipher, IndexKey, IntakeOpener, SealBroken, lp
from portal.models import Intake, SealedValue
from portal.seals import AES_256_GCM, FIELD, HANDED_IN, HPKE_X25519, Place, head, parts
from portal.secret import Secret

__all__ = ["Place"]  # most who seal name it with the vault

log = logging.getLogger(__name__)

# ── A field under its organization's data key ─────────────────────────────────────────────────


def seal(secret: Secret, place: Place) -> bytes:
    """The blob to store in that place. Runs inside the organization's transaction."""
    return seal_under(active_data_key(place), secret, place)


def seal_under(key: tuple[int, Cipher], secret: Secret, place: Place) -> bytes:
    """The blob to store in that place, under its active data key that the caller has at hand."""
    version, cipher = key
    context = place.context("portal/v1", AES_256_GCM, version)
    return head(FIELD, AES_256_GCM, version) + cipher.seal(secret.reveal().encode(), context)


def unseal(blob: bytes, place: Place) -> Secret:
    """The secret of that place; raises SealBroken. Runs inside the organization's transaction."""
    secret = unseal_under(data_keys.find, blob, place)
    log.info("secret.opened", extra=place.named())
    return secret


def unseal_under(find: Callable[[Place, int], Cipher], blob: bytes, place: Place) -> Secret:
    """The secret of that place; `find` knows its data key of that version. Raises SealBroken."""
    try:
        version, sealed = parts(blob, FIELD, AES_256_GCM)
        context = place.context("portal/v1", AES_256_GCM, version)
        return Secret(find(place, version).open(sealed, context))
    except (SealBroken, KeyMissing) as reason:
        _broken(place, reason)


# ── Stored values ─────────────────────────────────────────────────────────────────────────────


# A value and the data key it names, in one round trip.
_OPEN = """
SELECT v.blob, v.domain, d.wrapped
  FROM portal_sealedvalue v
  LEFT JOIN portal_datakey d ON d.organization_id = v.organization_id
       AND d.domain = v.domain AND d.state <> 'destroyed'
       AND d.version = ('x' || encode(substring(v.blob FROM 4 FOR 4), 'hex'))::bit(32)::int
 WHERE v.organization_id = %s AND v.table_name = %s AND v.row_id = %s AND v.field = %s
"""


def keep(place: Place, secret: Secret) -> None:
    """The secret is stored in this place, replacing what was there."""
    value = SealedValue(
        organization_id=place.organization_id,
        table_name=place.table,
        row_id=place.row_id,
        field=place.field,
        domain=place.domain,
        blob=seal(secret, place),
    )
    SealedValue.objects.bulk_create(
        [value],
        update_conflicts=True,
        unique_fields=["organization", "table_name", "row_id", "field"],
        update_fields=["domain", "blob", "updated_at"],
    )


def open(place: Place) -> Secret:
    """The secret stored in this place; raises LookupError when there is none, or SealBroken."""
    if not tenancy.is_inside():
        raise tenancy.TenantNotSet("A secret is opened inside tenancy.transaction() only.")
    with roles.connection().cursor() as cursor:
        here = tenancy.organization_id()
        cursor.execute(_OPEN, [here, place.table, place.row_id, place.field])
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"nothing is stored in {place.table}.{place.field} of {place.row_id}")
    find = partial(_unwrapped, row[2])
    secret = unseal_under(find, bytes(row[0]), stored_at(place, row[1]))
    log.info("secret.opened", extra=place.named())
    return secret


def _unwrapped(wrapped: bytes | None, place: Place, version: int) -> Cipher:
    if wrapped is None:
        raise SealBroken("no such data key")
    return data_keys.unwrapped(bytes(wrapped), place, version)


def stored_at(place: Place, domain: str) -> Place:
    """The place with the domain its value lies under: its own or the one before; else SealBroken.

    Without this, whoever writes rows and holds a lesser domain's key could forge a greater one's.
    """
    if domain not in (place.domain, BEFORE.get(place.domain)):
        _broken(place, SealBroken("of another key domain"))
    return replace(place, domain=domain)


def holds(place: Place) -> bool:
    """Whether something is stored in this place."""
    return SealedValue.objects.filter(**_columns(place)).exists()


def opens(value: SealedValue) -> bool:
    """Whether a stored value opens where it stands; nothing of it is given out."""
    place = Place(value.organization_id, value.table_name, value.row_id, value.field, value.domain)
    try:
        unseal(bytes(value.blob), place)
    except SealBroken:
        return False
    return True


def forget(place: Place) -> None:
    """Nothing is stored in this place any more."""
    SealedValue.objects.filter(**_columns(place)).delete()


def _columns(place: Place) -> dict[str, object]:
    return {"table_name": place.table, "row_id": place.row_id, "field": place.field}


# ── The intake: sealed by the web process, opened by a worker ─────────────────────────────────


def intake_seal(secret: Secret, place: Place) -> bytes:
    """The blob that only a worker opens. HPKE proves no sender: only workers may find it."""
    version, sealer = keyring.intake_sealer()
    context = place.context("portal/v1/intake", HPKE_X25519, version)
    sealed = sealer.seal(secret.reveal().encode(), context)
    return head(HANDED_IN, HPKE_X25519, version) + sealed


def intake_open(blob: bytes, place: Place) -> Secret:
    """The secret that was handed in for that place; raises SealBroken."""
    try:
        version, sealed = parts(blob, HANDED_IN, HPKE_X25519)
        _, opener = keyring.current().find(IntakeOpener, "intake", version)
        context = place.context("portal/v1/intake", HPKE_X25519, version)
        secret = Secret(opener.open(sealed, context))
    except (SealBroken, KeyMissing) as reason:
        _broken(place, reason)
    log.info("secret.opened", extra=place.named())
    return secret


def take_in(place: Place, secret: Secret, *, expires_at: datetime) -> None:
    """The secret waits for a worker until then, replacing what waited for the same place."""
    Intake.objects.filter(Q(**_columns(place)) | Q(expires_at__lte=timezone.now())).delete()
    Intake.objects.create(
        organization_id=place.organization_id,
        **_columns(place),
        blob=intake_seal(secret, place),
        expires_at=expires_at,
    )


def waits(place: Place) -> bool:
    """Whether something waits for this place that a worker can still take."""
    waiting = Intake.objects.filter(**_columns(place), expires_at__gt=timezone.now())
    return waiting.exists()


def discard(place: Place) -> None:
    """Nothing waits for this place any more."""
    Intake.objects.filter(**_columns(place)).delete()


def reseal(place: Place) -> None:
    """What waits for this place is moved to where it stays; workers only.

    Raises LookupError when nothing waits there or it waited too long, and SealBroken.
    """
    waiting = Intake.objects.filter(**_columns(place), expires_at__gt=timezone.now())
    blob = waiting.values_list("blob", flat=True).first()
    if blob is None:
        raise LookupError(f"nothing waits for {place.table}.{place.field} of {place.row_id}")
    keep(place, intake_open(bytes(blob), place))
    discard(place)


# ── Fingerprints ──────────────────────────────────────────────────────────────────────────────


def fingerprint(secret: Secret) -> str:
    """Sixteen hex characters that tell two secrets apart and reveal neither; workers only."""
    return keyed_hash("fingerprint", secret.reveal())[:8].hex()


def keyed_hash(purpose: str, value: str) -> bytes:
    """32 bytes to look a value up by without storing it; nothing matches across purposes."""
    _, key = keyring.current().find(IndexKey, "index")
    return key.digest(lp("portal/v1/index", purpose, value))


# ── Data keys ─────────────────────────────────────────────────────────────────────────────────


def active_data_key(place: Place) -> tuple[int, Cipher]:
    """The data key that seals now; the first use in an organization makes it. Raises SealBroken."""
    try:
        return data_keys.active(place)
    except (SealBroken, KeyMissing) as reason:
        _broken(place, reason)


def _broken(place: Place, reason: Exception) -> NoReturn:
    """Log what is known under a reference, and raise with nothing but the reference."""
    reference = secrets.token_hex(4)
    why = str(reason) or "changed, moved, or sealed by another key"
    log.error("seal.broken", extra={"reference": reference, "reason": why, **place.named()})
    raise SealBroken(f"a stored secret does not open (reference {reference})") from None
