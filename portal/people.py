"""Who belongs to an organization, and as what: its making, roles, leaving, and its owners.

Each flow runs in one transaction that holds the organization's row, so that two people who change
roles at the same moment do so one after the other, and an organization always keeps an owner.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from portal import audit, roles, tenancy
from portal.audit import Action
from portal.fields import made_once
from portal.limits import Limit
from portal.models import Invitation, Membership, Organization, TeamMembership, User
from portal.phrases import plural
from portal.policy import MAY_GRANT, Actor, Permission, Role, authorize
from portal.refused import Impossible, NotGrantable

RESERVED_SLUGS = frozenset({"platform", "support", "new", "admin", "api", "static", "accounts"})
MADE = Limit(most=50, seconds=24 * 3600)
LAST_OWNER = "An organization needs an owner. Make somebody else an owner first."

_departures: list[Callable[[UUID], list[str]]] = []
_departed: list[Callable[[UUID], None]] = []


def person(user: User) -> Actor:
    """The person as an actor who holds no role yet."""
    return Actor(kind="person", id=user.id, name=str(user))


def on_departure(preview: Callable[[UUID], list[str]]) -> Callable[[UUID], list[str]]:
    """Register a sentence-maker: what stops or changes when the person with this id leaves."""
    _departures.append(preview)
    return preview


def on_departed(step: Callable[[UUID], None]) -> Callable[[UUID], None]:
    """Register what happens, in the same transaction, when the person with this id has left."""
    _departed.append(step)
    return step


def departure_preview(membership: Membership) -> list[str]:
    """What breaks when this person leaves, one sentence each; empty when nothing does."""
    found = places_lost(membership)
    for preview in _departures:
        found += preview(membership.user_id)
    return found


def places_lost(membership: Membership) -> list[str]:
    """What ends here when this person leaves, besides what rests on their consent."""
    teams = TeamMembership.objects.filter(user_id=membership.user_id).count()
    invited = _open_invitations_by(membership.user_id).count()
    found = [
        f"{plural(teams, 'place in a team ends,places in teams end')}." if teams else "",
        f"{plural(invited, 'open invitation is,open invitations are')} revoked." if invited else "",
    ]
    return [sentence for sentence in found if sentence]


def create_organization(*, actor: Actor, name: str, key: UUID) -> Organization:
    """An organization with the actor as its owner; the same form sent again finds the first one."""
    organization_id = made_once(actor.id, key)
    if MADE.wait_seconds(f"organizations:{actor.id}"):
        raise Impossible("You have made many organizations today. Make the next one tomorrow.")
    for slug in _slugs(name):
        organization = Organization(id=organization_id, name=name, slug=slug)
        with tenancy.acting_for(organization), tenancy.transaction():
            found = Organization.objects.filter(id=organization_id).first()
            if found is not None:
                return found
            if _inserted(organization):
                Membership.objects.create(user_id=actor.id, role=Role.OWNER)
                audit.record(Action.ORGANIZATION_CREATED, actor=actor, subject=organization)
                return organization
    raise Impossible("No free address was found for this name. Try another one.")


def rename_organization(*, actor: Actor, name: str) -> Organization:
    """The organization has another name; its address stays."""
    with tenancy.transaction():
        organization = held()
        actor = authorize(actor, Permission.ORGANIZATION_EDIT)
        before, organization.name = organization.name, name
        if before != name:
            organization.save(update_fields=["name"])
            audit.record(
                Action.ORGANIZATION_RENAMED, actor=actor, subject=organization, before=before
            )
    return organization


def change_role(*, actor: Actor, membership_id: UUID, role: Role) -> Membership:
    """The member has this role, and no invitation of theirs gives more than it may (T08).

    Raises NotGrantable above the actor's own reach.
    """
    with tenancy.transaction():
        held()
        actor = authorize(actor, Permission.MEMBER_EDIT)
        membership = member(membership_id)
        before = Role(membership.role)
        require_grantable(actor, before, role)
        if before == role:
            return membership
        if is_last_owner(membership):
            raise Impossible(LAST_OWNER)
        membership.role = role
        membership.save(update_fields=["role"])
        details = {"before": before, "after": role} | _lowered(membership.user_id, role)
        audit.record(Action.MEMBER_ROLE_CHANGED, actor=actor, subject=membership, **details)
    return membership


def remove_member(*, actor: Actor, membership_id: UUID) -> None:
    """They are no member, in no team, and invitations they sent no longer work."""
    with tenancy.transaction():
        held()
        actor = authorize(actor, Permission.MEMBER_EDIT)
        membership = member(membership_id)
        require_grantable(actor, Role(membership.role))
        _depart(membership, actor, Action.MEMBER_REMOVED)


def leave(*, actor: Actor) -> None:
    """The actor is no member any more; the last owner cannot leave."""
    with tenancy.transaction():
        held()
        actor = authorize(actor, Permission.ORGANIZATION_VIEW)
        membership = membership_of(actor.id)
        _depart(membership, actor, Action.MEMBER_LEFT)


def transfer_ownership(*, actor: Actor, membership_id: UUID, confirm_name: str) -> Membership:
    """An admin (or another owner) is the owner, and the actor is an admin who invited no owner."""
    with tenancy.transaction():
        organization = held()
        actor = authorize(actor, Permission.ORGANIZATION_TRANSFER)
        if confirm_name.strip() != organization.name:
            raise Impossible("The name does not match. Type it exactly as it is written.")
        heir = member(membership_id)
        if heir.user_id == actor.id or heir.role not in {Role.ADMIN, Role.OWNER}:
            raise Impossible("Only an admin or another owner can take over. Change the role first.")
        heir.role = Role.OWNER
        heir.save(update_fields=["role"])
        Membership.objects.filter(user_id=actor.id).update(role=Role.ADMIN)
        details = {"to": str(heir)} | _lowered(actor.id, Role.ADMIN)
        audit.record(Action.ORGANIZATION_TRANSFERRED, actor=actor, subject=organization, **details)
    return heir


def held() -> Organization:
    """The acting organization, its row locked until the transaction ends.

    NO KEY UPDATE leaves alone whoever only refers to the row: work goes on beside it.
    """
    query = Organization.objects.select_for_update(no_key=True)
    return query.get(id=tenancy.organization_id())


def member(membership_id: UUID) -> Membership:
    """The membership in this organization; raises Membership.DoesNotExist for anybody else's."""
    found: Membership = Membership.objects.select_related("user").get(id=membership_id)
    return found


def everybody() -> list[Membership]:
    """All memberships of the acting organization with their people."""
    return list(Membership.objects.select_related("user"))


def membership_of(user_id: UUID | None) -> Membership:
    """This person's membership of the acting organization; else Membership.DoesNotExist."""
    found: Membership = Membership.objects.select_related("user").get(user_id=user_id)
    return found


def require_grantable(actor: Actor, *wanted: Role) -> None:
    """Raises NotGrantable when one of the roles is beyond what the actor's role may give."""
    if actor.role is None or not MAY_GRANT[actor.role].issuperset(wanted):
        raise NotGrantable("Your role may not give or change this role.")


def is_last_owner(membership: Membership) -> bool:
    """Whether nobody but this owner could still sign in as one."""
    others = Membership.objects.filter(role=Role.OWNER, user__is_active=True)
    return membership.role == Role.OWNER and not others.exclude(id=membership.id).exists()


def _depart(membership: Membership, actor: Actor, action: Action) -> None:
    if is_last_owner(membership):
        raise Impossible(LAST_OWNER)
    revoked = _open_invitations_by(membership.user_id).update(revoked_at=timezone.now())
    TeamMembership.objects.filter(user_id=membership.user_id).delete()
    details = {"role": membership.role, "invitations_revoked": revoked}
    audit.record(action, actor=actor, subject=membership, **details)
    Membership.objects.filter(id=membership.id).delete()
    for step in _departed:
        step(membership.user_id)


def _lowered(user_id: UUID | None, role: Role) -> dict[str, Any]:
    """Revokes what they invited to and could not any more; for the record, when there is any."""
    beyond = _open_invitations_by(user_id).exclude(role__in=MAY_GRANT[role])
    revoked = beyond.update(revoked_at=timezone.now())
    return {"invitations_revoked": revoked} if revoked else {}


def _open_invitations_by(user_id: UUID | None) -> Any:
    return Invitation.objects.filter(invited_by_id=user_id, accepted_at=None, revoked_at=None)


def _inserted(organization: Organization) -> bool:
    try:
        with transaction.atomic(using=roles.current()):
            organization.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _slugs(name: str) -> Iterator[str]:
    base = slugify(name)[:40].strip("-")
    if base and base not in RESERVED_SLUGS:
        yield base
    for _ in range(5):
        yield f"{base or 'organization'}-{secrets.token_hex(2)}"
