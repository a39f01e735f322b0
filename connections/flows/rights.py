"""Who may do what with one connection: the policy table, asked with its team and who granted it."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connections.models import Connection, LinkRequest, RequestKind, RequestState
from portal.policy import Actor, Permission, allows, authorize, present


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


def linker(actor: Actor, relink: Connection | None, connector: str) -> Actor:
    """The actor as somebody who may link, or link this connection again; also who was allowed to
    link just this once."""
    try:
        return mender(actor, relink) if relink else authorize(actor, Permission.CONNECTION_LINK)
    except PermissionDenied:
        if allowed_once(actor, relink, connector) is None:
            raise
        return present(actor)


def allowed_once(actor: Actor, relink: Connection | None, connector: str) -> LinkRequest | None:
    """What this person asked for and an admin approved: one link, not made yet."""
    now = present(actor)
    if now.role is None:
        return None
    asked = LinkRequest.objects.filter(
        kind=RequestKind.LINK, asked_by_id=actor.id, connector=connector, connection=relink
    )
    approved = asked.filter(state=RequestState.APPROVED, used_at=None)
    found: LinkRequest | None = approved.filter(expires_at__gt=timezone.now()).first()
    return found
