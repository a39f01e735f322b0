"""The cast. Acme has one person for each role; Mallory owns Globex next door; Olga operates, Sam
supports; Nina has signed up and belongs nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from django.test import Client

from portal import tenancy
from portal.audit import Action
from portal.models import AuditEvent, Membership, Organization, User
from portal.people import person
from portal.policy import Actor, Role
from tests.factories import make_member, make_organization, make_user
from tests.scenes import Scene


@dataclass
class Cast:
    """Built through the flows that people use."""

    acme: Organization = field(init=False)
    globex: Organization = field(init=False)
    people: dict[str, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        owner = self.add("owen")
        self.acme = make_organization(owner, "Acme")
        for name, role in (
            ("ada", Role.ADMIN),
            ("alice", Role.MANAGER),
            ("bob", Role.MEMBER),
            ("audrey", Role.AUDITOR),
        ):
            make_member(self.acme, owner, self.add(name), role)
        self.globex = make_organization(self.add("mallory", "globex.example"), "Globex")
        self.add("olga", "portal.example", is_operator=True)
        self.add("sam", "portal.example", is_support=True)
        self.add("nina", "elsewhere.example")

    def add(self, name: str, domain: str = "acme.example", **claims: bool) -> User:
        self.people[name] = make_user(f"{name}@{domain}", name.title(), **claims)
        return self.people[name]

    def __getitem__(self, name: str) -> User:
        return self.people[name]

    def actor(self, name: str) -> Actor:
        return person(self.people[name])

    def client(self, name: str | None = None, **options: object) -> Client:
        """A browser in which this person is signed in; CSRF is checked as in a real one."""
        client = Client(**options)
        if name:
            client.force_login(self.people[name])
        return client

    @contextmanager
    def inside(self, organization: Organization | None = None) -> Iterator[None]:
        """As a request does: this organization, one transaction."""
        with tenancy.acting_for(organization or self.acme), tenancy.transaction():
            yield

    def membership(self, name: str, organization: Organization | None = None) -> Membership:
        with self.inside(organization):
            return Membership.objects.select_related("user").get(user=self.people[name])

    def role(self, name: str, organization: Organization | None = None) -> str | None:
        with self.inside(organization):
            found = Membership.objects.filter(user=self.people[name]).first()
        return found.role if found else None

    def record(self, organization: Organization | None = None) -> list[AuditEvent]:
        """The organization's record, the oldest first; the platform's with `platform()`."""
        with self.inside(organization):
            return list(AuditEvent.objects.order_by("sequence"))

    def actions(self, organization: Organization | None = None) -> list[str]:
        return [event.action for event in self.record(organization)]

    def last(self, organization: Organization | None = None) -> AuditEvent:
        return self.record(organization)[-1]


def platform() -> Organization:
    return Organization(id=tenancy.PLATFORM, slug="platform", name="Platform")


def recorded(cast: Cast, action: Action, organization: Organization | None = None) -> AuditEvent:
    """The latest entry of this action; fails when there is none."""
    found = [event for event in cast.record(organization) if event.action == action]
    assert found, f"{action} is not on record"
    return found[-1]


@pytest.fixture
def cast(db: None, _django_db_helper: Scene | None, cast_scene: Scene) -> Cast:
    if _django_db_helper is not cast_scene:
        return Cast()
    found: Cast = cast_scene.again()
    return found
