"""What row-level security hides and must be found: a link by its state, a consumer's dependants."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from portal import roles


@dataclass(frozen=True, slots=True)
class FoundLink:
    id: UUID
    organization_id: UUID
    slug: str


def at_server(server: str) -> list[UUID]:
    """The organizations with a live connection to the server that has this keyed hash; workers."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT organization_id FROM connections_at_server(%s)", [server])
        return [row[0] for row in cursor.fetchall()]


def pending_link(state_hash: bytes, user_id: UUID) -> FoundLink | None:
    """The link this person began with this state, while they still belong to its organization."""
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id, slug FROM connections_link_by_state(%s, %s)",
            [state_hash, user_id],
        )
        row = cursor.fetchone()
    return FoundLink(*row) if row else None


@dataclass(frozen=True, slots=True)
class FoundConnectLink:
    """A connect link before its organization is entered: whose it is."""

    id: UUID
    organization_id: UUID
    slug: str
    name: str


def connect_link(token_hash: bytes) -> FoundConnectLink | None:
    """The connect link whose address has this hash, whatever its organization and state."""
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id, slug, name FROM connections_connect_link_by_hash(%s)",
            [token_hash],
        )
        row = cursor.fetchone()
    return FoundConnectLink(*row) if row else None


def connect_answer(state_hash: bytes, session_hash: bytes) -> FoundLink | None:
    """The link begun with this state, in this session, by a person without an account."""
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id, slug FROM connections_connect_answer(%s, %s)",
            [state_hash, session_hash],
        )
        row = cursor.fetchone()
    return FoundLink(*row) if row else None


def at_host(asker: UUID, host: str) -> list[tuple[UUID, str, str, int]]:
    """Organizations with live connections at this host: id, slug, name, how many.

    Empty when the asker is no operator.
    """
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT organization_id, slug, name, live FROM connections_at_host(%s, %s)",
            [asker, host],
        )
        return list(cursor.fetchall())


def using_consumer(consumer_id: UUID) -> int:
    """How many connections renew tokens with this consumer, in every organization.

    0 for a consumer that is not the acting organization's own. Call it inside a transaction.
    """
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT connections_using_consumer(%s)", [consumer_id])
        found: int = cursor.fetchone()[0]
    return found


def connections_by_organization(asker: UUID) -> dict[UUID, int]:
    """How many connections live in each organization; empty when the asker is no operator."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT organization_id, live FROM connections_counted(%s)", [asker])
        return dict(cursor.fetchall())
