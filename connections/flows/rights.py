"""Who may do what with one connection: the policy table, asked with its team and who granted it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
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
        return by_role(actor, relink)
    except PermissionDenied:
        if allowed_once(actor, relink, connector) is None:
            raise
        return present(actor)


def by_role(actor: Actor, relink: Connection | None) -> Actor:
    """The same of somebody who needs nobody's approval."""
    return mender(actor, relink) if relink else authorize(actor, Permission.CONNECTION_LINK)


def allowed_once(
    actor: Actor, relink: Connection | None, connector: str, *, held: bool = False
) -> LinkRequest | None:
    """What this person asked for and an admin approved: one link, not made yet.

    `held` locks it until the transaction ends, so that one of two links finds it used.
    """
    if present(actor).role is None:
        return None
    approved = _approved(actor, RequestKind.LINK, connector=connector, connection=relink)
    found: LinkRequest | None = (approved.select_for_update() if held else approved).first()
    return found


def allowed_host(actor: Actor, connector: str, base_url: str) -> LinkRequest | None:
    """The approval of this person's wish to link a server at this base URL."""
    if present(actor).role is None:
        return None
    asked = _approved(actor, RequestKind.HOST, connector=connector, terms__base_url=base_url)
    found: LinkRequest | None = asked.first()
    return found


def _approved(actor: Actor, kind: RequestKind, **terms: Any) -> QuerySet[Any]:
    """Oldest first, so that all who look find the same one."""
    found: QuerySet[Any] = LinkRequest.objects.filter(
        kind=kind,
        asked_by_id=actor.id,
        state=RequestState.APPROVED,
        used_at=None,
        expires_at__gt=timezone.now(),
        **terms,
    )
    return found.order_by("asked_at", "id")
