"""Bitbucket Cloud as one thing: bitbucket.org and api.bitbucket.org on one address."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from integrations.sandbox.bitbucket_cloud import cast, seed
from integrations.sandbox.bitbucket_cloud.api import Api
from integrations.sandbox.bitbucket_cloud.bursts import burst
from integrations.sandbox.bitbucket_cloud.consent import Consent
from integrations.sandbox.bitbucket_cloud.credentials import Registry
from integrations.sandbox.bitbucket_cloud.deeds import Deeds
from integrations.sandbox.bitbucket_cloud.oauth import TokenEndpoint
from integrations.sandbox.bitbucket_cloud.scene import Scene
from integrations.sandbox.bitbucket_cloud.subscriptions import Subscriptions
from integrations.sandbox.bitbucket_cloud.switches import RATE_LIMIT, Switches
from integrations.sandbox.clock import Clock
from integrations.sandbox.code.library import Library
from integrations.sandbox.code.planting import plant
from integrations.sandbox.http import Request, Response, html_response, json_response
from integrations.sandbox.pages import place, refusal
from integrations.sandbox.webhook_journal import Message
from integrations.sandbox.webhook_sender import WebhookSender


class BitbucketCloud:
    """Answers requests and holds everything that the control port may look at or change."""

    slug = "bitbucket-cloud"

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 7,
        repositories: int | None = None,
        callbacks: list[str] | None = None,
        rate_limit: int = RATE_LIMIT,
        sender: WebhookSender | None = None,
    ) -> None:
        self.clock = clock
        self.origin = "http://127.0.0.1"
        self._sender = sender or WebhookSender(clock.now)
        self._seed = seed
        self._repositories = repositories
        self._callbacks = callbacks or []
        self._rate_limit = rate_limit
        self.reset()

    def reset(self) -> None:
        """Make the world, the credentials and the switches as they were at the start."""
        self.world = seed.build(self._seed, self._repositories)
        self.switches = Switches(rate_limit=self._rate_limit)
        self.registry = Registry()
        cast.enrol(self.registry, self.world, self._callbacks, self.clock.now())
        self.deeds = Deeds(
            Scene(
                world=self.world,
                library=Library(partial(plant, self.world)),
                subscriptions=Subscriptions(self.world, self.clock.now),
                switches=self.switches,
                clock=self.clock,
                sender=self._sender,
                origin=lambda: self.origin,
            )
        )
        self._connect()

    def restore(self, kept: dict[str, Any]) -> None:
        """Take up the credentials and hooks that `keep` wrote, so that links outlive a restart."""
        if kept.get("seed") == self._seed:
            fresh = self.registry
            self.registry = Registry.load(kept["registry"])
            for mark, token in fresh.static.items():
                old = self.registry.static.get(mark)
                token.revoked = old is not None and old.revoked
            self.registry.static |= fresh.static
            self.registry.consumers |= fresh.consumers
            self.deeds.scene.subscriptions.load(kept.get("hooks", {}))
            self._connect()

    def keep(self) -> dict[str, Any]:
        hooks = self.deeds.scene.subscriptions.dump()
        return {"seed": self._seed, "registry": self.registry.dump(), "hooks": hooks}

    def mark(self) -> tuple[float, ...]:
        """Return numbers that differ once there is something new to keep."""
        return *self.registry.mark(), self.deeds.scene.subscriptions.changes

    def _connect(self) -> None:
        registry, world, switches, now = self.registry, self.world, self.switches, self.clock.now
        self.api = Api(deeds=self.deeds, registry=registry, now=now)
        self.tokens = TokenEndpoint(registry, switches, now)
        self._consent = Consent(registry, world, switches, now)

    def burst_of(self, hook: str) -> Callable[[int], Message] | None:
        """Return what makes the messages of a burst to one of this vendor's hooks."""
        return burst(self.deeds.scene, hook)

    def answer(self, request: Request) -> Response:
        """Answer any request to either of Bitbucket's hosts."""
        if request.path.startswith("/2.0/") or request.path == "/2.0":
            return self.api.answer(request)
        if request.path == "/site/oauth2/access_token":
            return self.tokens.answer(request)
        if request.path == "/site/oauth2/authorize":
            return self._consent.answer(request)
        if request.path.split("/")[1] in {"user", "users", "repositories", "workspaces"}:
            return json_response({"message": "Forbidden"}, 403)  # /2.0 is missing
        return self._place(request)

    def _place(self, request: Request) -> Response:
        """Show a page where `html` links lead."""
        parts = request.segments
        workspace = self.world.workspace(parts[0])
        if workspace is None:
            return html_response(refusal("Not found", "Nothing is here."), 404)
        repository = workspace.repository(parts[1]) if len(parts) > 1 else None
        name = repository.name if repository else workspace.name
        return html_response(place("/".join(parts), name))
