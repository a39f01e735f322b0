"""Many grants at once, straight into the tables: what sweeps are tried on, without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from connections import places
from connections.models import Connection, Consumer, Credential
from portal import clock, roles, tenancy, vault_many
from portal.models import Organization, Team
from portal.secret import Secret
from tests.vendor import Vendor

PORTION = 1000


@dataclass(frozen=True, slots=True)
class Granted:
    """What a vendor gave for one account."""

    account_id: str
    access: str
    refresh: str


def consented(vendor: Vendor, count: int, *, consumer: str = "acme-portal") -> list[Granted]:
    """So many new people at the sandbox consent to this consumer."""
    people = vendor.order("/people", count=count)["people"]
    order = {"consumer": consumer, "users": [person["uuid"] for person in people]}
    return [
        Granted(person["uuid"], tokens["access_token"], tokens["refresh_token"])
        for person, tokens in zip(people, vendor.order("/grants", **order)["grants"], strict=True)
    ]


def plant(
    organization: Organization,
    consumer: Consumer,
    granted: Sequence[Granted],
    *,
    due_at: datetime | None = None,
    life: timedelta = timedelta(hours=2),
) -> list[UUID]:
    """A connection with sealed tokens for each; its credential is due then. Their ids."""
    due_at = due_at or clock.now()
    with tenancy.acting_for(organization):
        with tenancy.transaction():
            team = Team.objects.create(name=f"Team {uuid4()}")
        with roles.using_role("worker"):
            return [
                planted
                for start in range(0, len(granted), PORTION)
                for planted in _portion(
                    team, consumer, granted[start : start + PORTION], due_at, life
                )
            ]


def _portion(
    team: Team, consumer: Consumer, granted: Sequence[Granted], due_at: datetime, life: timedelta
) -> list[UUID]:
    here: dict[str, Any] = {"organization_id": team.organization_id}
    links = [
        Connection(
            **here,
            connector=consumer.connector,
            method="oauth",
            name=f"Grant {uuid4()}",
            team_id=team.id,
            consumer_id=consumer.id,
            account_id=one.account_id,
            state=Connection.State.ACTIVE,
        )
        for one in granted
    ]
    credentials = [
        Credential(
            **here,
            connection_id=link.id,
            refreshable=True,
            identified_version=1,
            refreshed_at=due_at - life,
            expires_at=due_at + timedelta(minutes=5),
            refresh_due_at=due_at,
        )
        for link in links
    ]
    with tenancy.transaction():
        Connection.objects.bulk_create(links)
        Credential.objects.bulk_create(credentials)
        vault_many.keep_many(
            [
                (places.of_credential(credential, field), Secret(text))
                for credential, one in zip(credentials, granted, strict=True)
                for field, text in ((places.ACCESS, one.access), (places.REFRESH, one.refresh))
            ]
        )
    return [link.id for link in links]
