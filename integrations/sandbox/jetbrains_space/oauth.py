"""`/oauth/auth` and `/oauth/token`: the code flow with PKCE, renewal, and client credentials.

https://www.jetbrains.com/help/space/authorization-code.html, /refresh-token.html,
/client-credentials.html; what they leave open has a switch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import unquote, urlencode

from integrations.sandbox.http import (
    Request,
    Response,
    html_response,
    json_response,
    redirect_response as redirect,
)
from integrations.sandbox.jetbrains_space.consent import consent
from integrations.sandbox.jetbrains_space.credentials import (
    AccessToken,
    App,
    Code,
    Grant,
    Registry,
    jwt,
)
from integrations.sandbox.jetbrains_space.errors import body
from integrations.sandbox.jetbrains_space.rights import EVERYTHING, is_known
from integrations.sandbox.jetbrains_space.switches import Switches
from integrations.sandbox.jetbrains_space.world import World, identifier
from integrations.sandbox.oauth import basic_pair, digest
from integrations.sandbox.pages import refusal

Fields = dict[str, str]
UNCACHED = {"Cache-Control": "no-store"}


class OAuth:
    """Both endpoints of one organization."""

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
        app = self._registry.apps.get(fields.get("client_id", ""))
        if app is None or not app.code_flow or fields.get("redirect_uri") not in app.redirect_uris:
            said = "The application or its redirect URI is not known to this organization."
            return html_response(refusal("Cannot authorize", said, "Space"), 400)
        if error := self._objection(fields):
            return self._back(fields, error=error)
        if request.method == "POST":
            return self._decided(app, fields)
        return html_response(consent(app, self._world, fields))

    def _objection(self, fields: Fields) -> str:
        if fields.get("response_type") != "code":
            return "unsupported_response_type"
        if not is_known(fields.get("scope", "")):
            return "invalid_scope"
        if self._switches.pkce_required and fields.get("code_challenge_method") != "S256":
            return "invalid_request"
        return ""

    def _decided(self, app: App, fields: Fields) -> Response:
        profile = self._world.people.get(fields.get("user", ""))
        if fields.get("decision") != "grant" or profile is None or not profile.active:
            return self._back(fields, error="access_denied")
        text = secrets.token_urlsafe(24)
        self._registry.codes[digest(text)] = Code(
            client_id=app.client_id,
            username=profile.username,
            scopes=fields["scope"].split(),
            redirect_uri=fields["redirect_uri"],
            challenge=fields.get("code_challenge", ""),
            challenge_method=fields.get("code_challenge_method", "plain"),
            expires_at=self._now() + self._switches.code_seconds,
            offline=fields.get("access_type") == "offline",
        )
        return self._back(fields, code=text)

    def _back(self, fields: Fields, **said: str) -> Response:
        state = {"state": fields["state"]} if "state" in fields else {}
        return redirect(f"{fields['redirect_uri']}?{urlencode({**said, **state})}")

    # ── tokens ────────────────────────────────────────────────────────────────────────────────

    def token(self, request: Request) -> Response:
        """Tokens for a code, a refresh token, or an application itself."""
        fields = {name: values[-1] for name, values in request.form.items()}
        request.notes["grant_type"] = kind = fields.get("grant_type", "")
        app = self._client(request)
        if app is None:
            return refused("invalid_client", "Client authentication failed", 401)
        if kind == "authorization_code" and app.code_flow:
            return self._by_code(app, fields)
        if kind == "refresh_token" and app.code_flow:
            return self._by_refresh(app, fields)
        if kind == "client_credentials" and app.client_credentials:
            return self._by_client(app, fields)
        return refused("unauthorized_client", f"The flow {kind or '(none)'} is not enabled")

    def _client(self, request: Request) -> App | None:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        pair = basic_pair(value) if scheme.lower() == "basic" else None
        app = self._registry.apps.get(unquote(pair[0])) if pair else None
        return app if app and pair and unquote(pair[1]) == app.secret else None

    def _by_client(self, app: App, fields: Fields) -> Response:
        scope = fields.get("scope", EVERYTHING)
        if not is_known(scope):
            return refused("invalid_scope", f"Unknown scope: {scope}")
        return self._issued(app.client_id, scope)

    def _by_code(self, app: App, fields: Fields) -> Response:
        code = self._registry.codes.get(digest(fields.get("code", "")))
        if (
            code is None
            or code.used
            or code.client_id != app.client_id
            or code.expires_at <= self._now()
            or code.redirect_uri != fields.get("redirect_uri")
            or not code.is_proven_by(fields.get("code_verifier", ""))
        ):
            return refused("invalid_grant", "The code is not valid")
        code.used = True
        grant = Grant(
            identifier(secrets.token_hex(8)), app.client_id, code.username, " ".join(code.scopes)
        )
        self._registry.grants[grant.id] = grant
        return self._issued(app.client_id, grant.scope, grant, renew=code.offline)

    def _by_refresh(self, app: App, fields: Fields) -> Response:
        mark = digest(fields.get("refresh_token", ""))
        for grant in self._registry.grants.values():
            if grant.refresh == mark and grant.client_id == app.client_id and not grant.revoked:
                renew = self._switches.refresh_token == "rotates"
                return self._issued(app.client_id, grant.scope, grant, renew=renew)
        return refused("invalid_grant", "The refresh token is not valid")

    def _issued(
        self, client_id: str, scope: str, grant: Grant | None = None, *, renew: bool = False
    ) -> Response:
        seconds = self._switches.access_token_seconds
        about = {"scope": scope, "exp": int(self._now() + seconds)}
        access = jwt(secrets.token_hex(16), about)
        self._registry.access[digest(access)] = AccessToken(
            client_id, scope, self._now() + seconds, grant.id if grant else ""
        )
        self._registry.serial += 1
        answer = {
            "access_token": access, "token_type": "Bearer", "expires_in": seconds, "scope": scope,
        }  # fmt: skip
        if grant and renew:
            answer["refresh_token"] = text = secrets.token_urlsafe(36)
            grant.spent += [grant.refresh] if grant.refresh else []
            grant.refresh = digest(text)
        return json_response(answer, 200, UNCACHED)


def refused(error: str, description: str, status: int = 400) -> Response:
    return json_response(body(error, description), status, UNCACHED)
