"""Ways to link JetBrains Space in a test, and what the sandbox and the portal then hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from connections.flows import consumers, lifecycle, link
from connections.models import Check, Connection, Consumer, Credential, PendingLink, Verification
from connections.queries.matrix import checks_of
from portal import clock, roles
from portal.policy import Actor
from portal.secret import Secret
from tests.connections.ways import again, come_back
from tests.vendor import Vendor
from tests.works import SESSION, Works

SLUG = "jetbrains-space"
ACME, FJORD = "https://acme.jetbrains.space", "https://space.fjord.example"
ROBOT = {"base_url": ACME, "client_id": "acme-space-robot"}
READ = ["account-read", "projects-read"]
JOBS = [*READ, "jobs-read", "jobs-start"]
REASON = "Builds start when something is merged."
Stage = PendingLink.Stage


def rows(vendor: Vendor, kind: str, origin: str = ACME) -> list[dict[str, Any]]:
    known = vendor.state()["vendors"][SLUG][kind]
    return [row for row in known if row["origin"] == origin]


def token(vendor: Vendor, name: str, origin: str = ACME) -> str:
    return str(next(row["token"] for row in rows(vendor, "tokens", origin) if row["name"] == name))


def app(vendor: Vendor, name: str, origin: str = ACME) -> dict[str, Any]:
    return next(row for row in rows(vendor, "apps", origin) if row["name"] == name)


def prepared(works: Works, method: str, secret: str | None = None, **rest: Any) -> PendingLink:
    """What somebody chose, typed and pasted is handed in; no worker has looked yet."""
    actor: Actor = rest.get("actor", works.alice)
    with works.inside():
        pending = link.begin(
            actor=actor,
            connector=SLUG,
            user_id=actor.id,  # type: ignore[arg-type]
            session_key=SESSION,
            relink=rest.get("relink"),
        )
        wanted = rest.get("capabilities", READ)
        link.choose(actor=actor, pending=pending, capabilities=wanted, reason=REASON)
        link.prepare(
            actor=actor,
            pending=pending,
            method=method,
            name=rest.get("name", "Space"),
            team_id=rest.get("team_id"),
            consumer_id=rest.get("consumer_id"),
            fields={"base_url": ACME, **rest.get("fields", {})},
            secret=None if secret is None else Secret(secret),
        )
    return pending


def settled(works: Works, pending: PendingLink) -> Connection:
    works.drain()
    pending = works.reloaded(pending)
    assert (pending.stage, pending.error) == (Stage.DONE, ""), pending.error_detail
    return works.connection(pending)


def by_token(works: Works, vendor: Vendor, name: str = "dana-full", **rest: Any) -> Connection:
    method = "application-token" if name == "robot-token" else "personal-token"
    return settled(works, prepared(works, method, token(vendor, name), **rest))


def by_service(works: Works, vendor: Vendor, **rest: Any) -> Connection:
    secret = app(vendor, "Robot")["secret"]
    return settled(works, prepared(works, "service-account", secret, fields=ROBOT, **rest))


def registered(works: Works, vendor: Vendor, origin: str = ACME) -> Consumer:
    """The application that people of this organization sign in through."""
    known = app(vendor, "Portal", origin)
    with works.inside():
        made = consumers.create(
            actor=works.admin,
            connector=SLUG,
            name=f"Space at {origin}",
            client_id=known["client_id"],
            secret=Secret(known["secret"]),
            base_url=origin,
        )
    works.drain()
    return made


def signed_in(
    works: Works, vendor: Vendor, consumer: Consumer, user: str = "dana", **rest: Any
) -> Connection:
    pending = prepared(works, "oauth", consumer_id=consumer.id, **rest)
    with works.inside():
        url = link.depart(actor=works.alice, pending=pending, session_key=SESSION)
    assert "code_challenge_method=S256" in url and "access_type=offline" in url
    come_back(works, works.consent(url, user=user), connector=SLUG)
    return settled(works, pending)


def make_stale(works: Works, connection: Connection) -> None:
    """Its access token has ended, as ten minutes later."""
    with roles.using_role("worker"), works.inside():
        Credential.objects.filter(connection_id=connection.id, replaced_at=None).update(
            expires_at=clock.now() - timedelta(seconds=1)
        )


def checks(works: Works, one: Verification) -> dict[tuple[str, str], Check]:
    with works.inside():
        return {(check.key, check.workspace): check for check in checks_of(one.id)}


def revoked(works: Works, connection: Connection) -> None:
    with works.inside():
        held = Connection.objects.get(id=connection.id)
        lifecycle.revoke(actor=works.alice, connection=held, typed_name=held.name)
    works.drain()
    assert again(works, connection).state == Connection.State.REVOKED


def newest_credential(works: Works, connection: Connection) -> UUID:
    with works.inside():
        found = Credential.objects.filter(connection_id=connection.id).latest("created_at")
        return found.id  # type: ignore[no-any-return]
