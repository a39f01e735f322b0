"""Invitations: one address, one use, 72 hours; the link's token is kept as a hash only."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from smtplib import SMTPException
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal import audit, roles, tenancy
from portal.audit import Action
from portal.fields import made_once
from portal.limits import Limit
from portal.memberships import FoundOrganization
from portal.models import Invitation, Membership, User
from portal.models.organization import invitation_expiry
from portal.people import held, person, require_grantable
from portal.phrases import span
from portal.policy import Actor, Permission, Role, authorize
from portal.refused import Impossible
from portal.secret import hashed

log = logging.getLogger(__name__)

_COLUMNS = "id, organization_id, slug, name, email, role, invited_by, expires_at"
MAILS = Limit(most=100, seconds=3600)  # an organization cannot be used to flood strangers
UNUSABLE = "This invitation no longer works. Ask for a new one."


@dataclass(slots=True)
class Sent:
    """An invitation and its link; the link is known only in the moment it is made.

    Once the transaction is over, `mail_failed` says whether the mail could not be sent.
    """

    invitation: Invitation
    link: str
    mail_failed: bool = False


@dataclass(frozen=True, slots=True)
class FoundInvitation:
    """An open invitation as the person it is for sees it, before they are a member."""

    id: UUID
    organization: FoundOrganization
    email: str
    role: Role
    invited_by: str
    expires_at: datetime


def invite(*, actor: Actor, email: str, role: Role, key: UUID, by_mail: bool = True) -> Sent:
    """The address is invited and told by mail; the same form sent again finds the first one."""
    with tenancy.transaction():
        organization = held()
        actor = authorize(actor, Permission.MEMBER_INVITE)
        require_grantable(actor, role)
        invitation_id = made_once(actor.id, key)
        known = Invitation.objects.filter(id=invitation_id).first()
        if known is not None:
            return Sent(known, "")
        email = email.strip().lower()
        _require_free(email)
        if by_mail:
            _require_patience(organization.id)
        token = secrets.token_urlsafe(32)
        invitation = Invitation.objects.create(
            id=invitation_id,
            email=email,
            role=role,
            token_hash=hashed(token),
            invited_by_id=actor.id,
        )
        audit.record(Action.MEMBER_INVITED, actor=actor, subject=invitation, role=role)
        sent = Sent(invitation, _link(token))
        if by_mail:
            _mail_later(sent, str(organization), actor)
    return sent


def resend(*, actor: Actor, invitation_id: UUID) -> Sent:
    """A new link with a new term is sent; the one before no longer works."""
    with tenancy.transaction():
        organization = held()
        actor = authorize(actor, Permission.MEMBER_INVITE)
        invitation = pending(invitation_id)
        require_grantable(actor, Role(invitation.role))
        _require_patience(organization.id)
        token = secrets.token_urlsafe(32)
        invitation.token_hash, invitation.expires_at = hashed(token), invitation_expiry()
        invitation.invited_by_id = actor.id
        invitation.save(update_fields=["token_hash", "expires_at", "invited_by"])
        audit.record(
            Action.MEMBER_INVITED, actor=actor, subject=invitation, role=invitation.role, again=True
        )
        sent = Sent(invitation, _link(token))
        _mail_later(sent, str(organization), actor)
    return sent


def revoke(*, actor: Actor, invitation_id: UUID) -> Invitation:
    """The link no longer works."""
    with tenancy.transaction():
        held()
        actor = authorize(actor, Permission.MEMBER_INVITE)
        invitation = pending(invitation_id)
        require_grantable(actor, Role(invitation.role))
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        audit.record(Action.INVITATION_REVOKED, actor=actor, subject=invitation)
    return invitation


def accept(*, user: User, addresses: Collection[str], found: FoundInvitation) -> None:
    """The person is a member. Raises Impossible unless the invitation is open and was sent to one
    of their confirmed addresses."""
    actor = person(user)
    with tenancy.acting_for(found.organization), tenancy.transaction():
        held()
        invitation = Invitation.objects.filter(id=found.id).first()
        if invitation is None or not invitation.is_open or invitation.email not in addresses:
            raise Impossible(UNUSABLE)
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])
        if Membership.objects.filter(user=user).exists():
            return
        membership = Membership.objects.create(user=user, role=invitation.role)
        audit.record(Action.MEMBER_JOINED, actor=actor, subject=membership, role=membership.role)


def by_hash(token_hash: bytes) -> FoundInvitation | None:
    """The open invitation whose link has this hash, whatever its organization."""
    return next(iter(_looked_up("portal_invitation_by_hash(%s)", token_hash)), None)


def for_addresses(addresses: Collection[str]) -> list[FoundInvitation]:
    """The open invitations to these addresses, which their owner has confirmed."""
    return _looked_up("portal_invitations_for(%s)", [address.lower() for address in addresses])


def pending(invitation_id: UUID) -> Invitation:
    """This organization's invitation that was neither accepted nor revoked; else DoesNotExist."""
    found: Invitation = Invitation.objects.get(id=invitation_id, accepted_at=None, revoked_at=None)
    return found


def _looked_up(function: str, argument: Any) -> list[FoundInvitation]:
    with roles.connection().cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM {function}", [argument])  # noqa: S608
        return [
            FoundInvitation(
                id=row[0],
                organization=FoundOrganization(row[1], row[2], row[3]),
                email=row[4],
                role=Role(row[5]),
                invited_by=row[6],
                expires_at=row[7],
            )
            for row in cursor.fetchall()
        ]


def _require_patience(organization_id: UUID) -> None:
    wait = MAILS.wait_seconds(f"invitations:{organization_id}")
    if wait:
        raise Impossible(f"Many invitations were sent just now. Send the next one in {span(wait)}.")


def _require_free(email: str) -> None:
    if Membership.objects.filter(user__email=email).exists():
        raise Impossible("This person is already a member.")
    waiting = Invitation.objects.filter(email=email, accepted_at=None, revoked_at=None)
    if waiting.filter(expires_at__gt=timezone.now()).exists():
        raise Impossible("This address is already invited. Send the invitation again below.")
    waiting.update(revoked_at=timezone.now())


def _link(token: str) -> str:
    return str(settings.PORTAL_URL) + reverse("invitation_link", args=[token])


def _mail_later(sent: Sent, organization: str, actor: Actor) -> None:
    words = {
        "organization": organization,
        "invited_by": actor.name,
        "role": sent.invitation.get_role_display(),
        "expires_at": sent.invitation.expires_at,
        "link": sent.link,
    }
    transaction.on_commit(lambda: _mail(sent, words), using=roles.current(), robust=True)


def _mail(sent: Sent, words: dict[str, Any]) -> None:
    subject = " ".join(render_to_string("emails/invitation_subject.txt", words).split())
    text = render_to_string("emails/invitation.txt", words)
    try:
        send_mail(subject, text, None, [sent.invitation.email])
    except (OSError, SMTPException) as error:
        sent.mail_failed = True
        log.warning("mail.not_sent", extra={"error": type(error).__name__})
