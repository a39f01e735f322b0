"""Atlassian's hosts as one vendor: accounts, the API gateway, and the sites with their products."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import ClassVar

from integrations.sandbox.atlassian import cast, scopes, seed
from integrations.sandbox.atlassian.call import Call
from integrations.sandbox.atlassian.consent import Consent
from integrations.sandbox.atlassian.credentials import Registry
from integrations.sandbox.atlassian.errors import gateway, said
from integrations.sandbox.atlassian.identity import Doorkeeper, Identity
from integrations.sandbox.atlassian.limits import Limits
from integrations.sandbox.atlassian.oauth import TokenEndpoint
from integrations.sandbox.atlassian.pages import place
from integrations.sandbox.atlassian.products import Product
from integrations.sandbox.atlassian.switches import Switches
from integrations.sandbox.atlassian.world import Site
from integrations.sandbox.http import ApiError, Request, Response, html_response, json_response
from integrations.sandbox.jira import routes as jira_routes, seed as jira_seed
from integrations.sandbox.jira.world import JiraSite
from integrations.sandbox.vendor import Json, Vendor

AUTH, API = "https://auth.atlassian.com", "https://api.atlassian.com"
NOBODYS = "https://nowhere.atlassian.net"


class Atlassian(Vendor):
    """Answers every host of Atlassian's, and holds what the control port may change."""

    slug = "atlassian"
    HOSTS: ClassVar = {
        AUTH: "127.0.0.11",
        API: "127.0.0.12",
        "https://acme.atlassian.net": "127.0.0.13",
        "https://fjord.atlassian.net": "127.0.0.14",
        NOBODYS: "127.0.0.15",
    }

    def reset(self) -> None:
        self.world = seed.build(self.seed)
        self.switches = Switches()
        self.registry = Registry()
        cast.enrol(self.registry, self.world, self.callbacks, self.seed, self.clock.now())
        self.jira: dict[str, JiraSite] = {
            name: jira_seed.build(name, site.members, self.clock.now)
            for name, site in self.world.sites.items()
        }
        self._connect()

    def _connect(self) -> None:
        registry, world, switches, now = self.registry, self.world, self.switches, self.clock.now
        self.tokens = TokenEndpoint(registry, world, switches, now)
        self._consent = Consent(registry, world, switches, now)
        self._doorkeeper = Doorkeeper(registry, world, switches, self.tokens)
        self.limits = Limits(switches)
        routes = jira_routes.routes(lambda call: self.jira[call.site.name])
        self._products = {"jira": Product(routes, self.limits, lambda call: None)}

    # ── answering ─────────────────────────────────────────────────────────────────────────────

    def answer(self, request: Request, origin: str) -> Response:
        try:
            if origin == AUTH:
                return self._authorize(request)
            if origin == API:
                return self._gateway(request)
            return self._site(request, origin.removeprefix("https://").partition(".")[0])
        except ApiError as refused:
            return refused.response

    def words(self, status: int) -> Response:
        return said(status)

    def normal(self) -> None:
        self.tokens.storm.rise("", 1.0)

    def _authorize(self, request: Request) -> Response:
        if request.path == "/authorize":
            return self._consent.answer(request)
        if request.path == "/oauth/token":
            return self.tokens.answer(request)
        return html_response(place("Atlassian account", request.path), 404)

    def _gateway(self, request: Request) -> Response:
        if request.path == "/oauth/token":
            return self.tokens.answer(request)
        identity = self._doorkeeper.at_gateway(request, self.clock.now())
        if request.path == "/oauth/token/accessible-resources":
            return json_response(self._resources(identity))
        if request.path == "/me":
            return json_response(self._me(identity))
        parts = request.path.split("/", 4)
        if len(parts) > 3 and parts[1] == "ex" and parts[2] in self._products:
            site = self._reached(identity, parts[3], parts[2])
            path = "/" + "".join(parts[4:])
            base = f"{request.origin}/ex/{parts[2]}/{parts[3]}"
            return self._product(parts[2], request, identity, site, base, path, gated=True)
        raise gateway(404)

    def _reached(self, identity: Identity, cloud_id: str, product: str) -> Site:
        """Return the site, where the caller may use this product. Raises ApiError."""
        if identity.kind == "site_credentials":
            raise gateway(401, "Unauthorized; scope does not match")
        site = self.world.site(cloud_id)
        if site is None or cloud_id not in identity.sites or product not in site.products:
            raise gateway(404)
        if site.suspended:
            raise gateway(503, "The site is not available.")
        return site

    def _site(self, request: Request, name: str) -> Response:
        site = self.world.sites.get(name)
        if site is None or site.suspended:
            page = place("Your Atlassian Cloud site is currently unavailable", request.path)
            return html_response(page, 503 if site else 404)
        if request.path == "/_edge/tenant_info":
            return json_response({"cloudId": site.cloud_id})
        product = "confluence" if request.path.startswith("/wiki/") else "jira"
        if not request.path.startswith(("/rest/", "/wiki/rest/", "/wiki/api/")):
            return html_response(place(site.title, request.path))
        identity = self._doorkeeper.at_site(request, site, self.clock.now())
        if product not in self._products or product not in site.products:
            raise gateway(404)
        base = request.origin
        return self._product(product, request, identity, site, base, request.path, gated=False)

    def _product(
        self, product: str, request: Request, identity: Identity, site: Site, base: str, path: str,
        *, gated: bool,
    ) -> Response:  # fmt: skip
        call = Call(request, identity, site, self.world, self.switches, self.clock.now(), base)
        return self._products[product].answer(call, path, gated=gated)

    def _resources(self, identity: Identity) -> list[Json]:
        """List each site once for each product of which something was granted."""
        if identity.kind not in {"oauth", "service_client"}:
            raise gateway(401)
        found = []
        granted = sorted(identity.scopes or ())
        for cloud_id in identity.sites:
            site = self.world.site(cloud_id)
            for product in site.products if site else ():
                words = scopes.of_product(granted, product)
                if site and words:
                    found.append(resource(site, words))
        if self.switches.sites_listed == "once":
            found = list({row["id"]: row for row in found}.values())
        return found

    def _me(self, identity: Identity) -> Json:
        account = identity.account
        if account is None or identity.kind != "oauth":
            raise gateway(401)
        if not identity.may((("read:me",),)):
            raise gateway(403, "Forbidden; the scope read:me is missing")
        return {
            "account_type": account.kind,
            "account_id": account.account_id,
            "email": account.email,
            "email_verified": True,
            "name": account.name,
            "picture": f"https://avatar.example/{account.account_id}.png",
            "account_status": "active",
            "nickname": account.nickname,
            "zoneinfo": account.zone,
            "locale": "en-GB",
        }

    # ── for people who rehearse ───────────────────────────────────────────────────────────────

    def describe(self) -> Json:
        registry = self.registry
        return {
            "sites": [asdict(site) | {"url": site.url} for site in self.world.sites.values()],
            "accounts": [asdict(one) for one in self.world.accounts.values()],
            "apps": [asdict(app) for app in registry.apps.values()],
            "site_credentials": [asdict(c) for c in registry.clients.values() if not c.account],
            "service_clients": [asdict(c) for c in registry.clients.values() if c.account],
            "tokens": [asdict(token) for token in registry.tokens.values()],
            "switches": self.switches.describe(),
        }

    def announce(self) -> Iterable[str]:
        for app in self.registry.apps.values():
            yield f"3LO app {app.name}: {app.about}"
            yield f"  client id {app.key}  secret {app.secret}"
        for client in self.registry.clients.values():
            yield f"client credentials {client.name}: {client.about}"
            yield f"  client id {client.client_id}  secret {client.secret}"
        for token in self.registry.tokens.values():
            yield f"API token {token.name}: {token.about}"
            yield f"  {token.email}  {token.token}"

    # ── what outlives a restart ───────────────────────────────────────────────────────────────

    def keep(self) -> Json:
        return {"seed": self.seed, "registry": self.registry.dump()}

    def restore(self, kept: Json) -> None:
        """Take up credentials, so that connections outlive a restart; issues begin anew."""
        if kept.get("seed") != self.seed:
            return
        fresh, self.registry = self.registry, Registry.load(kept["registry"])
        for mark, token in fresh.tokens.items():
            token.revoked = mark in self.registry.tokens and self.registry.tokens[mark].revoked
        self.registry.tokens |= fresh.tokens
        self.registry.apps |= fresh.apps
        for key, client in fresh.clients.items():
            self.registry.clients.setdefault(key, client)
        self._connect()

    def mark(self) -> tuple[float, ...]:
        return self.registry.mark()


def resource(site: Site, words: list[str]) -> Json:
    return {
        "id": site.cloud_id,
        "url": site.url,
        "name": site.title,
        "scopes": words,
        "avatarUrl": f"https://site-admin-avatar-cdn.example/{site.name}.png",
    }
