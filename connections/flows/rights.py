"""Who may do what with one connection: the policy table, asked with its team and who granted it."""

from __future__ import annotations

from connections.models import Connection
from portal.policy import Actor, Permission, allows, authorize


def manager(actor: Actor, connection: Connection) -> Actor:
    """The actor as present manager of this connection; raises PermissionDenied."""
    return authorize(actor, Permission.CONNECTION_MANAGE, team_id=connection.team_id)


def mender(actor: Actor, connection: Connection) -> Actor:
    """The actor as somebody who may verify, sync or link it again; raises PermissionDenied."""
    return authorize(
        actor,
        Permission.CONNECTION_MEND,
        team_id=connection.team_id,
        granted_by=connection.granted_by_id,
    )


def may_mend(actor: Actor, connection: Connection) -> bool:
    """For pages that hide what is not allowed."""
    return allows(
        actor,
        Permission.CONNECTION_MEND,
        team_id=connection.team_id,
        granted_by=connection.granted_by_id,
    )


def linker(actor: Actor, relink: Connection | None) -> Actor:
    """The actor as somebody who may link, or link this connection again."""
    if relink is None:
        return authorize(actor, Permission.CONNECTION_LINK)
    return mender(actor, relink)
