"""The OAuth 2.0 provider of 7.20 and later: code with PKCE, rotating refresh tokens.

Client credentials come in the body, not as Basic.
https://confluence.atlassian.com/bitbucketserver/bitbucket-oauth-2-0-provider-api-1108483661.html
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.bitbucket_data_center.credentials import (
    AccessToken,
    Client,
    Code,
    Grant,
    Registry,
    closure,
)
from integrations.sandbox.bitbucket_data_center.switches import Switches
from integrations.sandbox.bitbucket_data_center.world import World
from integrations.sandbox.http import (
    Request,
    Response,
    html_response,
    json_response,
    redirect_response,
)
from integrations.sandbox.oauth import CARRIED, digest
from integrations.sandbox.pages import page, refusal

Fields = dict[str, str]


class OAuth:
    """Both endpoints over one registry and world."""

    def __init__(
        self, registry: Registry, world: World, switches: Switches, now: Callable[[], float]
    ) -> None:
        self._registry = registry
        self._world = world
        self._switches = switches
        self._now = now

    # ── consent ───────────────────────────────────────────────────────────────────────────────

    def authorize(self, request: Request) -> Response:
        """The consent page; a wrong client or address is a page, never a redirect."""
        given = request.form if request.method == "POST" else request.parameters
        fields = {name: values[0] for name, values in given.items()}
        client = self._registry.clients.get(fields.get("client_id", ""))
        if client is None or fields.get("redirect_uri") not in client.callbacks:
            said = "The client or its redirect URL is not known to this server."
            return html_response(refusal("Invalid OAuth request", said), 400)
        asked = fields.get("scope", "").split()
        if not asked or not set(asked) <= closure(client.scopes):
            return self._back(fields, error="invalid_scope")
        if request.method == "POST":
            return self._decided(client, fields, asked)
        return html_response(self._page(client, fields, asked, request.path))

    def _page(self, client: Client, fields: Fields, asked: list[str], path: str) -> str:
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(fields[name])}">'
            for name in CARRIED
            if name in fields
        )
        people = "".join(
            f'<label><input type="radio" name="user" value="{escape(user.name)}"'
            f"{' checked' if user.id == 1 else ''}> {escape(user.display_name)}</label>"
            f"<small>{escape(user.about)}</small>"
            for user in self._world.users.values()
            if user.active
        )
        scopes = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in asked)
        return page(
            "Allow access",
            f"<h1>{escape(client.name)} asks for access to Bitbucket Data Center</h1>"
            f'<form method="post" action="{escape(path)}">{hidden}'
            f"<fieldset><legend>Sign in as</legend>{people}</fieldset>"
            f"<h2>It will have</h2><ul>{scopes}</ul>"
            '<button class="primary" name="decision" value="grant">Allow</button>'
            '<button name="decision" value="deny">Deny</button></form>',
        )

    def _decided(self, client: Client, fields: Fields, asked: list[str]) -> Response:
        user = self._world.users.get(fields.get("user", ""))
        if fields.get("decision") != "grant" or user is None or not user.active:
            return self._back(fields, error="access_denied")
        text = secrets.token_urlsafe(24)
        self._registry.codes[digest(text)] = Code(
            client_id=client.client_id,
            user=user.name,
            scopes=asked,
            redirect_uri=fields["redirect_uri"],
            challenge=fields.get("code_challenge", ""),
            challenge_method=fields.get("code_challenge_method", "plain"),
            expires_at=self._now() + self._switches.code_seconds,
        )
        return self._back(fields, code=text)

    def _back(self, fields: Fields, **said: str) -> Response:
        state = {"state": fields["state"]} if "state" in fields else {}
        return redirect_response(f"{fields['redirect_uri']}?{urlencode({**said, **state})}")

    # ── tokens ────────────────────────────────────────────────────────────────────────────────

    def token(self, request: Request) -> Response:
        fields = {name: values[-1] for name, values in request.form.items()}
        request.notes["grant_type"] = fields.get("grant_type", "")
        client = self._registry.clients.get(fields.get("client_id", ""))
        if client is None or fields.get("client_secret") != client.secret:
            return refused("invalid_client", 401)
        if fields.get("grant_type") == "authorization_code":
            return self._by_code(client, fields)
        if fields.get("grant_type") == "refresh_token":
            return self._by_refresh(client, fields)
        return refused("unsupported_grant_type")

    def _by_code(self, client: Client, fields: Fields) -> Response:
        code = self._registry.codes.get(digest(fields.get("code", "")))
        if (
            code is None
            or code.used
            or code.client_id != client.client_id
            or code.expires_at <= self._now()
            or code.redirect_uri != fields.get("redirect_uri")
            or not code.is_proven_by(fields.get("code_verifier", ""))
        ):
            return refused("invalid_grant")
        code.used = True
        self._registry.grants.append(Grant(client.client_id, code.user, code.scopes))
        return self._issued(len(self._registry.grants) - 1)

    def _by_refresh(self, client: Client, fields: Fields) -> Response:
        mark = digest(fields.get("refresh_token", ""))
        for number, grant in enumerate(self._registry.grants):
            known = grant.refresh == mark
            again = mark in grant.spent and self._switches.reused_refresh == "works"
            if (known or again) and grant.client_id == client.client_id and not grant.revoked:
                return self._issued(number)
        return refused("invalid_grant")

    def _issued(self, number: int) -> Response:
        grant, seconds = self._registry.grants[number], self._switches.access_token_seconds
        access, refresh = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
        if grant.refresh:
            grant.spent.append(grant.refresh)
        grant.refresh = digest(refresh)
        self._registry.access[digest(access)] = AccessToken(number, self._now() + seconds)
        self._registry.serial += 1
        answer: dict[str, Any] = {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": seconds,
            "refresh_token": refresh,
            "scope": " ".join(grant.scopes),
        }
        return json_response(answer, 200, {"Cache-Control": "no-store"})


def refused(error: str, status: int = 400) -> Response:
    return json_response({"error": error}, status, {"Cache-Control": "no-store"})
