"""Say which member somebody at a vendor is, that it is no person, or take that back."""

from __future__ import annotations

from uuid import UUID

from connections.flows.problems import FlowProblem
from connections.models import IdentitySays, VendorIdentity
from portal import audit, clock
from portal.models import Membership, User
from portal.policy import Actor, Permission, authorize


def confirm(*, actor: Actor, identity: VendorIdentity, user_id: UUID) -> User:
    """This member is who the vendor means, for every trail. Raises FlowProblem for no member."""
    actor = authorize(actor, Permission.IDENTITY_MAP)
    held = Membership.objects.filter(user_id=user_id, user__is_active=True)
    member = held.select_related("user").first()
    if member is None:
        raise FlowProblem("no_member", "member", "Choose somebody who is a member now.")
    user: User = member.user
    _say(identity, actor, IdentitySays.MEMBER, user.id)
    said = {"member": str(user), **_of(identity)}
    audit.record(audit.Action.IDENTITY_MAPPED, actor=actor, subject=identity, **said)
    return user


def not_a_person(*, actor: Actor, identity: VendorIdentity) -> None:
    """It is a bot or a shared account: no member's name stands beside it."""
    actor = authorize(actor, Permission.IDENTITY_MAP)
    _say(identity, actor, IdentitySays.BOT, None)
    audit.record(audit.Action.IDENTITY_NOT_A_PERSON, actor=actor, subject=identity, **_of(identity))


def undo(*, actor: Actor, identity: VendorIdentity) -> None:
    """What was said before holds again; a member who left meanwhile is nobody."""
    actor = authorize(actor, Permission.IDENTITY_MAP)
    identity.hold()
    before = identity.before
    if before is None:
        raise FlowProblem("nothing_to_undo", "", "There is nothing to take back any more.")
    user_id = before["user"]
    is_member = user_id and Membership.objects.filter(user_id=user_id).exists()
    says = before["says"]
    if says == IdentitySays.MEMBER and not is_member:
        says, user_id = IdentitySays.NOTHING, None
    identity.says, identity.user_id, identity.before = says, user_id, None
    identity.said_by, identity.said_at = (actor.name, clock.now()) if says else ("", None)
    _save(identity)
    audit.record(audit.Action.IDENTITY_TAKEN_BACK, actor=actor, subject=identity, **_of(identity))


def _say(identity: VendorIdentity, actor: Actor, says: IdentitySays, user_id: UUID | None) -> None:
    identity.hold()
    former = identity.user_id
    identity.before = {"says": identity.says, "user": str(former) if former else None}
    identity.says, identity.user_id = says, user_id
    identity.said_by, identity.said_at = actor.name[:200], clock.now()
    _save(identity)


def _save(identity: VendorIdentity) -> None:
    identity.save(update_fields=["says", "user", "before", "said_by", "said_at"])


def _of(identity: VendorIdentity) -> dict[str, str]:
    return {"product": identity.connector, "account": identity.key}
