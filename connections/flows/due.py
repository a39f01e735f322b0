"""When a grant is refreshed next, by the state of its connection."""

from __future__ import annotations

from datetime import datetime

from connections import lineage, registry
from connections.models import Connection, Credential

WAITS_FOR_A_PERSON = frozenset({Connection.State.REVOKED, Connection.State.NEEDS_REAUTHORIZATION})


def due_at(connection: Connection, credential: Credential) -> datetime | None:
    """Before its token ends; of a paused one, before its refresh token dies unused; else never."""
    is_over = credential.replaced_at is not None or connection.state in WAITS_FOR_A_PERSON
    if is_over or not credential.refreshable or credential.expires_at is None:
        return None
    received_at = credential.refreshed_at or credential.created_at
    if connection.paused_at is not None:
        oauth = registry.get(connection.connector).manifest.oauth
        return lineage.keep_alive_at(received_at, oauth.refresh_idle_days if oauth else None)
    return lineage.renew_at(received_at, credential.expires_at)


def plan(connection: Connection) -> None:
    """The connection's current credential is due when its state says. What is in doubt stays so."""
    current = Credential.objects.filter(
        connection_id=connection.id, replaced_at=None, intent_version=None
    )
    for credential in current:
        current.filter(id=credential.id).update(refresh_due_at=due_at(connection, credential))
