"""The web process's own key: wraps its one data key anew, and replaces that by age.

Second factors are sealed by the web process, for all people under one data key of the platform; so
is what registered with `own_seals`. No worker can do this, so each web process looks after it once
an hour, and at once after its keyring changed.
"""

from __future__ import annotations

import base64
import binascii
import time
from datetime import datetime, timedelta
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.conf import settings

from portal import (
    clock,
    data_keys,
    key_providers,
    key_rewrap,
    key_rotation,
    key_stand,
    key_upkeep,
    keyring,
    own_seals,
    tenancy,
    vault,
)
from portal.keys import SealBroken
from portal.mfa import PLACE
from portal.models import DataKey
from portal.presence import after_beat

DOMAIN: Final = "mfa"
BATCH: Final = 200
EVERY_SECONDS: Final = 3600.0
# Where allauth's types of second factor keep what the adapter sealed.
SEALED: Final = ("secret", "seed", "migrated_codes")

_looked: list[tuple[float, int]] = []


@after_beat
def tend() -> None:
    """Whatever is due: the newest key wraps, and a data key that is too old was replaced."""
    active = keyring.active_versions().get(DOMAIN, 0)
    now = time.monotonic()
    if _looked and _looked[0][1] == active and now - _looked[0][0] < EVERY_SECONDS:
        return
    rewrap()
    waits = replace(_too_old())
    _looked[:] = [(now - EVERY_SECONDS + waits.total_seconds() if waits else now, active)]


def _too_old() -> datetime:
    """A data key from before this moment is to be replaced: by age, or because its key leaked."""
    by_age = clock.now() - timedelta(days=settings.DATA_KEY_DAYS)
    leak = key_upkeep.open_leak(DOMAIN)
    if leak is None or keyring.active_versions().get(DOMAIN, 0) <= leak[0]:
        return by_age
    return max(by_age, leak[1])


def rewrap() -> int:
    """The data key is under the newest activated key, if this process seals with it."""
    is_local = key_providers.name_for(DOMAIN) == key_providers.KEYRING
    if is_local and keyring.active_versions().get(DOMAIN) != key_stand.target(DOMAIN):
        return 0
    return key_rewrap.rewrap_own(DOMAIN)


def replace(before: datetime) -> timedelta:
    """A data key made before that moment is replaced; how long until the old one may go."""
    with tenancy.elsewhere(tenancy.PLATFORM):
        key_rotation.demote(DOMAIN, before)
        with tenancy.transaction():
            demoted = DataKey.objects.filter(domain=DOMAIN, state=DataKey.State.DECRYPT_ONLY)
            versions = list(demoted.values_list("version", flat=True))
        if not versions:
            return timedelta()
        _reseal()
        own_seals.reseal(versions)
        return key_rotation.destroy(DOMAIN, count=_under)


def _reseal() -> None:
    after = 0
    while True:
        with tenancy.transaction():
            active = data_keys.active(PLACE)
            found = Authenticator.objects.select_for_update().filter(pk__gt=after)
            rows = list(found.order_by("pk")[:BATCH])
            for row in rows:
                anew = {name: _anew(active, row.data.get(name)) for name in SEALED}
                row.data |= {name: value for name, value in anew.items() if value}
                row.save(update_fields=["data"])
        if not rows:
            return
        after = rows[-1].pk


def _anew(active: Any, value: Any) -> Any:
    """The text or texts under the active key; what does not open stays as it is."""
    if isinstance(value, list):
        return [_anew(active, each) for each in value]
    blob = _blob(value)
    if blob is None or blob[3:7] == active[0].to_bytes(4, "big"):
        return value
    try:
        secret = vault.unseal_under(data_keys.find, blob, PLACE)
    except SealBroken:  # logged
        return value
    return base64.b64encode(vault.seal_under(active, secret, PLACE)).decode()


def _blob(value: Any) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except binascii.Error:
        return None


def _under(domain: str, version: int) -> int:
    """The proof pass: how many second factors, and other values, lie under this data key."""
    wanted = version.to_bytes(4, "big")
    count = own_seals.under(version)
    for data in Authenticator.objects.values_list("data", flat=True).iterator():
        for name in SEALED:
            values = data.get(name)
            for one in values if isinstance(values, list) else [values]:
                blob = _blob(one)
                count += blob is not None and blob[:2] == b"P1" and blob[3:7] == wanted
    return count
