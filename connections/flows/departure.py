"""Who granted a connection is gone: it is flagged, a successor is asked, and it keeps its id."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from connections.flows import telling
from connections.models import Connection, Workspace
from portal import audit, clock, people
from portal.models import Membership
from portal.policy import SYSTEM

LEFT = "left the organization"
LOST_ACCESS = "reaches none of the chosen workspaces at the vendor any more"


@people.on_departed
def left(user_id: UUID) -> None:
    """Every connection that acts by this person's consent is flagged. Inside their departure."""
    for connection in granted_by(user_id).select_for_update(no_key=True):
        flag(connection, LEFT)


def flag(connection: Connection, why: str) -> None:
    """The connection is without an owner since now; a successor is asked once."""
    if connection.orphaned_at is not None:
        return
    connection.orphaned_at = clock.now()
    connection.save(update_fields=["orphaned_at"])
    audit.record(
        audit.Action.CONNECTION_ORPHANED,
        actor=SYSTEM,
        subject=connection,
        granted_by=connection.granted_by_name,
        because=why,
    )
    telling.owner_left(
        connection,
        f"{connection.granted_by_name} {why}. Link it again in your own name: it keeps its id,"
        " name and history.",
    )


def look(connection: Connection) -> None:
    """What a verification saw of the chosen workspaces tells whether access went with the person.

    Flagged when none is left; over when one is back and the person is still a member.
    """
    chosen = Workspace.objects.filter(connection_id=connection.id, selected=True)
    if chosen.exists() and not chosen.filter(gone_at=None).exists():
        flag(connection, LOST_ACCESS)
    elif connection.orphaned_at is not None and _is_member(connection.granted_by_id):
        settle(connection)
        connection.save(update_fields=["orphaned_at"])


def _is_member(user_id: UUID | None) -> bool:
    return Membership.objects.filter(user_id=user_id, user__is_active=True).exists()


def settle(connection: Connection) -> None:
    """Somebody who is here has linked it: no successor is looked for. The caller saves it."""
    if connection.orphaned_at is not None:
        connection.orphaned_at = None
        telling.owner_found(connection)


def granted_by(user_id: UUID) -> QuerySet[Connection]:
    """The connections that act by this person's consent."""
    found: QuerySet[Connection] = Connection.objects.filter(granted_by_id=user_id).exclude(
        state=Connection.State.REVOKED
    )
    return found
