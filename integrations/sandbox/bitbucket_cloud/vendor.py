"""Bitbucket Cloud as one thing: bitbucket.org and api.bitbucket.org on one address."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_cloud import cast, seed
from integrations.sandbox.bitbucket_cloud.api import Api
from integrations.sandbox.bitbucket_cloud.consent import Consent
from integrations.sandbox.bitbucket_cloud.credentials import Registry
from integrations.sandbox.bitbucket_cloud.oauth import TokenEndpoint
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.clock import Clock
from integrations.sandbox.http import Request, Response, html_response, json_response
from integrations.sandbox.pages import place, refusal


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
    ) -> None:
        self.clock = clock
        self._seed = seed
        self._repositories = repositories
        self._callbacks = callbacks or []
        self.reset()

    def reset(self) -> None:
        """Make the world, the credentials and the switches as they were at the start."""
        self.world = seed.build(self._seed, self._repositories)
        self.switches = Switches()
        self.registry = Registry()
        cast.enrol(self.registry, self.world, self._callbacks, self.clock.now())
        self._connect()

    def restore(self, kept: dict[str, Any]) -> None:
        """Take up the credentials that `keep` wrote, so that links outlive a restart."""
        if kept.get("seed") == self._seed:
            fresh = self.registry
            self.registry = Registry.load(kept["registry"])
            for mark, token in fresh.static.items():
                old = self.registry.static.get(mark)
                token.revoked = old is not None and old.revoked
            self.registry.static |= fresh.static
            self.registry.consumers |= fresh.consumers
            self._connect()

    def keep(self) -> dict[str, Any]:
        return {"seed": self._seed, "registry": self.registry.dump()}

    def _connect(self) -> None:
        registry, world, switches, now = self.registry, self.world, self.switches, self.clock.now
        self.api = Api(world=world, registry=registry, switches=switches, now=now)
        self.tokens = TokenEndpoint(registry, switches, now)
        self._consent = Consent(registry, world, switches, now)

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
