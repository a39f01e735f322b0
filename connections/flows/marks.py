"""Raising a connection's high-water mark, after the transaction that brought it so far."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from connections import high_water
from connections.high_water import Mark
from connections.models import Connection, Credential
from portal import clock, roles


def raised(connection: Connection, credential: Credential, *, revoked: bool = False) -> None:
    """This credential in this generation is what the connection has come to."""
    raise_all([mark(connection, credential, revoked=revoked)])


def raise_all(marks: Sequence[Mark]) -> None:
    """After the commit, all of them in one writing."""
    if marks:
        transaction.on_commit(lambda: high_water.rise(marks), using=roles.current())


def mark(connection: Connection, credential: Credential, *, revoked: bool = False) -> Mark:
    """How far this connection is, as these rows say."""
    now = clock.now()
    return Mark(
        connection_id=connection.id,
        organization_id=connection.organization_id,
        name=connection.name,
        credential_id=credential.id,
        generation=credential.version,
        received_at=now if revoked else credential.refreshed_at or credential.created_at,
        linked_at=connection.linked_at,
        revoked=revoked,
    )
