"""What the control port may change at Atlassian, below /atlassian."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from integrations.sandbox.atlassian.cast import enter
from integrations.sandbox.atlassian.credentials import ApiToken, Grant, token_text
from integrations.sandbox.atlassian.hosts import Hosts
from integrations.sandbox.atlassian.places import Places
from integrations.sandbox.atlassian.site_commands import SiteCommands
from integrations.sandbox.atlassian.world import Account
from integrations.sandbox.vendor import Json, Query

DAY = 86400.0


class AtlassianCommands:
    """One method per control path. Who is named but does not exist is a LookupError."""

    def __init__(self, places: Places, hosts: Hosts) -> None:
        self._places = places
        self._tokens = hosts.tokens
        sites = SiteCommands(places)
        self.by_path: dict[str, Callable[[Json], Json]] = {
            "/atlassian/switches": self.switches,
            "/atlassian/grants": self.make_grants,
            "/atlassian/grants/revoke": self.revoke_grants,
            "/atlassian/grants/scopes": self.change_scopes,
            "/atlassian/storm": self.storm,
            "/atlassian/tokens": self.make_token,
            "/atlassian/tokens/revoke": self.revoke_token,
            "/atlassian/tokens/look": self.look,
            "/atlassian/credentials": self.make_credentials,
            "/atlassian/credentials/revoke": self.revoke_credentials,
            "/atlassian/credentials/secret": self.new_secret,
            "/atlassian/people": self.people,
            **sites.by_path,
        }
        self.questions: dict[str, Callable[[Query], object]] = {
            "/atlassian/grants": self.grants,
            "/atlassian/calls": lambda query: self._tokens.counts.describe(),
            "/atlassian/spends": self.spends,
            **sites.questions,
        }

    def switches(self, wish: Json) -> Json:
        for name, value in wish.items():
            self._places.switches.set(name, value)
        return dict(self._places.switches.describe())

    # ── grants ────────────────────────────────────────────────────────────────────────────────

    def make_grants(self, wish: Json) -> Json:
        """Let each of `users` (or one `user`) consent to an `app`, for `sites` or all they have."""
        app, world = self._places.registry.app(wish.get("app", "jira-portal")), self._places.world
        made = []
        for name in wish.get("users", [wish.get("user", "dana")]):
            account = self._account(name)
            there = world.sites_of(account.account_id)
            wanted = wish.get("sites", [site.name for site in there])
            sites = [site.cloud_id for site in there if site.name in wanted]
            scopes = list(wish.get("scopes", app.scopes))
            made.append(self._tokens.consented(app, account.account_id, scopes, sites))
        return {"grants": made}

    def revoke_grants(self, wish: Json) -> Json:
        """Withdraw consents: a `grant`, of a `user`, for an `app`, both, or everybody's."""
        grants = self._chosen(wish)
        for grant in grants:
            grant.revoke(str(wish.get("by", "account")))
        return {"revoked": len(grants)}

    def change_scopes(self, wish: Json) -> Json:
        grants = self._chosen(wish)
        for grant in grants:
            grant.scopes = list(wish["scopes"])
        return {"changed": len(grants)}

    def storm(self, wish: Json) -> Json:
        """Refuse refreshes with this `error`, of a `share` of the grants; an empty one ends it."""
        self._tokens.storm.rise(str(wish["error"]), float(wish.get("share", 1.0)))
        return self._tokens.storm.describe()

    def grants(self, query: Query) -> object:
        """Each grant with its calls and outcomes, and how many of its tokens live now."""
        registry, now = self._places.registry, self._places.now()
        live = Counter(t.grant_id for t in registry.access.values() if t.expires_at > now)
        usable = Counter(
            token.grant_id
            for token in registry.refresh.values()
            if self._tokens.is_usable(token, registry.grants[token.grant_id])
        )
        wish = {name: values[-1] for name, values in query.items()}
        return [
            asdict(grant)
            | {
                "live_access": live[grant.id] * self._tokens.stands(grant),
                "live_refresh": usable[grant.id],
            }
            for grant in self._chosen(wish)
        ]

    def spends(self, query: Query) -> object:
        """Each refresh token that was ever shown: its grant, and when, with what came of it."""
        shown = [token for token in self._places.registry.refresh.values() if token.spends]
        return [{"grant": token.grant_id, "spends": token.spends} for token in shown]

    def look(self, wish: Json) -> Json:
        """What each token of these SHA-256 `digests` is, and whether it would work now."""
        return {str(mark): self._looked_at(str(mark)) for mark in wish["digests"]}

    def _looked_at(self, mark: str) -> Json:
        registry, now = self._places.registry, self._places.now()
        access, refresh = registry.access.get(mark), registry.refresh.get(mark)
        if refresh is not None:
            grant = registry.grants[refresh.grant_id]
            works = self._tokens.is_usable(refresh, grant)
            return {"kind": "refresh", "grant": grant.id, "works": works}
        if access is not None:
            grant = registry.grants[access.grant_id]
            works = self._tokens.stands(grant) and access.expires_at > now
            return {"kind": "access", "grant": grant.id, "works": works}
        token = registry.tokens.get(mark)
        if token is not None:
            works = not token.revoked and (token.expires_at or now + 1) > now
            return {"kind": token.kind, "grant": token.name, "works": works}
        return {"kind": "unknown", "grant": "", "works": False}

    def _chosen(self, wish: Json | dict[str, str]) -> list[Grant]:
        registry = self._places.registry
        if wish.get("grant"):
            return [registry.grants[str(wish["grant"])]]
        account = self._account(wish["user"]).account_id if wish.get("user") else ""
        key = registry.app(wish["app"]).key if wish.get("app") else ""
        return registry.grants_of(account=account, key=key)

    # ── tokens and credentials ────────────────────────────────────────────────────────────────

    def make_token(self, wish: Json) -> Json:
        """Make an API token `name` of a `kind` for a `user` with `scopes` that lives `days`."""
        account = self._account(wish.get("user", "dana"))
        kind, days = str(wish.get("kind", "scoped")), float(wish.get("days", 365))
        made = ApiToken(
            str(wish["name"]),
            kind,
            token_text(kind, secrets.token_hex(16)),
            account.account_id,
            account.email,
            list(wish.get("scopes", ())),
            self._places.now() + days * DAY,
        )
        return asdict(self._places.registry.keep_token(made))

    def revoke_token(self, wish: Json) -> Json:
        token = self._places.registry.named(wish["name"])
        token.revoked = not wish.get("restore", False)
        return asdict(token)

    def make_credentials(self, wish: Json) -> Json:
        """Make a client `name` of the same site, account and permissions as the one `like`."""
        registry = self._places.registry
        made = replace(registry.client(wish["like"]), name=str(wish["name"]), revoked=False)
        enter(registry, secrets.token_hex(16), made)
        return asdict(made)

    def revoke_credentials(self, wish: Json) -> Json:
        """Withdraw a site's credentials or a service client, or take them back."""
        client = self._places.registry.client(wish["name"])
        client.revoked = not wish.get("restore", False)
        return asdict(client)

    def new_secret(self, wish: Json) -> Json:
        """Give a client or an app another secret; the former one is dead at once."""
        registry = self._places.registry
        apps = [app for app in registry.apps.values() if wish["name"] in (app.name, app.key)]
        holder: Any = apps[0] if apps else registry.client(wish["name"])
        holder.secret = "ATOA" + secrets.token_urlsafe(45)
        return asdict(holder)

    def people(self, wish: Json) -> Json:
        """Deactivate an account with all its tokens, or take it back; or `rename`, `email`."""
        account = self._account(wish["user"])
        if "deactivated" in wish:
            account.active = not wish["deactivated"]
        account.name = str(wish.get("rename", account.name))
        account.email = str(wish.get("email", account.email))
        return asdict(account)

    def _account(self, identifier: str) -> Account:
        found = self._places.world.account(identifier)
        if found is None:
            raise LookupError(f"no account {identifier!r}")
        return found
