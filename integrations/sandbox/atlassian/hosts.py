"""What each of Atlassian's hosts answers: accounts, the API gateway, and the sites."""

from __future__ import annotations

import re

from integrations.sandbox.atlassian import scopes
from integrations.sandbox.atlassian.call import Call
from integrations.sandbox.atlassian.consent import Consent
from integrations.sandbox.atlassian.errors import SCOPE_MISSING, gateway
from integrations.sandbox.atlassian.identity import Doorkeeper, Identity
from integrations.sandbox.atlassian.limits import Limits
from integrations.sandbox.atlassian.oauth import TokenEndpoint
from integrations.sandbox.atlassian.pages import page, place
from integrations.sandbox.atlassian.places import Places
from integrations.sandbox.atlassian.products import Product
from integrations.sandbox.atlassian.world import Site
from integrations.sandbox.confluence import routes as confluence_routes
from integrations.sandbox.http import Request, Response, html_response, json_response
from integrations.sandbox.jira import panel, provider_routes, routes as jira_routes
from integrations.sandbox.jira.provider_place import ProviderPlace
from integrations.sandbox.vendor import Json

PRODUCT = re.compile(r"/ex/(jira|confluence)/([^/]+)(/.*)")
PROVIDED = re.compile(r"/jira/(devinfo|builds|deployments)/0\.1/cloud/([^/]+)(/.+)")
SITE_API = ("/rest/", "/wiki/rest/", "/wiki/api/")


class Hosts:
    """Three kinds of hosts over one state."""

    def __init__(self, places: Places) -> None:
        self._places = places
        registry, world, switches = places.registry, places.world, places.switches
        self.tokens = TokenEndpoint(registry, world, switches, places.now)
        self._consent = Consent(registry, world, switches, places.now)
        self._doorkeeper = Doorkeeper(registry, world, switches, self.tokens)
        self.limits = Limits(switches)
        of_jira = jira_routes.routes(lambda call: places.jira[call.site.name])
        of_confluence = confluence_routes.routes(lambda call: places.confluence[call.site.name])
        self._products = {
            "jira": Product(of_jira, self.limits),
            "confluence": Product(of_confluence, self.limits),
        }
        self._providers = Product(provider_routes.routes(self._provider_place), self.limits)

    # ── accounts ──────────────────────────────────────────────────────────────────────────────

    def accounts(self, request: Request) -> Response:
        if request.path == "/authorize":
            return self._consent.answer(request)
        if request.path == "/oauth/token":
            return self.tokens.answer(request)
        return html_response(place("Atlassian account", request.path), 404)

    # ── the gateway ───────────────────────────────────────────────────────────────────────────

    def gateway(self, request: Request) -> Response:
        if request.path == "/oauth/token":
            return self.tokens.answer(request)
        identity = self._doorkeeper.at_gateway(request, self._places.now())
        if request.path == "/oauth/token/accessible-resources":
            return json_response(self._resources(identity))
        if request.path == "/me":
            return json_response(me(identity))
        product = PRODUCT.fullmatch(request.path)
        if product is not None:
            name, cloud_id, path = product.groups()
            site = self._reached(identity, cloud_id, name)
            call = self._call(request, identity, site, f"{request.origin}/ex/{name}/{cloud_id}")
            return self._products[name].answer(call, path, gated=True)
        provided = PROVIDED.fullmatch(request.path)
        if provided is not None:
            kind, cloud_id, path = provided.groups()
            return self._provided(request, identity, cloud_id, f"/{kind}{path}")
        raise gateway(404)

    def _reached(self, identity: Identity, cloud_id: str, product: str) -> Site:
        """Return the site, where the caller may use this product. Raises ApiError."""
        if identity.kind == "site_credentials":
            raise gateway(401, SCOPE_MISSING)
        site = self._places.world.site(cloud_id)
        if site is None or cloud_id not in identity.sites or product not in site.products:
            raise gateway(404)
        if site.suspended:
            raise gateway(503, "The site is not available.")
        return site

    def _provided(self, request: Request, identity: Identity, cloud_id: str, path: str) -> Response:
        """Answer a development provider: a site's own credentials, at that site, as ticked."""
        site = self._places.world.site(cloud_id)
        if site is None or site.suspended:
            raise gateway(404)
        if identity.kind != "site_credentials" or cloud_id not in identity.sites:
            raise gateway(403)
        call = self._call(request, identity, site, request.origin)
        return self._providers.answer(call, path, gated=True)

    def _provider_place(self, call: Call) -> ProviderPlace:
        development = self._places.development[call.site.name]
        development.settle()
        return ProviderPlace(call, self._places.jira[call.site.name], development, self.limits)

    def _resources(self, identity: Identity) -> list[Json]:
        """List each site once for each product of which something was granted."""
        if identity.kind not in {"oauth", "service_client"}:
            raise gateway(401)
        granted = sorted(identity.scopes or ())
        found = []
        for cloud_id in identity.sites:
            site = self._places.world.site(cloud_id)
            if site is None or site.suspended:
                continue
            listed = [scopes.of_product(granted, product) for product in site.products]
            found += [resource(site, words) for words in listed if words]
        if self._places.switches.sites_listed == "once":
            return list({row["id"]: row for row in found}.values())
        return found

    # ── the sites ─────────────────────────────────────────────────────────────────────────────

    def site(self, request: Request, name: str) -> Response:
        site = self._places.world.sites.get(name)
        if site is None or site.suspended:
            shown = place("Your Atlassian Cloud site is currently unavailable", request.path)
            return html_response(shown, 503 if site else 404)
        if request.path == "/_edge/tenant_info":
            return json_response({"cloudId": site.cloud_id})
        product = "confluence" if request.path.startswith("/wiki") else "jira"
        if not request.path.startswith(SITE_API):
            return self._page(request, site)
        if product not in site.products:
            raise gateway(404)
        identity = self._doorkeeper.at_site(request, site, self._places.now())
        call = self._call(request, identity, site, request.origin)
        return self._products[product].answer(call, request.path, gated=False)

    def _page(self, request: Request, site: Site) -> Response:
        """Show a page where links lead; that of an issue has its development panel."""
        data, key = self._places.jira[site.name], request.path.removeprefix("/browse/")
        issue = data.issue(key) if request.path.startswith("/browse/") else None
        if issue is None:
            return html_response(place(site.title, request.path))
        development = self._places.development[site.name]
        development.settle()
        return html_response(page(issue.key, panel.drawn(panel.panel(data, development, issue))))

    def _call(self, request: Request, identity: Identity, site: Site, base: str) -> Call:
        places = self._places
        return Call(request, identity, site, places.world, places.switches, places.now(), base)


def me(identity: Identity) -> Json:
    """Describe whose token it is. Raises ApiError 401 or 403."""
    account = identity.account
    if account is None or identity.kind != "oauth":
        raise gateway(401)
    if not identity.may((("read:me",),)):
        raise gateway(403)
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


def resource(site: Site, words: list[str]) -> Json:
    return {
        "id": site.cloud_id,
        "url": site.url,
        "name": site.title,
        "scopes": words,
        "avatarUrl": f"https://site-admin-avatar-cdn.example/{site.name}.png",
    }
