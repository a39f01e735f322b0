"""A fresh access token: one worker renews it, the others wait for its result.

A thin form of trust.md §5: a durable lease before the call, no transaction during it, every
well-formed answer kept by compare-and-swap on the parent version, losers re-read. A crash leaves
the lease; whoever comes after it ends repeats the call with the same parent, inside the vendor's
grace window.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from connections import access, places
from connections.contracts import MethodKind
from connections.errors import ReauthorizationRequired, Unavailable, VendorError
from connections.flows import health
from connections.models import Connection, Credential, bump, credential_of
from connections.oauth_answers import TokenAnswer
from portal import audit, tenancy, vault
from portal.policy import SYSTEM
from portal.secret import Secret
from portal.steps import step

DEADLINE_SECONDS = 40.0
LEFT_SECONDS = 300  # renew when less than five minutes of life are left
SHARE_LEFT = 0.3  # or a third of a short life
WAIT_SECONDS = 15.0


def fresh(connection: Connection, *, wait_seconds: float = WAIT_SECONDS) -> Secret:
    """The connection's usable secret, renewed first when it is stale. Call it outside transactions.

    Raises ReauthorizationRequired when the vendor refuses the grant or it was forgotten meanwhile,
    Unavailable when another worker's renewal does not end in time, and what the token endpoint's
    answer means.
    """
    until = time.monotonic() + wait_seconds
    while True:
        with tenancy.transaction():
            credential = _current(connection)
            if not credential.refreshable or credential.is_fresh(seconds=left_seconds(credential)):
                return access.opened(
                    places.of_credential(credential, access.secret_field(credential))
                )
            claimed = _claim(credential)
        if claimed:
            return _renew(connection, credential)
        if time.monotonic() > until:
            raise Unavailable("Another worker is renewing this token.")
        time.sleep(0.1)


def instead_of(refused: Secret, connection: Connection) -> Secret | None:
    """A secret that is not the one the vendor just refused: newer, or renewed for this; else None.

    Raises what `fresh` raises.
    """
    found = fresh(connection)
    if found.reveal() != refused.reveal():
        return found
    with tenancy.transaction():
        credential = _current(connection)
        if not credential.refreshable:
            return None
        Credential.objects.filter(id=credential.id, version=credential.version).update(
            expires_at=timezone.now()
        )
    return fresh(connection)


def left_seconds(credential: Credential) -> int:
    """How much life an access token needs to be handed out: less when it was given little."""
    if credential.expires_at is None:
        return 0
    life = credential.expires_at - (credential.refreshed_at or credential.created_at)
    return round(min(LEFT_SECONDS, life.total_seconds() * SHARE_LEFT))


def _current(connection: Connection) -> Credential:
    try:
        return credential_of(connection)
    except Credential.DoesNotExist:
        raise ReauthorizationRequired("The credential was forgotten.") from None


def _claim(credential: Credential) -> bool:
    now = timezone.now()
    credential.lease_owner = uuid4()
    until = now + timedelta(seconds=settings.REFRESH_LEASE_SECONDS)
    taken: int = (
        Credential.objects.filter(id=credential.id, version=credential.version)
        .filter(Q(lease_until=None) | Q(lease_until__lt=now))
        .update(lease_owner=credential.lease_owner, lease_until=until)
    )
    return taken == 1


def _renew(connection: Connection, credential: Credential) -> Secret:
    try:
        answer = _ask(connection, credential)
    except ReauthorizationRequired:
        return _after_refusal(connection, credential)
    except VendorError:
        with tenancy.transaction():
            _release(credential)  # the call is over: whoever comes next may ask at once
        raise
    received_at = timezone.now()
    step("refresh.answered")
    secret = _keep(connection, credential, answer, received_at)
    _require_same_account(connection, secret)
    return secret


def _ask(connection: Connection, credential: Credential) -> TokenAnswer:
    with tenancy.transaction():
        way = access.way_of(connection)
        parent = _parent(way, credential)
    step("refresh.claimed")
    endpoint = way.token_endpoint()
    if parent is None:
        return endpoint.client_credentials(
            scopes=frozenset(credential.scopes or ()), deadline_seconds=DEADLINE_SECONDS
        )
    return endpoint.refresh(refresh_token=parent.reveal(), deadline_seconds=DEADLINE_SECONDS)


def _require_same_account(connection: Connection, secret: Secret) -> None:
    """Raise when the new token acts as somebody else (abuse case P18); nothing is read with it.

    Trouble with the question says nothing: the next verification asks it again.
    """
    with tenancy.transaction():
        way = access.way_of(connection)
    try:
        found = way.connector.identify(way.api(secret), connection.fields, way.method)
    except VendorError:
        return
    if found.account.remote_id == connection.account_id:
        return
    with tenancy.transaction():
        locked = Connection.objects.select_for_update(no_key=True).get(id=connection.id)
        health.refused(locked, "subject_changed", at_once=True)
    raise ReauthorizationRequired("The renewed token belongs to another account.")


def _parent(way: access.Way, credential: Credential) -> Secret | None:
    if way.method.kind is MethodKind.CLIENT_CREDENTIALS:
        return None
    try:
        return access.opened(places.of_credential(credential, places.REFRESH))
    except LookupError:
        raise ReauthorizationRequired("The vendor gave no refresh token.") from None


def _keep(
    connection: Connection, credential: Credential, answer: TokenAnswer, received_at: datetime
) -> Secret:
    secret = Secret(answer.access_token)
    with tenancy.transaction():
        swapped = bump(
            credential.id,
            credential.version,
            expires_at=received_at + timedelta(seconds=answer.expires_in_seconds),
            refreshed_at=received_at,
            last_four=secret.last_four,
            lease_owner=None,
            lease_until=None,
            **({"scopes": sorted(answer.scopes)} if answer.scopes is not None else {}),
        )
        if not swapped:  # somebody moved on from the same parent: theirs is current
            return access.opened(places.of_credential(credential, places.ACCESS))
        vault.keep(places.of_credential(credential, places.ACCESS), secret)
        if answer.refresh_token:
            vault.keep(
                places.of_credential(credential, places.REFRESH), Secret(answer.refresh_token)
            )
        audit.record(audit.Action.TOKEN_REFRESHED, actor=SYSTEM, subject=connection)
    return secret


def _release(credential: Credential) -> None:
    Credential.objects.filter(id=credential.id, lease_owner=credential.lease_owner).update(
        lease_owner=None, lease_until=None
    )


def _after_refusal(connection: Connection, credential: Credential) -> Secret:
    """Re-read before believing it: a refusal of an already replaced parent says nothing."""
    with tenancy.transaction():
        _release(credential)
        now = _current(connection)
        if now.version != credential.version and now.is_fresh():
            return access.opened(places.of_credential(now, places.ACCESS))
    raise ReauthorizationRequired("The vendor no longer accepts this grant.")
