"""Teams: groups of people in an organization, one under another; connections may belong to one."""

from __future__ import annotations

from uuid import UUID

from django.db.models import ProtectedError

from portal import audit, tenancy
from portal.audit import Action
from portal.fields import made_once
from portal.models import Membership, Team, TeamMembership
from portal.people import held
from portal.policy import Actor, Permission, TeamRole, authorize
from portal.refused import Impossible

DEEPEST = 8


def create_team(*, actor: Actor, name: str, key: UUID, parent_id: UUID | None = None) -> Team:
    """A team of this name, perhaps under another; the same form sent again finds the first one."""
    with tenancy.transaction():
        held()
        actor = authorize(actor, Permission.TEAM_EDIT)
        team_id = made_once(actor.id, key)
        known: Team | None = Team.objects.filter(id=team_id).first()
        if known is not None:
            return known
        _require_free(name)
        parent = team(parent_id) if parent_id else None
        if parent is not None and len(ancestors(parent)) >= DEEPEST:
            raise Impossible(f"Teams may lie at most {DEEPEST} deep.")
        made: Team = Team.objects.create(id=team_id, name=name, parent=parent)
        audit.record(Action.TEAM_CREATED, actor=actor, subject=made, under=str(parent or ""))
    return made


def change_team(*, actor: Actor, team_id: UUID, name: str, parent_id: UUID | None) -> Team:
    """The team has this name and lies under this parent, never under itself."""
    with tenancy.transaction():
        held()
        actor = authorize(actor, Permission.TEAM_EDIT)
        found = team(team_id)
        before = found.name
        if name != before:
            _require_free(name)
        parent = team(parent_id) if parent_id else None
        if parent is not None:
            above = {parent.id, *(one.id for one in ancestors(parent))}
            if found.id in above:
                raise Impossible("A team cannot lie under itself or under one of its own teams.")
            if len(above) >= DEEPEST:
                raise Impossible(f"Teams may lie at most {DEEPEST} deep.")
        found.name, found.parent = name, parent
        found.save(update_fields=["name", "parent"])
        audit.record(
            Action.TEAM_CHANGED, actor=actor, subject=found, before=before, under=str(parent or "")
        )
    return found


def remove_team(*, actor: Actor, team_id: UUID) -> None:
    """The team is gone. Raises Impossible while teams or connections belong to it."""
    with tenancy.transaction():
        held()
        actor = authorize(actor, Permission.TEAM_EDIT)
        found = team(team_id)
        gone = Team(id=found.id, name=found.name)
        try:
            found.delete()
        except ProtectedError:
            raise Impossible(
                "Teams or connections still belong to this team. Move or revoke them first."
            ) from None
        audit.record(Action.TEAM_REMOVED, actor=actor, subject=gone)


def set_team_member(
    *, actor: Actor, team_id: UUID, membership_id: UUID, role: TeamRole | None
) -> None:
    """The member is in the team with this role, or with None no longer in it."""
    with tenancy.transaction():
        held()
        actor = authorize(actor, Permission.TEAM_EDIT)
        found = team(team_id)
        member = Membership.objects.select_related("user").get(id=membership_id)
        places = TeamMembership.objects.filter(team=found, user_id=member.user_id)
        if role is None:
            places.delete()
        elif not places.update(role=role):
            TeamMembership.objects.create(team=found, user_id=member.user_id, role=role)
        audit.record(
            Action.TEAM_CHANGED, actor=actor, subject=found, member=str(member), role=role or "none"
        )


def team(team_id: UUID) -> Team:
    """The team in this organization; raises Team.DoesNotExist for anybody else's."""
    found: Team = Team.objects.select_related("parent").get(id=team_id)
    return found


def ancestors(found: Team) -> list[Team]:
    """The teams above this one, the nearest first."""
    by_id = {one.id: one for one in Team.objects.all()}
    above: list[Team] = []
    at = found
    while at.parent_id in by_id and len(above) <= DEEPEST:
        at = by_id[at.parent_id]
        above.append(at)
    return above


def _require_free(name: str) -> None:
    if Team.objects.filter(name__iexact=name).exists():
        raise Impossible("A team of this name exists already.")
