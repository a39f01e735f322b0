"""Grants of Atlassian's sandbox in many organizations, and what it wrote down of their tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from connections import places
from connections.models import Consumer
from portal import clock, roles, vault
from portal.models import Organization
from portal.secret import Secret
from tests.grants import Granted, plant
from tests.prove.stage import Stage

APP, BELOW = "jira-portal", "/atlassian"


def gathered(stage: Stage, grants: int, organizations: int) -> dict[UUID, str]:
    """Connections of many organizations, with the vendor's name of each one's grant."""
    known = stage.vendor.state()["vendors"]["atlassian"]
    people = [one for one in known["accounts"] if one["kind"] == "atlassian"]
    app = next(one for one in known["apps"] if one["name"] == APP)
    each = grants // organizations
    found: dict[UUID, str] = {}
    for number in range(organizations):
        organization = stage.works.organization(f"site-{number}")
        for first in range(0, each, len(people)):
            found |= linked(stage, organization, app, people[: each - first])
    return found


def linked(
    stage: Stage, organization: Organization, app: dict[str, Any], people: list[dict[str, Any]]
) -> dict[UUID, str]:
    """Each of these people consents once, to a consumer of its own: so an account may repeat."""
    with stage.works.inside(organization):
        name = f"App {Consumer.objects.count()}"
        consumer = Consumer.objects.create(
            connector="jira", name=name, client_id=app["key"], sealed_at=clock.now()
        )
    with roles.using_role("worker"), stage.works.inside(organization):
        vault.keep(places.of_consumer(consumer), Secret(app["secret"]))
    users = [one["account_id"] for one in people]
    made = stage.vendor.order(f"{BELOW}/grants", app=APP, users=users)["grants"]
    granted = [
        Granted(user, one["access_token"], one["refresh_token"])
        for user, one in zip(users, made, strict=True)
    ]
    ids = plant(organization, consumer, granted)
    return dict(zip(ids, [one["grant"] for one in made], strict=True))


def withdraw(stage: Stage, grant: str) -> None:
    """Its person ends it at Atlassian's."""
    stage.vendor.order(f"{BELOW}/grants/revoke", grant=grant)


@dataclass(slots=True)
class Book:
    """What the vendor wrote down of every refresh token that was shown to it; `late` and `refused`
    are names of grants."""

    tokens: int = 0
    again: int = 0
    spends: int = 0
    longest: float = 0.0
    late: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def read(self, token: dict[str, Any], leeway: float) -> None:
        moments = [at for at, _ in token["spends"]]
        between = max(moments) - min(moments)
        self.tokens += 1
        self.again += len(moments) > 1
        self.spends += len(moments)
        self.longest = max(self.longest, between)
        self.late += [token["grant"]] * (between > leeway)
        self.refused += [token["grant"]] * any(how != "issued" for _, how in token["spends"])


def book(stage: Stage, leeway: float, *, without: set[str]) -> Book:
    """Of all grants but those that were withdrawn."""
    found = Book()
    for token in stage.vendor.ask(f"{BELOW}/spends"):
        if token["grant"] not in without:
            found.read(token, leeway)
    return found
