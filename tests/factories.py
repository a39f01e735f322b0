"""Makes what tests begin with, through the flows where there is one."""

from __future__ import annotations

from uuid import uuid4

from allauth.account.models import EmailAddress

from portal import invitations, people, tenancy
from portal.invitations import FoundInvitation, Sent
from portal.memberships import FoundOrganization
from portal.models import Organization, User
from portal.policy import Role


def make_user(
    email: str,
    name: str = "",
    *,
    password: str | None = None,
    confirmed: bool = True,
    **claims: bool,
) -> User:
    """A person; without a password, which is slow to hash, they come by `force_login`."""
    user = User.objects.create_user(email, password, name=name, **claims)
    EmailAddress.objects.create(user=user, email=user.email, verified=confirmed, primary=True)
    return user


def make_organization(owner: User, name: str = "Acme") -> Organization:
    return people.create_organization(actor=people.person(owner), name=name, key=uuid4())


def make_invitation(
    organization: Organization, by: User, email: str, role: Role = Role.MEMBER
) -> Sent:
    with tenancy.acting_for(organization), tenancy.transaction():
        return invitations.invite(
            actor=people.person(by), email=email, role=role, key=uuid4(), by_mail=False
        )


def make_member(organization: Organization, by: User, user: User, role: Role) -> None:
    """Invited by somebody who may, and accepted."""
    sent = make_invitation(organization, by, user.email, role)
    invitations.accept(user=user, addresses={user.email}, found=found(organization, sent))


def found(organization: Organization, sent: Sent) -> FoundInvitation:
    """The invitation as its link finds it."""
    return FoundInvitation(
        id=sent.invitation.id,
        organization=FoundOrganization(organization.id, organization.slug, organization.name),
        email=sent.invitation.email,
        role=Role(sent.invitation.role),
        invited_by="",
        expires_at=sent.invitation.expires_at,
    )
