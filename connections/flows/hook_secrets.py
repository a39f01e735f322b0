"""The secrets of webhooks where they stay: sealed by workers, opened by them and by ingest.

A worker opens one to tell the vendor, when it makes or mends a hook there. A new secret does not
end the one before at once: both hold for a day, because deliveries signed with the former are under
way and the vendor may take the new one later than we do.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from django.conf import settings

from connections import places
from connections.flows import hook_rounds
from connections.models import HookEndpoint
from portal import clock, tenancy, vault, work
from portal.seals import Place
from portal.secret import Secret

KEEP: Final = "keep_hook_secret"
END: Final = "end_hook_secret"
BYTES: Final = 32
BOTH_HOLD: Final = timedelta(hours=24)
FORMER_HOLDS, FORMER_ENDS = "holds", "ends"


def keep(claim: work.Claim, *, endpoint_id: str, former: str) -> None:
    """What the web process handed in for this endpoint is sealed to stay, and holds from now on.

    What waited longer than its day is gone: then nothing holds until the secret is replaced.
    """
    with tenancy.transaction():
        claim.hold()
        endpoint = _held_with_connection(endpoint_id)
        address, before = _place(endpoint, "address"), _now(endpoint)
        try:
            if not vault.holds(address):
                vault.reseal(address)
            vault.reseal(_place(endpoint, "secret"))
        except LookupError:  # an earlier run did it, or no worker came in time
            if former == FORMER_ENDS:
                _end_former(endpoint)
            return
        _take_effect(endpoint, before, former)
        hook_rounds.tell_vendor(endpoint.connection)
        claim.done()


def end_former(claim: work.Claim, *, endpoint_id: str) -> None:
    """The secret before the newest one holds no longer, and nothing is sealed of it."""
    with tenancy.transaction():
        claim.hold()
        _end_former(_held(endpoint_id))
        claim.done()


def renew(endpoint: HookEndpoint) -> Secret:
    """A new secret that holds from now on, for the vendor to be told; workers only.

    Call it inside a transaction; the one before holds for a day.
    """
    endpoint = _held(str(endpoint.id))
    before, made = _now(endpoint), minted()
    vault.keep(_place(endpoint, "secret"), made)
    _take_effect(endpoint, before, FORMER_HOLDS)
    return made


def secret_of(endpoint: HookEndpoint) -> Secret:
    """Its newest secret; raises LookupError while there is none. Workers only, in a transaction."""
    return vault.open(_place(endpoint, "secret"))


def address_of(endpoint: HookEndpoint) -> str:
    """Its whole address; raises LookupError while no worker has kept it. Workers only."""
    return whole(vault.open(_place(endpoint, "address")).reveal())


def forget(connection_id: str) -> None:
    """Nothing of a revoked connection's address is kept but that there was one; workers only."""
    for endpoint in HookEndpoint.objects.filter(connection_id=connection_id):
        for which in ("secret", "previous", "address"):
            vault.discard(_place(endpoint, which))
            vault.forget(_place(endpoint, which))
        endpoint.disabled_at = endpoint.disabled_at or clock.now()
        endpoint.sealed, endpoint.previous_until, endpoint.secret_at = b"", None, None
        endpoint.save(update_fields=["disabled_at", "sealed", "previous_until", "secret_at"])


def whole(token: str) -> str:
    """The address that has this random part."""
    return f"{settings.HOOKS_URL}/hooks/v1/{token}"


def minted() -> Secret:
    """A new secret of 43 letters: some vendors take 128 at most."""
    return Secret(secrets.token_urlsafe(BYTES))


def _held_with_connection(endpoint_id: str) -> HookEndpoint:
    """The connection is locked first, as everybody does who changes what its hooks are."""
    HookEndpoint.objects.select_related("connection").get(id=endpoint_id).connection.hold()
    return _held(endpoint_id)


def _held(endpoint_id: str) -> HookEndpoint:
    found = HookEndpoint.objects.select_for_update(no_key=True)
    endpoint: HookEndpoint = found.get(id=endpoint_id)
    return endpoint


def _now(endpoint: HookEndpoint) -> Secret | None:
    place = _place(endpoint, "secret")
    return vault.open(place) if vault.holds(place) else None


def _take_effect(endpoint: HookEndpoint, before: Secret | None, former: str) -> None:
    """The row says what holds: the new secret, and the one before for a day unless it ended."""
    second = _place(endpoint, "previous")
    if before is not None and former == FORMER_HOLDS:
        vault.keep(second, before)
        endpoint.previous_until = clock.now() + BOTH_HOLD
    else:
        _end_former(endpoint)
    endpoint.secret_at = clock.now()
    endpoint.secret_last_four = secret_of(endpoint).last_four
    endpoint.save(update_fields=["previous_until", "secret_at", "secret_last_four"])


def _end_former(endpoint: HookEndpoint) -> None:
    vault.forget(_place(endpoint, "previous"))
    endpoint.previous_until = None
    endpoint.save(update_fields=["previous_until"])


def _place(endpoint: HookEndpoint, field: str) -> Place:
    return places.of_hook(endpoint.organization_id, endpoint.id, field)
