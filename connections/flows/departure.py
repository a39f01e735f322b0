"""Who granted a connection is gone: it is flagged, a successor is asked, and it keeps its id."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from connections.flows import telling
from connections.models import Connection, Workspace
from portal import audit, clock, people, tenancy, work
from portal.models import Membership, User
from portal.policy import SYSTEM

LEFT = "left the organization"
REST: Final = "flag_departed"
NAMED: Final = 3


@people.on_departed
def left(user_id: UUID) -> None:
    """Every connection that acts by this person's consent is flagged. Inside their departure.

    Who leaves by themselves may no longer see all of them: a worker, who does, flags the rest.
    """
    _flag_all(user_id)
    work.later(REST, dedupe=f"{REST}:{user_id}", user_id=user_id)


@work.job(REST)
def flag_rest(claim: work.Claim, *, user_id: str) -> None:
    """What rests on somebody who has left is flagged, in every team; twice does no harm."""
    with tenancy.transaction():
        claim.hold()
        if not _is_member(UUID(user_id)):
            _flag_all(UUID(user_id))
        claim.done()


def _flag_all(user_id: UUID) -> None:
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

    Flagged when one of them is gone that there was when it was linked; over when all of those are
    back and the person is still a member.
    """
    chosen = Workspace.objects.filter(connection_id=connection.id, selected=True)
    chosen = chosen.exclude(gone_at__lte=connection.linked_at)
    lost = list(chosen.exclude(gone_at=None).order_by("name").values_list("name", flat=True))
    if lost:
        flag(connection, _lost_access(lost))
    elif connection.orphaned_at is not None and _is_member(connection.granted_by_id):
        settle(connection)
        connection.save(update_fields=["orphaned_at"])


def _lost_access(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"no longer reaches {', '.join(names[:NAMED])}{more} at the vendor"


def _is_member(user_id: UUID | None) -> bool:
    return Membership.objects.filter(user_id=user_id, user__is_active=True).exists()


def settle(connection: Connection) -> None:
    """Somebody who is here has linked it: no successor is looked for. The caller saves it."""
    if connection.orphaned_at is not None:
        connection.orphaned_at = None
        telling.owner_found(connection)


def given_back(connection: Connection, user_id: UUID | None, orphaned_at: datetime | None) -> None:
    """It rests on this person again, as before; who left meanwhile is missed. Saves it."""
    is_known = user_id is not None and User.objects.filter(id=user_id).exists()
    connection.granted_by_id, connection.orphaned_at = user_id if is_known else None, orphaned_at
    connection.save(update_fields=["granted_by", "orphaned_at"])
    if orphaned_at is not None:
        telling.owner_left(connection)
    elif user_id is not None and not _is_member(user_id):
        flag(connection, LEFT)


def granted_by(user_id: UUID) -> QuerySet[Connection]:
    """The connections that act by this person's consent."""
    found: QuerySet[Connection] = Connection.objects.filter(granted_by_id=user_id).exclude(
        state=Connection.State.REVOKED
    )
    return found
