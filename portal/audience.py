"""Who is told: the people whose role lets them act, as the policy table says now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from uuid import UUID

from portal import tenancy
from portal.models import Membership, Notice, TeamMembership, User
from portal.policy import SEES_ALL_TEAMS, Actor, Permission, Role, TeamRole, allows


class People:
    """The acting organization's people and their teams, read once for many questions."""

    def __init__(self) -> None:
        self._members = _members()
        self._administered, self._belongs = _places()

    def who_may(
        self,
        permission: Permission,
        *,
        team_id: UUID | None = None,
        granted_by: UUID | None = None,
    ) -> set[UUID]:
        """Those who may do this and see the team's things at all."""
        return {
            user_id
            for user_id, role in self._members
            if _sees(role, team_id, self._belongs[user_id])
            and allows(
                Actor("person", user_id, "", role, frozenset(self._administered[user_id])),
                permission,
                team_id=team_id,
                granted_by=granted_by,
            )
        }

    def with_roles(self, roles: Collection[str], *, team_id: UUID | None = None) -> set[UUID]:
        """Those of these roles who see the team's things at all."""
        return {
            user_id
            for user_id, role in self._members
            if role in roles and _sees(role, team_id, self._belongs[user_id])
        }

    @property
    def seeing_all_teams(self) -> set[UUID]:
        """Those whose role shows them every team's things."""
        return {user_id for user_id, role in self._members if role in SEES_ALL_TEAMS}


def who_may(
    permission: Permission, *, team_id: UUID | None = None, granted_by: UUID | None = None
) -> set[UUID]:
    """The acting organization's people who may do this and see the team's things at all."""
    return People().who_may(permission, team_id=team_id, granted_by=granted_by)


def with_roles(roles: Collection[str], *, team_id: UUID | None = None) -> set[UUID]:
    """The acting organization's people of these roles who see the team's things at all."""
    return People().with_roles(roles, team_id=team_id)


def operators() -> set[UUID]:
    """Who runs the platform."""
    return set(User.objects.filter(is_operator=True, is_active=True).values_list("id", flat=True))


def seer(user_id: UUID) -> Callable[[Notice], bool]:
    """Whether this person may still see a notice: a member now, and of its team where it has one.

    Read once for as many notices as there are.
    """
    if tenancy.organization_id() == tenancy.PLATFORM:
        is_operator = user_id in operators()
        return lambda notice: is_operator
    own = Membership.objects.filter(user_id=user_id, user__is_active=True)
    found = own.values_list("role", flat=True).first()
    if found is None:
        return lambda notice: False
    role = Role(found)
    teams = set(TeamMembership.objects.filter(user_id=user_id).values_list("team_id", flat=True))
    return lambda notice: _sees(role, notice.team_id, teams)


def _members() -> list[tuple[UUID, Role]]:
    found = Membership.objects.filter(user__is_active=True).values_list("user_id", "role")
    return [(user_id, Role(role)) for user_id, role in found]


def _places() -> tuple[dict[UUID, set[UUID]], dict[UUID, set[UUID]]]:
    """The teams that each person administers, and those they belong to."""
    administered: dict[UUID, set[UUID]] = defaultdict(set)
    belongs: dict[UUID, set[UUID]] = defaultdict(set)
    for user_id, team_id, role in TeamMembership.objects.values_list("user_id", "team_id", "role"):
        belongs[user_id].add(team_id)
        if role == TeamRole.ADMIN:
            administered[user_id].add(team_id)
    return administered, belongs


def _sees(role: Role, team_id: UUID | None, teams: set[UUID]) -> bool:
    return team_id is None or role in SEES_ALL_TEAMS or team_id in teams
