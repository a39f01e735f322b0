"""Of which connections somebody may read what was synced, with everybody's names in it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from connections.models import Connection
from portal.models import TeamMembership
from portal.policy import Actor, Permission, TeamRole, allows


def readable(actor: Actor) -> QuerySet[Any]:
    """The organization's own connections, and teams' whose details this person may read.

    Row-level security has narrowed it to the teams that they see at all.
    """
    rows: QuerySet[Any] = Connection.objects.all()
    if _reads_all(actor):
        return rows
    administered = TeamMembership.objects.filter(user_id=actor.id, role=TeamRole.ADMIN)
    mine = Q(team=None) | Q(team_id__in=administered.values("team_id"))
    if allows(actor, Permission.CONNECTION_LINK):
        mine |= Q(granted_by_id=actor.id)
    return rows.filter(mine)


def left_out(actor: Actor) -> int:
    """How many connections this person sees the names of and not the details."""
    if _reads_all(actor):
        return 0
    every: int = Connection.objects.count()
    return every - readable(actor).count()


def _reads_all(actor: Actor) -> bool:
    return allows(actor, Permission.CONNECTION_MANAGE) or allows(actor, Permission.AUDIT_VIEW)
