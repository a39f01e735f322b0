"""Example people for a portal that somebody tries out; never in production.

Other floors add their own through `on_seed`.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import NAMESPACE_URL, uuid5

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from portal import invitations, people, teams, tenancy
from portal.memberships import FoundOrganization
from portal.models import Organization, User
from portal.policy import Actor, Role, TeamRole
from portal.teams import set_team_member

PASSWORD = "tractor-lantern-2026"
ACME = (
    ("owen@acme.example", "Owen Ost", Role.OWNER),
    ("ada@acme.example", "Ada Brandt", Role.ADMIN),
    ("alice@acme.example", "Alice Marsh", Role.MANAGER),
    ("bob@acme.example", "Bob Rivers", Role.MEMBER),
    ("audrey@acme.example", "Audrey Sand", Role.AUDITOR),
)
STAFF = (
    ("olga@portal.example", "Olga Petrova", {"is_operator": True}),
    ("sam@portal.example", "Sam Okoye", {"is_support": True}),
)

Seed = Callable[[Organization, Actor], None]
_seeds: list[Seed] = []


def on_seed(seed: Seed) -> Seed:
    """Register what else an example organization has; called with it and its manager."""
    _seeds.append(seed)
    return seed


def seed() -> list[str]:
    """The example people exist; gives the lines that say whom to sign in as. May be repeated.

    Runs as the web's role. Raises ImproperlyConfigured in production.
    """
    if settings.PRODUCTION:
        raise ImproperlyConfigured("Example people are not made in production.")
    for email, name, claims in STAFF:
        user(email, name, **claims)
    acme, manager = organization("Acme", ACME)
    organization("Globex", (("mallory@globex.example", "Mallory Dunn", Role.OWNER),))
    for more in _seeds:
        more(acme, manager)
    return [
        f"Sign in as alice@acme.example, who manages Acme's connections, with {PASSWORD}",
        "  or owen@ (owner), ada@ (admin), bob@ (member), audrey@acme.example (auditor)",
        "  or olga@portal.example (operator), sam@portal.example (support)",
    ]


def user(email: str, name: str, **claims: bool) -> User:
    """The person with this confirmed address and the example password."""
    found = User.objects.filter(email=email).first()
    if found is not None:
        return found
    made = User.objects.create_user(email, PASSWORD, name=name, **claims)
    EmailAddress.objects.create(user=made, email=email, verified=True, primary=True)
    return made


def organization(name: str, crew: tuple[tuple[str, str, Role], ...]) -> tuple[Organization, Actor]:
    """The organization with its crew, the owner first; gives it and the one who manages it."""
    actors = {role: people.person(user(email, full)) for email, full, role in crew}
    owner = actors[Role.OWNER]
    key = uuid5(NAMESPACE_URL, f"seed:{name}")
    made = people.create_organization(actor=owner, name=name, key=key)
    with tenancy.acting_for(made), tenancy.transaction():
        known = {one.user.email for one in people.everybody()}
    for email, _, role in crew:
        if email not in known:
            _bring_in(made, owner, email, role)
    if len(crew) > 1:
        _team(made, owner, crew[-2][0])
    return made, actors.get(Role.MANAGER, owner)


def _bring_in(place: Organization, owner: Actor, email: str, role: Role) -> None:
    key = uuid5(NAMESPACE_URL, f"seed:{place.id}:{email}")
    with tenancy.acting_for(place), tenancy.transaction():
        sent = invitations.invite(actor=owner, email=email, role=role, key=key, by_mail=False)
    found = invitations.FoundInvitation(
        id=sent.invitation.id,
        organization=FoundOrganization(place.id, place.slug, place.name),
        email=email,
        role=role,
        invited_by=owner.name,
        expires_at=sent.invitation.expires_at,
    )
    invitations.accept(user=User.objects.get(email=email), addresses={email}, found=found)


def _team(place: Organization, owner: Actor, email: str) -> None:
    with tenancy.acting_for(place), tenancy.transaction():
        key = uuid5(NAMESPACE_URL, f"seed:{place.id}:team")
        team = teams.create_team(actor=owner, name="Web", key=key)
        for one in people.everybody():
            if one.user.email == email:
                set_team_member(
                    actor=owner, team_id=team.id, membership_id=one.id, role=TeamRole.READER
                )
