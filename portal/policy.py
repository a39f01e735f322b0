"""Who may do what: one table of roles and permissions, asked on the first line of every flow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db.models import TextChoices


class Role(TextChoices):
    """A person's place in an organization, most powerful first."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MANAGER = "manager", "Manager"
    MEMBER = "member", "Member"
    AUDITOR = "auditor", "Auditor"


ROLE_MEANING = {
    Role.OWNER: "Everything, including giving the organization away.",
    Role.ADMIN: "People, settings and every connection.",
    Role.MANAGER: "Links, verifies, syncs and revokes connections.",
    Role.MEMBER: "Links connections and sees those of the organization and of their teams.",
    Role.AUDITOR: "Reads everything that is on record, changes nothing.",
}


class TeamRole(TextChoices):
    ADMIN = "admin", "Team admin"
    READER = "reader", "Reader"


class Permission(StrEnum):
    """What can be allowed; each is asked by the flow or page of that name."""

    ORGANIZATION_VIEW = "organization.view"
    ORGANIZATION_EDIT = "organization.edit"
    ORGANIZATION_TRANSFER = "organization.transfer"
    ORGANIZATION_ERASE = "organization.erase"
    MEMBER_VIEW = "member.view"
    MEMBER_INVITE = "member.invite"
    MEMBER_EDIT = "member.edit"
    TEAM_EDIT = "team.edit"
    CONNECTION_VIEW = "connection.view"
    CONNECTION_LINK = "connection.link"
    CONNECTION_MEND = "connection.mend"
    CONNECTION_MANAGE = "connection.manage"
    CONNECTION_IMPORT = "connection.import"
    ORGANIZATION_EXPORT = "organization.export"
    CONSUMER_EDIT = "consumer.edit"
    HOST_ENTER = "host.enter"
    SERVICE_KEY_VIEW = "service_key.view"
    SERVICE_KEY_EDIT = "service_key.edit"
    CAMPAIGN_EDIT = "campaign.edit"
    ROTATION_EDIT = "rotation.edit"
    CONNECT_LINK_SEND = "connect_link.send"
    LINK_REQUEST_DECIDE = "link_request.decide"
    IDENTITY_MAP = "identity.map"
    RELAY_VIEW = "relay.view"
    RELAY_RUN = "relay.run"
    RELAY_EDIT = "relay.edit"
    BRANCH_MAKE = "branch.make"
    AUDIT_VIEW = "audit.view"


P = Permission
# As in "Your role does not let you …".
DEEDS: dict[Permission, str] = {
    P.ORGANIZATION_VIEW: "see this organization",
    P.ORGANIZATION_EDIT: "change the settings of this organization",
    P.ORGANIZATION_TRANSFER: "give this organization to somebody else",
    P.ORGANIZATION_ERASE: "have this organization erased",
    P.MEMBER_VIEW: "see who is a member",
    P.MEMBER_INVITE: "invite people",
    P.MEMBER_EDIT: "change or remove members",
    P.TEAM_EDIT: "change teams",
    P.CONNECTION_VIEW: "see connections",
    P.CONNECTION_LINK: "link connections",
    P.CONNECTION_MEND: "verify or sync this connection, or link it again",
    P.CONNECTION_MANAGE: "edit, pause or revoke this connection",
    P.CONNECTION_IMPORT: "import connections",
    P.ORGANIZATION_EXPORT: "export this organization",
    P.CONSUMER_EDIT: "register or change OAuth consumers",
    P.HOST_ENTER: "link a server at an address that is new here",
    P.SERVICE_KEY_VIEW: "see service keys",
    P.SERVICE_KEY_EDIT: "make or change service keys",
    P.CAMPAIGN_EDIT: "start or change campaigns",
    P.ROTATION_EDIT: "change rotation policies or except a connection from them",
    P.CONNECT_LINK_SEND: "send connect links",
    P.LINK_REQUEST_DECIDE: "decide what others ask for",
    P.IDENTITY_MAP: "say who is who at vendors",
    P.RELAY_VIEW: "see links between connections",
    P.RELAY_RUN: "pause links between connections, or send anything again",
    P.RELAY_EDIT: "make, change or remove links between connections",
    P.BRANCH_MAKE: "make branches in the name of this connection’s account",
    P.AUDIT_VIEW: "read the record",
}
_READ = frozenset({P.ORGANIZATION_VIEW, P.MEMBER_VIEW, P.CONNECTION_VIEW, P.RELAY_VIEW})
_MEMBER = _READ | {P.CONNECTION_LINK}
_MANAGER = _MEMBER | {
    P.CONNECTION_MEND,
    P.CONNECTION_MANAGE,
    P.SERVICE_KEY_VIEW,
    P.CAMPAIGN_EDIT,
    P.AUDIT_VIEW,
    P.RELAY_RUN,
    P.RELAY_EDIT,
    P.BRANCH_MAKE,
}
_ADMIN = _MANAGER | {
    P.ORGANIZATION_EDIT,
    P.MEMBER_INVITE,
    P.MEMBER_EDIT,
    P.TEAM_EDIT,
    P.CONSUMER_EDIT,
    P.HOST_ENTER,
    P.SERVICE_KEY_EDIT,
    P.ROTATION_EDIT,
    P.CONNECTION_IMPORT,
    P.ORGANIZATION_EXPORT,
    P.CONNECT_LINK_SEND,
    P.LINK_REQUEST_DECIDE,
    P.IDENTITY_MAP,
}

TABLE: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _ADMIN | {P.ORGANIZATION_TRANSFER, P.ORGANIZATION_ERASE},
    Role.ADMIN: _ADMIN,
    Role.MANAGER: _MANAGER,
    Role.MEMBER: _MEMBER,
    Role.AUDITOR: _READ | {P.SERVICE_KEY_VIEW, P.AUDIT_VIEW},
}

# Which roles a role may give, change or remove; an owner alone makes owners (abuse case T08).
MAY_GRANT: dict[Role, frozenset[Role]] = {
    Role.OWNER: frozenset(Role),
    Role.ADMIN: frozenset({Role.ADMIN, Role.MANAGER, Role.MEMBER, Role.AUDITOR}),
    Role.MANAGER: frozenset(),
    Role.MEMBER: frozenset(),
    Role.AUDITOR: frozenset(),
}

SEES_ALL_TEAMS = frozenset({Role.OWNER, Role.ADMIN, Role.MANAGER, Role.AUDITOR})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the record names them. `role` is None for the system, operators and support."""

    kind: str  # "person", "system", "operator", "support"
    id: UUID | None
    name: str
    role: Role | None = None
    teams_administered: frozenset[UUID] = frozenset()

    def may(self, permission: str) -> bool:
        """For pages that hide what is not allowed; flows ask `authorize`."""
        return allows(self, Permission(permission))


SYSTEM = Actor(kind="system", id=None, name="Portal")
_SYSTEM_MAY = frozenset(
    {
        *(P.CONNECTION_VIEW, P.CONNECTION_MANAGE, P.CONNECTION_MEND, P.CONNECTION_LINK),
        *(P.CAMPAIGN_EDIT, P.RELAY_RUN),
    }
)
_TEAM_ADMIN_MAY = frozenset(
    {P.CONNECTION_MANAGE, P.CONNECTION_MEND, P.RELAY_RUN, P.RELAY_EDIT, P.BRANCH_MAKE}
)
_GRANTER_MAY = frozenset({P.CONNECTION_MEND, P.BRANCH_MAKE})


def allows(
    actor: Actor,
    permission: Permission,
    *,
    team_id: UUID | None = None,
    granted_by: UUID | None = None,
) -> bool:
    """Whether the table allows it.

    A team's admin manages that team's connections, and who granted a connection mends it and
    makes branches by it for as long as they may link at all.
    """
    if actor.kind == "system":
        return permission in _SYSTEM_MAY
    if actor.role is None:
        return False
    if permission in TABLE[actor.role]:
        return True
    if permission in _TEAM_ADMIN_MAY and team_id in actor.teams_administered:
        return True
    granted = granted_by is not None and granted_by == actor.id
    return permission in _GRANTER_MAY and granted and P.CONNECTION_LINK in TABLE[actor.role]


def authorize(
    actor: Actor,
    permission: Permission,
    *,
    team_id: UUID | None = None,
    granted_by: UUID | None = None,
) -> Actor:
    """The actor with the role they hold *now*; raises PermissionDenied (403) when it does not do.

    The membership is read again, in the caller's transaction: a role taken away during an open
    session or a running task ends the next step.
    """
    now = actor if actor.kind != "person" else present(actor)
    if not allows(now, permission, team_id=team_id, granted_by=granted_by):
        raise refusal(permission)
    return now


def refusal(permission: Permission) -> PermissionDenied:
    """What a person reads whose role lacks this permission; the page adds who can change that."""
    return PermissionDenied(f"Your role does not let you {DEEDS[permission]}.")


def present(actor: Actor) -> Actor:
    """The actor as the membership says now, without a role when there is none left."""
    membership: Any = apps.get_model("portal", "Membership")
    team_membership: Any = apps.get_model("portal", "TeamMembership")
    found = membership.objects.filter(user_id=actor.id, user__is_active=True).first()
    administered = team_membership.objects.filter(user_id=actor.id, role=TeamRole.ADMIN)
    return Actor(
        kind="person",
        id=actor.id,
        name=actor.name,
        role=Role(found.role) if found else None,
        teams_administered=frozenset(administered.values_list("team_id", flat=True)),
    )
