"""The token endpoint: authorization code, rotating refresh tokens, client credentials.

JSON or form, credentials of the client in the body or as Basic.
https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from integrations.sandbox.atlassian.credentials import (
    AccessToken,
    App,
    Client,
    Grant,
    RefreshToken,
    Registry,
)
from integrations.sandbox.atlassian.switches import Switches
from integrations.sandbox.atlassian.world import World
from integrations.sandbox.counts import Counts
from integrations.sandbox.http import Request, Response, json_response
from integrations.sandbox.oauth import basic_pair, digest
from integrations.sandbox.storm import Storm

AUDIENCE = "api.atlassian.com"
DEAD = "Unknown or invalid refresh token."
KEPT_ACCESS_TOKENS = 5000
Fields = dict[str, str]
Issued = tuple[dict[str, Any], Grant]


class TokenRefused(Exception):
    """An OAuth error answer."""

    def __init__(self, error: str, description: str, status: int = 403) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class TokenEndpoint:
    """POST /oauth/token at both hosts over one registry; `counts` tells what was asked of it."""

    def __init__(
        self, registry: Registry, world: World, switches: Switches, now: Callable[[], float]
    ) -> None:
        self._registry = registry
        self._world = world
        self._switches = switches
        self._now = now
        self._room = KEPT_ACCESS_TOKENS
        self.counts, self.storm = Counts(), Storm()

    def answer(self, request: Request) -> Response:
        headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
        if request.method != "POST":
            return json_response({"error": "invalid_request"}, 405, {**headers, "Allow": "POST"})
        fields = read(request)
        request.notes["grant_type"] = fields.get("grant_type", "")
        try:
            answer, grant = self._issue(request, fields)
        except TokenRefused as refused:
            self._count(request, self._grant_named(fields), refused.error)
            body = {"error": refused.error, "error_description": refused.description}
            return json_response(body, refused.status, headers)
        self._count(request, grant, "issued")
        return json_response(answer, 200, headers)

    def _issue(self, request: Request, fields: Fields) -> Issued:
        if self.storm.meets_everybody():
            raise unauthorized()
        if fields.get("grant_type") == "client_credentials":
            return self._by_client(fields)
        app = self._registry.apps.get(fields.get("client_id", ""))
        if app is None or fields.get("client_secret") != app.secret:
            raise unauthorized()
        request.notes["app"] = app.name
        if fields.get("grant_type") == "authorization_code":
            return self._by_code(app, fields)
        if fields.get("grant_type") == "refresh_token":
            return self._by_refresh_token(app, fields)
        named = fields.get("grant_type", "")
        raise TokenRefused("unsupported_grant_type", f"Unsupported grant type: {named}")

    # ── the grants ────────────────────────────────────────────────────────────────────────────

    def _by_code(self, app: App, fields: Fields) -> Issued:
        code = self._registry.codes.get(digest(fields.get("code", "")))
        if code is None or code.key != app.key or code.used or code.expires_at <= self._now():
            raise TokenRefused("invalid_grant", "Invalid authorization code")
        if fields.get("redirect_uri", "") != code.redirect_uri:
            raise TokenRefused("invalid_grant", "The redirect URI is wrong.")
        verifier = fields.get("code_verifier", "")
        if self._switches.verify_pkce and not code.is_proven_by(verifier):
            raise TokenRefused("invalid_grant", "Failed to verify code verifier")
        code.used = True
        return self._pair(self._granted(app.key, code.account, code.scopes, code.sites))

    def _by_refresh_token(self, app: App, fields: Fields) -> Issued:
        text = fields.get("refresh_token", "")
        spent, grant = self._registry.refresh.get(digest(text)), self._grant_named(fields)
        if spent is None or grant is None or grant.key != app.key:
            raise self._dead()
        if self.storm.meets(grant.id):
            raise TokenRefused(self.storm.error, "An incident: nobody is let in.")
        stands, usable = self.stands(grant), self.is_usable(spent, grant)
        outcome = "issued" if usable else "late" if stands else "refused"
        spent.spends.append([self._now(), outcome])
        if not usable:
            self._punish(spent, grant)
            raise self._dead()
        if self._switches.rotation != "rotate":
            spent.issued_at = self._now()
            kept = {"refresh_token": text} if self._switches.rotation == "same" else {}
            return {**self._access(grant), **kept}, grant
        if spent.first_used_at is None:
            spent.first_used_at = self._now()
        return self._pair(grant)

    def _by_client(self, fields: Fields) -> Issued:
        """Answer site credentials without scopes, a service account's client with its own."""
        client = self._registry.clients.get(fields.get("client_id", ""))
        if client is None or client.secret != fields.get("client_secret") or client.revoked:
            raise unauthorized()
        if client.expires_at is not None and client.expires_at <= self._now():
            raise unauthorized()
        if fields.get("audience", AUDIENCE) != AUDIENCE:
            raise TokenRefused("access_denied", "Service not found", 403)
        grant = self._granted(
            client.client_id, client.account, client.scopes, [self._cloud_id(client)]
        )
        answer = self._access(grant, client)
        if not client.account:
            del answer["scope"]
        return answer, grant

    # ── what they share ───────────────────────────────────────────────────────────────────────

    def is_usable(self, token: RefreshToken, grant: Grant) -> bool:
        """Whether a refresh with this token would succeed now; nothing changes by asking."""
        now, switches = self._now(), self._switches
        if not self.stands(grant) or now - token.issued_at > switches.refresh_idle_seconds:
            return False
        longest = switches.refresh_absolute_seconds
        if longest and now - grant.made_at > longest:
            return False
        used = token.first_used_at
        return used is None or now - used <= switches.refresh_grace_seconds

    def stands(self, grant: Grant) -> bool:
        """Whether a consent is in force: not withdrawn, its person and its app still there."""
        account = self._world.account(grant.account)
        client = self._registry.clients.get(grant.key)
        return (
            not grant.revoked
            and (account is None or account.active)
            and (grant.key in self._registry.apps or (client is not None and not client.revoked))
        )

    def _punish(self, spent: RefreshToken, grant: Grant) -> None:
        """Revoke the family when a spent token comes again after the leeway."""
        late = spent.first_used_at is not None
        if late and self._switches.late_reuse == "revokes_family":
            grant.revoke("reuse")

    def consented(self, app: App, account: str, scopes: list[str], sites: list[str]) -> Any:
        """Issue a first pair as if this person had gone through consent and exchange."""
        answer, grant = self._pair(self._granted(app.key, account, scopes, sites))
        return {**answer, "grant": grant.id}

    def _granted(self, key: str, account: str, scopes: list[str], sites: list[str]) -> Grant:
        self._registry.serial += 1
        name = f"grant-{self._registry.serial}"
        grant = Grant(name, key, account, list(scopes), list(sites), self._now())
        self._registry.grants[name] = grant
        return grant

    def _pair(self, grant: Grant) -> Issued:
        answer = self._access(grant)
        if "offline_access" in grant.scopes:
            text = self._registry.issue_text("refresh", self._switches.token_length)
            self._registry.refresh[digest(text)] = RefreshToken(grant.id, self._now())
            answer["refresh_token"] = text
        return answer, grant

    def _access(self, grant: Grant, client: Client | None = None) -> dict[str, Any]:
        self._forget_expired()
        switches = self._switches
        of_site = client is not None and not client.account
        seconds = switches.site_token_seconds if of_site else switches.access_token_seconds
        text = self._registry.issue_text("access", switches.token_length)
        self._registry.access[digest(text)] = AccessToken(grant.id, self._now() + seconds)
        return {
            "access_token": text,
            "expires_in": seconds,
            "token_type": "Bearer",
            "scope": " ".join(grant.scopes),
        }

    def _forget_expired(self) -> None:
        access, now = self._registry.access, self._now()
        if len(access) >= self._room:
            for mark in [mark for mark, token in access.items() if token.expires_at <= now]:
                del access[mark]
            self._room = max(KEPT_ACCESS_TOKENS, 2 * len(access))

    def _cloud_id(self, client: Client) -> str:
        return self._world.sites[client.site].cloud_id

    def _grant_named(self, fields: Fields) -> Grant | None:
        token = self._registry.refresh.get(digest(fields.get("refresh_token", "")))
        return self._registry.grants.get(token.grant_id) if token else None

    def _dead(self) -> TokenRefused:
        return TokenRefused("invalid_grant", DEAD, self._switches.dead_refresh_status)

    def _count(self, request: Request, grant: Grant | None, outcome: str) -> None:
        request.notes["outcome"] = outcome
        self.counts.note(outcome, self._now())
        if grant is not None:
            request.notes["grant"] = grant.id
            grant.calls += 1
            grant.issued += outcome == "issued"
            grant.refused += outcome != "issued"


def unauthorized() -> TokenRefused:
    return TokenRefused("access_denied", "Unauthorized", 401)


def read(request: Request) -> Fields:
    """Return the fields of a JSON or form body, with the client of a Basic header among them."""
    fields = {name: values[-1] for name, values in request.form.items()}
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            value: object = json.loads(request.body)
        except ValueError:
            value = {}
        given = value.items() if isinstance(value, dict) else ()
        fields = {name: text for name, text in given if isinstance(text, str)}
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    pair = basic_pair(encoded) if scheme.lower() == "basic" else None
    if pair is not None:
        fields |= {"client_id": pair[0], "client_secret": pair[1]}
    return fields
