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
from connections.errors import ReauthorizationRequired, Unavailable
from connections.models import Connection, Credential, bump, credential_of
from connections.oauth_answers import TokenAnswer
from portal import audit, tenancy, vault
from portal.policy import SYSTEM
from portal.secret import Secret
from portal.steps import step

DEADLINE_SECONDS = 40.0
LEFT_SECONDS = 300  # renew when less than five minutes of life are left
WAIT_SECONDS = 45.0


def fresh(connection: Connection) -> Secret:
    """The connection's usable secret, renewed first when it is stale. Call it outside transactions.

    Raises ReauthorizationRequired when the vendor refuses the grant, Unavailable when another
    worker's renewal does not end in time, and what the token endpoint's answer means.
    """
    until = time.monotonic() + WAIT_SECONDS
    while True:
        with tenancy.transaction():
            credential = credential_of(connection)
            if not credential.refreshable or credential.is_fresh(seconds=LEFT_SECONDS):
                return vault.open(places.of_credential(credential, access.secret_field(credential)))
            claimed = _claim(credential)
        if claimed:
            return _renew(connection, credential)
        if time.monotonic() > until:
            raise Unavailable("Another worker is renewing this token.")
        time.sleep(0.1)


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
    with tenancy.transaction():
        way = access.way_of(connection)
        parent = _parent(way, credential)
    step("refresh.claimed")
    endpoint = way.token_endpoint()
    try:
        if parent is None:
            answer = endpoint.client_credentials(
                scopes=frozenset(credential.scopes or ()), deadline_seconds=DEADLINE_SECONDS
            )
        else:
            answer = endpoint.refresh(
                refresh_token=parent.reveal(), deadline_seconds=DEADLINE_SECONDS
            )
    except ReauthorizationRequired:
        return _after_refusal(connection, credential)
    received_at = timezone.now()
    step("refresh.answered")
    return _keep(connection, credential, answer, received_at)


def _parent(way: access.Way, credential: Credential) -> Secret | None:
    if way.method.kind is MethodKind.CLIENT_CREDENTIALS:
        return None
    return vault.open(places.of_credential(credential, places.REFRESH))


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
            return vault.open(places.of_credential(credential, places.ACCESS))
        vault.keep(places.of_credential(credential, places.ACCESS), secret)
        if answer.refresh_token:
            vault.keep(
                places.of_credential(credential, places.REFRESH), Secret(answer.refresh_token)
            )
        audit.record(audit.Action.TOKEN_REFRESHED, actor=SYSTEM, subject=connection)
    return secret


def _after_refusal(connection: Connection, credential: Credential) -> Secret:
    """Re-read before believing it: a refusal of an already replaced parent says nothing."""
    with tenancy.transaction():
        Credential.objects.filter(id=credential.id, lease_owner=credential.lease_owner).update(
            lease_owner=None, lease_until=None
        )
        now = credential_of(connection)
        if now.version != credential.version and now.is_fresh():
            return vault.open(places.of_credential(now, places.ACCESS))
    raise ReauthorizationRequired("The vendor no longer accepts this grant.")
