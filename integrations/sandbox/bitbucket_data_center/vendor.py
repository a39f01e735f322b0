"""One server as one thing: pages, REST, OAuth and HTTP access tokens below its context path."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from integrations.sandbox.bitbucket_data_center import world
from integrations.sandbox.bitbucket_data_center.api import Api
from integrations.sandbox.bitbucket_data_center.credentials import SCOPES, Client, Registry
from integrations.sandbox.bitbucket_data_center.deeds import Deeds
from integrations.sandbox.bitbucket_data_center.hooks import Subscriptions
from integrations.sandbox.bitbucket_data_center.oauth import OAuth
from integrations.sandbox.bitbucket_data_center.place import plant
from integrations.sandbox.bitbucket_data_center.scene import PING, Scene
from integrations.sandbox.bitbucket_data_center.switches import Switches
from integrations.sandbox.clock import Clock
from integrations.sandbox.code.library import Library
from integrations.sandbox.http import Request, Response, html_response
from integrations.sandbox.pages import place
from integrations.sandbox.webhook_journal import Message
from integrations.sandbox.webhook_sender import WebhookSender

DAY = 86_400
CLIENT_ID, CLIENT_SECRET = "data-center-portal-client", "data-center-portal-secret-9d41"
PASSWORD = "a made up password of {}"

# name, holder, permissions, days; the name is what a rehearsal calls it
TOKENS: tuple[tuple[str, dict[str, str], list[str], int | None], ...] = (
    ("dana-read", {"user": "dlevi"}, ["PROJECT_READ", "REPO_READ"], 90),
    ("dana-admin", {"user": "dlevi"}, ["PROJECT_ADMIN", "REPO_ADMIN"], None),
    ("dana-expired", {"user": "dlevi"}, ["PROJECT_READ", "REPO_READ"], -1),
    ("rashid-read", {"user": "rashid@yarden"}, ["PROJECT_READ", "REPO_READ"], 30),
    ("pay-project", {"project": "PAY"}, ["PROJECT_ADMIN"], 90),
    ("billing-repository", {"project": "PAY", "repository": "billing-api"}, ["REPO_ADMIN"], 90),
)


class BitbucketDataCenter:
    """Answers requests below its context path, and holds what the control port may change."""

    slug = "bitbucket-data-center"

    def __init__(
        self,
        clock: Clock,
        *,
        repositories: int | None = None,
        callbacks: list[str] | None = None,
        sender: WebhookSender | None = None,
    ) -> None:
        self.clock = clock
        self.origin = "http://127.0.0.1"
        self._sender = sender or WebhookSender(clock.now)
        self._repositories = repositories
        self._callbacks = callbacks or []
        self.reset()

    def reset(self) -> None:
        """World, credentials and switches are as they were at the start."""
        self.world = world.build(self._repositories)
        self.switches = Switches()
        self.registry = self._enrolled()
        self.deeds = Deeds(
            Scene(
                world=self.world,
                library=Library(partial(plant, self.world)),
                subscriptions=Subscriptions(self.clock.now),
                switches=self.switches,
                clock=self.clock,
                sender=self._sender,
                base=lambda: self.origin + self.switches.context_path,
            )
        )
        self._connect()

    def restore(self, kept: dict[str, Any]) -> None:
        """Take up the credentials and hooks that `keep` wrote, so that links outlive a restart."""
        fresh, self.registry = self.registry, Registry.load(kept)
        self.registry.clients |= fresh.clients
        self.deeds.scene.subscriptions.load(kept.get("hooks", {}))
        self._connect()

    def keep(self) -> dict[str, Any]:
        return {**self.registry.dump(), "hooks": self.deeds.scene.subscriptions.dump()}

    def mark(self) -> tuple[int, ...]:
        """Numbers of which one changes whenever something worth keeping does."""
        return *self.registry.mark(), self.deeds.scene.subscriptions.changes

    def burst_of(self, hook: str) -> Callable[[int], Message] | None:
        """What makes the messages of a burst to one of this server's hooks: pings with a number."""
        found = self.deeds.scene.subscriptions.find(hook)
        if found is None:
            return None
        scene, (_, one) = self.deeds.scene, found
        return lambda number: scene.message(one, PING, b'{"test":true,"number":%d}' % number)

    def serves(self, path: str) -> bool:
        """Whether a path of the vendors' port is this server's."""
        context = self.switches.context_path
        return path.startswith(f"{context}/rest/") or (
            bool(context) and path.startswith(f"{context}/")
        )

    def answer(self, request: Request) -> Response:
        path = request.path.removeprefix(self.switches.context_path)
        if path == "/rest/oauth2/latest/authorize":
            return self._oauth.authorize(request)
        if path == "/rest/oauth2/latest/token":
            return self._oauth.token(request)
        if path.startswith("/rest/"):
            return self.api.answer(request, path.removeprefix("/rest"))
        return html_response(place(path.strip("/") or "Bitbucket", "Bitbucket Data Center"))

    def describe(self) -> dict[str, Any]:
        """What there is to know for somebody who rehearses."""
        return {
            "context_path": self.switches.context_path,
            "clients": [vars_of(client) for client in self.registry.clients.values()],
            "tokens": [vars_of(token) for token in self.registry.tokens.values()],
            "passwords": dict(self.registry.passwords),
            "switches": self.switches.describe(),
        }

    def _connect(self) -> None:
        registry, now = self.registry, self.clock.now
        self.api = Api(deeds=self.deeds, registry=registry, now=now)
        self._oauth = OAuth(registry, self.world, self.switches, now)

    def _enrolled(self) -> Registry:
        registry, now = Registry(), self.clock.now()
        for name, holder, permissions, days in TOKENS:
            registry.issue(
                seed=name,
                name=name,
                permissions=permissions,
                created_at=now - 30 * DAY,
                expires_at=None if days is None else now + days * DAY,
                about=name,
                **holder,
            )
        registry.passwords = {name: PASSWORD.format(name) for name in self.world.users}
        registry.clients[CLIENT_ID] = Client(
            CLIENT_ID, CLIENT_SECRET, "Portal", self._callbacks, list(SCOPES[:5])
        )
        return registry


def vars_of(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}
