"""What must be found before an organization is known: a person's own memberships.

The lookup is a SECURITY DEFINER function of its own role, which sees these columns only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from portal import roles
from portal.policy import SEES_ALL_TEAMS, Role


@dataclass(frozen=True, slots=True)
class FoundOrganization:
    """An organization as pages name it."""

    id: UUID
    slug: str
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class FoundMembership:
    """One membership of the person who asks; `teams` are those they belong to.

    `unread` notices wait for them there, counted up to a hundred.
    """

    organization: FoundOrganization
    role: Role
    teams: tuple[UUID, ...]
    unread: int = 0

    @property
    def slug(self) -> str:
        return self.organization.slug

    @property
    def name(self) -> str:
        return self.organization.name


def memberships_of(user_id: UUID) -> list[FoundMembership]:
    """The person's memberships by organization name."""
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT role, teams, unread, organization_id, slug, name FROM portal_places_of(%s)",
            [user_id],
        )
        return [
            FoundMembership(FoundOrganization(*found), Role(role), tuple(teams), unread)
            for role, teams, unread, *found in cursor.fetchall()
        ]


def teams_shown(membership: FoundMembership) -> Iterable[UUID] | None:
    """Whose connections this person sees: None is every team's."""
    return None if membership.role in SEES_ALL_TEAMS else membership.teams
