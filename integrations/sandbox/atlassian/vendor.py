"""Atlassian's hosts as one vendor, with everything that the control port may look at or change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import ClassVar

from integrations.sandbox.atlassian import cast, seed
from integrations.sandbox.atlassian.commands import AtlassianCommands
from integrations.sandbox.atlassian.credentials import Registry
from integrations.sandbox.atlassian.errors import said
from integrations.sandbox.atlassian.hosts import Hosts
from integrations.sandbox.atlassian.places import Places
from integrations.sandbox.atlassian.switches import Switches
from integrations.sandbox.confluence import seed as confluence_seed
from integrations.sandbox.http import ApiError, Request, Response
from integrations.sandbox.jira import seed as jira_seed
from integrations.sandbox.jira.development import Development
from integrations.sandbox.vendor import Json, Vendor

AUTH, API = "https://auth.atlassian.com", "https://api.atlassian.com"


class Atlassian(Vendor):
    """Answers every host of Atlassian's. Nobody's site is `nowhere`."""

    slug: ClassVar[str] = "atlassian"
    HOSTS: ClassVar[Mapping[str, str]] = {
        AUTH: "127.0.0.11",
        API: "127.0.0.12",
        "https://acme.atlassian.net": "127.0.0.13",
        "https://fjord.atlassian.net": "127.0.0.14",
        "https://nowhere.atlassian.net": "127.0.0.15",
    }

    def reset(self) -> None:
        world, now = seed.build(self.seed), self.clock.now
        registry = Registry()
        cast.enrol(registry, world, self.callbacks, self.seed, now())
        self.places = Places(
            world=world,
            registry=registry,
            switches=Switches(),
            now=now,
            jira={
                name: jira_seed.build(name, site.members, now) for name, site in world.sites.items()
            },
            development={name: Development(now) for name in world.sites},
            confluence={
                name: confluence_seed.build(name, site.members, now)
                for name, site in world.sites.items()
            },
        )
        self._connect()

    def _connect(self) -> None:
        self.hosts = Hosts(self.places)
        commands = AtlassianCommands(self.places, self.hosts)
        self.by_path, self.questions = commands.by_path, commands.questions

    def answer(self, request: Request, origin: str) -> Response:
        try:
            if origin == AUTH:
                return self.hosts.accounts(request)
            if origin == API:
                return self.hosts.gateway(request)
            name = origin.removeprefix("https://").partition(".")[0]
            return self.hosts.site(request, name)
        except ApiError as refused:
            return refused.response

    def words(self, status: int) -> Response:
        return said(status)

    def normal(self) -> None:
        self.hosts.tokens.storm.rise("", 1.0)

    # ── for people who rehearse ───────────────────────────────────────────────────────────────

    def describe(self) -> Json:
        registry, world = self.places.registry, self.places.world
        return {
            "sites": [asdict(site) | {"url": site.url} for site in world.sites.values()],
            "accounts": [asdict(one) for one in world.accounts.values()],
            "apps": [asdict(app) for app in registry.apps.values()],
            "site_credentials": [asdict(c) for c in registry.clients.values() if not c.account],
            "service_clients": [asdict(c) for c in registry.clients.values() if c.account],
            "tokens": [asdict(token) for token in registry.tokens.values()],
            "switches": self.places.switches.describe(),
        }

    def announce(self) -> Iterable[str]:
        registry = self.places.registry
        for app in registry.apps.values():
            yield f"3LO app {app.name}: {app.about}"
            yield f"  client id {app.key}  secret {app.secret}"
        for client in registry.clients.values():
            yield f"client credentials {client.name}: {client.about}"
            yield f"  client id {client.client_id}  secret {client.secret}"
        for token in registry.tokens.values():
            yield f"API token {token.name}: {token.about}"
            yield f"  {token.email}  {token.token}"

    # ── what outlives a restart ───────────────────────────────────────────────────────────────

    def keep(self) -> Json:
        return {"seed": self.seed, "registry": self.places.registry.dump()}

    def restore(self, kept: Json) -> None:
        """Take up credentials, so that connections outlive a restart; issues begin anew."""
        if kept.get("seed") != self.seed:
            return
        fresh, old = self.places.registry, Registry.load(kept["registry"])
        for mark, token in fresh.tokens.items():
            token.revoked = mark in old.tokens and old.tokens[mark].revoked
        old.tokens |= fresh.tokens
        old.apps |= fresh.apps
        for key, client in fresh.clients.items():
            old.clients.setdefault(key, client)
        self.places.registry = old
        self._connect()

    def mark(self) -> tuple[float, ...]:
        return self.places.registry.mark()
