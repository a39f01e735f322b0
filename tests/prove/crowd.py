"""Many linked connections at once: real grants of the sandbox, sealed as a link leaves them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from connections import places, registry
from connections.contracts import MethodKind
from connections.models import Connection, Consumer, Credential
from portal import clock, roles, vault, vault_many
from portal.models import Organization, Team
from portal.secret import Secret
from tests.prove.stage import Stage

CONNECTOR, CONSUMER, CONSENT = "bitbucket-cloud", "acme-portal", MethodKind.AUTHORIZATION_CODE
AT_ONCE = 1000
TOKEN_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Linked:
    """One connection of a crowd, the vendor's name of its grant, and whose it is."""

    organization_id: UUID
    connection_id: UUID
    credential_id: UUID
    grant: str
    nickname: str


def gather(
    stage: Stage, organization: Organization, count: int, *, life_seconds: int, workspace: str = ""
) -> list[Linked]:
    """This many people consent, and the organization holds their tokens, which live that long."""
    short = {"token_length": TOKEN_LENGTH, "access_token_seconds": life_seconds}
    stage.vendor.order("/switches", **short)
    with stage.works.inside(organization):
        consumer, team = consumer_of(stage), Team.objects.create(name="The crowd")
    with roles.using_role("worker"), stage.works.inside(organization):
        secret = Secret(stage.vendor.consumer(CONSUMER)["secret"])
        vault.keep(places.of_consumer(consumer), secret)
    linked: list[Linked] = []
    for size in chunks(count):
        people = stage.vendor.order("/people", count=size, workspace=workspace)["people"]
        users = [person["uuid"] for person in people]
        grants = stage.vendor.order("/grants", consumer=CONSUMER, users=users)["grants"]
        with roles.using_role("worker"), stage.works.inside(organization):
            linked += keep(organization, consumer, team, people, grants)
    return linked


def consumer_of(stage: Stage) -> Consumer:
    """The sandbox's consumer, registered for the acting organization."""
    key = stage.vendor.consumer(CONSUMER)["key"]
    made: Consumer = Consumer.objects.create(
        connector=CONNECTOR, name="Crowd", client_id=key, sealed_at=clock.now()
    )
    return made


def keep(
    organization: Organization,
    consumer: Consumer,
    team: Team,
    people: list[dict[str, Any]],
    grants: list[dict[str, Any]],
) -> list[Linked]:
    """The rows and sealed values of these grants. Call it inside the organization."""
    connections = [connection_of(consumer, team, person) for person in people]
    credentials = [
        credential_of(connection, grant)
        for connection, grant in zip(connections, grants, strict=True)
    ]
    for made in (*connections, *credentials):
        made.organization_id = organization.id
    Connection.objects.bulk_create(connections)
    Credential.objects.bulk_create(credentials)
    vault_many.keep_many(
        [
            (places.of_credential(credential, field), Secret(grant[f"{field}_token"]))
            for credential, grant in zip(credentials, grants, strict=True)
            for field in (places.ACCESS, places.REFRESH)
        ]
    )
    return [
        Linked(organization.id, connection.id, credential.id, grant["grant"], person["nickname"])
        for connection, credential, grant, person in zip(
            connections, credentials, grants, people, strict=True
        )
    ]


def connection_of(consumer: Consumer, team: Team, person: dict[str, Any]) -> Connection:
    return Connection(
        connector=CONNECTOR,
        method=method(),
        name=f"Of {person['nickname']}",
        consumer=consumer,
        team=team,
        capabilities=["repositories-read", "workspaces-read"],
        account_id=person["uuid"],
        account_name=person["display_name"],
        account_kind="user",
        state=Connection.State.ACTIVE,
        granted_by_name="Alice",
        last_success_at=clock.now(),
    )


def credential_of(connection: Connection, grant: dict[str, Any]) -> Credential:
    """As fresh as its grant; when it is due is for the proof to say."""
    now = clock.now()
    return Credential(
        connection=connection,
        kind="oauth2",
        vocabulary="oauth",
        scopes=sorted(grant["scope"].split()),
        last_four=grant["access_token"][-4:],
        expires_at=now + timedelta(seconds=grant["expires_in"]),
        refreshed_at=now,
        refreshable=True,
    )


def method() -> str:
    """The connector's method by consent, whatever it is called."""
    methods = registry.get(CONNECTOR).manifest.methods
    return next(one.key for one in methods if one.kind is CONSENT)


def held(stage: Stage, linked: Iterable[Linked]) -> dict[UUID, dict[str, str]]:
    """The tokens that the database holds now, by credential, opened as a worker does."""
    found: dict[UUID, dict[str, str]] = {}
    by_organization: dict[UUID, list[Linked]] = {}
    for one in linked:
        by_organization.setdefault(one.organization_id, []).append(one)
    for organization_id, those in by_organization.items():
        organization = Organization(id=organization_id)
        for some in batches(those):
            with roles.using_role("worker"), stage.works.inside(organization):
                found |= opened(organization_id, some)
    return found


def opened(organization_id: UUID, linked: list[Linked]) -> dict[UUID, dict[str, str]]:
    wanted = {
        places.of_credential(Credential(id=one.credential_id, organization_id=organization_id), f)
        for one in linked
        for f in (places.ACCESS, places.REFRESH)
    }
    found: dict[UUID, dict[str, str]] = {one.credential_id: {} for one in linked}
    for place, secret in vault_many.open_many(wanted).items():
        if secret is not None:
            found[place.row_id][place.field] = secret.reveal()
    return found


def chunks(count: int) -> Iterator[int]:
    """Numbers of at most AT_ONCE that add up to `count`."""
    for first in range(0, count, AT_ONCE):
        yield min(AT_ONCE, count - first)


def batches(linked: Iterable[Linked]) -> Iterator[list[Linked]]:
    remaining = iter(linked)
    while some := list(islice(remaining, AT_ONCE)):
        yield some
