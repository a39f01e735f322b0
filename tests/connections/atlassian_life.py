"""A connection to a site by each way to link it: what tests of its life do again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, build_opener
from uuid import UUID

from connections import registry
from connections.contracts import Manifest, MethodKind
from connections.flows import consumers, link, renewals
from connections.models import Connection, Consumer, Credential, PendingLink
from portal import clock, roles
from portal.policy import Actor, Role
from portal.secret import Secret
from tests.vendor import Vendor
from tests.works import SESSION, Works, _NoRedirect

CLIENTS = {"site-credentials": "site_credentials", "service-account-oauth": "service_clients"}


class Life:
    """One product, and credentials for it at the sandbox by the name of the method."""

    def __init__(self, works: Works, vendor: Vendor, connector: str) -> None:
        self.works, self.vendor, self.connector = works, vendor, connector
        self.known: dict[str, Any] = vendor.state()["vendors"]["atlassian"]
        self.consumer: Consumer | None = None

    @property
    def manifest(self) -> Manifest:
        return registry.get(self.connector).manifest

    # ── What is pasted ────────────────────────────────────────────────────────────────────────

    def row(self, kind: str, name: str) -> dict[str, Any]:
        return next(dict(row) for row in self.known[kind] if row["name"] == name)

    def name_of(self, method: str) -> str:
        """The demo credential for this method."""
        of = {"scoped-token": f"dana-{self.connector}", "classic-token": "dana-classic"}
        other = {"site-credentials": "acme-site", "service-account-oauth": "bot-oauth"}
        return of.get(method) or other.get(method) or f"bot-{self.connector}"

    def given(self, method: str, name: str = "") -> tuple[dict[str, str], Secret]:
        """The fields of the form, and the secret."""
        name = name or self.name_of(method)
        if method in CLIENTS:
            client = self.row(CLIENTS[method], name)
            fields = {"site": "acme", "client_id": client["client_id"]}
            return fields, Secret(client["secret"])
        token = self.row("tokens", name)
        fields = {"site": "acme"}
        if self.manifest.method(method).basic_user:
            fields["email"] = token["email"]
        return fields, Secret(token["token"])

    # ── Linking ───────────────────────────────────────────────────────────────────────────────

    def link(self, method: str, name: str = "", **rest: Any) -> PendingLink:
        """By this method for all that it can do; the pending link as a worker left it."""
        pending = self.begin(method, rest.pop("relink", None))
        fields, secret = ({}, None) if method == "oauth" else self.given(method, name)
        fields = fields | rest.pop("fields", {})
        with self.works.inside():
            link.prepare(
                actor=self.works.alice,
                pending=pending,
                method=method,
                name=rest.get("called", "Acme issues"),
                team_id=rest.get("team_id"),
                consumer_id=self.registered() if method == "oauth" else None,
                fields=fields,
                secret=rest.get("secret", secret),
            )
        if method == "oauth":
            self.consent(pending)
        self.works.drain()
        return self.works.reloaded(pending)

    def begin(self, method: str, relink: Connection | None = None) -> PendingLink:
        chosen = self.manifest.method(method)
        can = [c.key for c in self.manifest.capabilities if not self.manifest.obstacle(c, chosen)]
        with self.works.inside():
            pending = link.begin(
                actor=self.works.alice,
                connector=self.connector,
                user_id=self.works.alice.id,  # type: ignore[arg-type]
                session_key=SESSION,
                relink=relink,
            )
            link.choose(
                actor=self.works.alice,
                pending=pending,
                capabilities=can,
                reason="Shows what happens in code",
            )
        return pending

    def registered(self) -> UUID:
        """The app of this product as a consumer of Acme's."""
        if self.consumer is None:
            app = self.row("apps", f"{self.connector}-portal")
            with self.works.inside():
                self.consumer = consumers.create(
                    actor=Actor("person", self.works.admin.id, "Ada", Role.ADMIN),
                    connector=self.connector,
                    name="Acme app",
                    client_id=app["key"],
                    secret=Secret(app["secret"]),
                )
            self.works.drain()
        return self.consumer.id

    def consent(self, pending: PendingLink, user: str = "dana") -> None:
        """Go through Atlassian's page, and bring its answer back."""
        with self.works.inside():
            url = link.depart(actor=self.works.alice, pending=pending, session_key=SESSION)
        parts = urlsplit(url)
        form = {k: v[0] for k, v in parse_qs(parts.query).items()}
        choice = {"user": user, "decision": "accept", "sites": ["acme", "fjord"]}
        body = urlencode(form | choice, doseq=True).encode()
        request = Request(f"{parts.scheme}://{parts.netloc}{parts.path}", body, method="POST")
        with build_opener(_NoRedirect()).open(request, timeout=10) as answer:
            params = parse_qs(urlsplit(answer.headers["Location"]).query)
        link.receive_answer(
            connector=self.connector,
            params=params,
            session_key=SESSION,
            user_id=self.works.alice.id,  # type: ignore[arg-type]
        )

    # ── What became of it ─────────────────────────────────────────────────────────────────────

    def connection(self, pending: PendingLink) -> Connection:
        with self.works.inside():
            found: Connection = Connection.objects.get(id=pending.connection_id)
            return found

    def in_use(self, connection: Connection) -> Credential:
        with self.works.inside():
            found: Credential = Credential.objects.get(
                connection_id=connection.id, replaced_at=None
            )
            return found

    def renews_itself(self, method: str) -> bool:
        return self.manifest.method(method).kind is not MethodKind.SECRET

    def grow_stale(self, connection: Connection) -> None:
        """Its access token is over, and due."""
        now = clock.now()
        with roles.using_role("worker"), self.works.inside():
            Credential.objects.filter(connection_id=connection.id, replaced_at=None).update(
                expires_at=now - timedelta(minutes=1), refresh_due_at=now
            )

    def sweep(self) -> None:
        """What is due is refreshed, by jobs as ever."""
        renewals.start_due()
        self.works.drain()
