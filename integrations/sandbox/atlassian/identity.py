"""Who a request comes from, at the gateway and at a site, and where that lets it go."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.atlassian.credentials import ApiToken, Registry
from integrations.sandbox.atlassian.errors import at_site, gateway
from integrations.sandbox.atlassian.oauth import TokenEndpoint
from integrations.sandbox.atlassian.switches import Switches
from integrations.sandbox.atlassian.world import Account, Site, World
from integrations.sandbox.http import Request
from integrations.sandbox.oauth import basic_pair, digest


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller. `scopes` of None are those of the person: everything.

    `sites` are cloud ids. Points are counted for `budget`; an API token has none.
    """

    kind: str
    account: Account | None
    scopes: frozenset[str] | None
    sites: tuple[str, ...]
    name: str = ""
    budget: str = ""

    def may(self, any_of: tuple[tuple[str, ...], ...]) -> bool:
        """Whether the scopes hold one of these sets; nothing asked is held by everybody."""
        if self.scopes is None or not any_of:
            return True
        return any(self.scopes.issuperset(each) for each in any_of)


STRANGER = Identity("stranger", None, frozenset(), ())


class Doorkeeper:
    """Reads the Authorization header at each kind of host."""

    def __init__(
        self, registry: Registry, world: World, switches: Switches, tokens: TokenEndpoint
    ) -> None:
        self._registry = registry
        self._world = world
        self._switches = switches
        self._tokens = tokens

    def at_gateway(self, request: Request, now: float) -> Identity:
        """Return who calls api.atlassian.com. Raises ApiError 401."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        token = value.strip()
        if scheme.lower() == "bearer":
            found = self._bearer(token, now)
        else:
            pair = basic_pair(token) if scheme.lower() == "basic" else None
            found = self._basic(pair, now) if pair else None
        if found is None:
            raise gateway(401)
        note(request, found)
        return found

    def at_site(self, request: Request, site: Site, now: float) -> Identity:
        """Return who calls a site itself: a person with a token without scopes. Raises 401."""
        header = request.headers.get("authorization", "")
        if not header:
            return STRANGER
        scheme, _, value = header.partition(" ")
        pair = basic_pair(value.strip()) if scheme.lower() == "basic" else None
        token = self._registry.tokens.get(digest(pair[1])) if pair else None
        account = self._alive(token, now) if token else None
        fits = token is not None and pair is not None and token.email == pair[0]
        if token is None or account is None or not fits or token.kind != "classic":
            if self._switches.bad_token_answer == "anonymous":
                return STRANGER
            raise at_site()
        found = Identity("classic", account, None, self._sites_of(account), token.name)
        note(request, found)
        return found

    def _bearer(self, text: str, now: float) -> Identity | None:
        access = self._registry.access.get(digest(text))
        if access is None:
            return self._service(self._registry.tokens.get(digest(text)), now)
        grant = self._registry.grants[access.grant_id]
        if access.expires_at <= now or not self._tokens.stands(grant):
            return None
        account, scopes = self._world.account(grant.account), frozenset(grant.scopes)
        client = self._registry.clients.get(grant.key)
        if client is not None:
            kind = "service_client" if account else "site_credentials"
            return Identity(kind, account, scopes, tuple(grant.sites), client.name, grant.key)
        there = self._sites_of(account) if account else ()
        sites = tuple(cloud_id for cloud_id in grant.sites if cloud_id in there)
        return Identity("oauth", account, scopes, sites, grant.id, grant.key)

    def _service(self, token: ApiToken | None, now: float) -> Identity | None:
        if token is None or token.kind != "service" or not self._switches.service_bearer:
            return None
        return self._scoped(token, now)

    def _basic(self, pair: tuple[str, str], now: float) -> Identity | None:
        """A scoped token with its address; one without scopes does not work at the gateway."""
        token = self._registry.tokens.get(digest(pair[1]))
        if token is None or token.email != pair[0] or token.kind == "classic":
            return None
        if token.kind == "service" and not self._switches.service_basic:
            return None
        return self._scoped(token, now)

    def _scoped(self, token: ApiToken, now: float) -> Identity | None:
        account = self._alive(token, now)
        if account is None:
            return None
        scopes = frozenset(token.scopes)
        return Identity(token.kind, account, scopes, self._sites_of(account), token.name)

    def _alive(self, token: ApiToken, now: float) -> Account | None:
        """Return whose token it is, while it works."""
        ended = token.expires_at is not None and token.expires_at <= now
        account = self._world.account(token.account)
        return account if account and account.active and not ended and not token.revoked else None

    def _sites_of(self, account: Account) -> tuple[str, ...]:
        return tuple(site.cloud_id for site in self._world.sites_of(account.account_id))


def note(request: Request, identity: Identity) -> None:
    request.notes["credential_kind"] = identity.kind
    request.notes["user"] = identity.account.nickname if identity.account else identity.name
