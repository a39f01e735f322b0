"""The token endpoint: authorization code with PKCE, rotating refresh tokens, client credentials.

Error texts are the observed ones; what nobody observed is a switch.
https://developer.atlassian.com/cloud/bitbucket/rest/intro/#oauth-2-0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.sandbox.bitbucket_cloud import rotation
from integrations.sandbox.bitbucket_cloud.credentials import (
    AccessToken,
    Consumer,
    Grant,
    RefreshToken,
    Registry,
)
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.counts import Counts
from integrations.sandbox.http import Request, Response, json_response
from integrations.sandbox.oauth import basic_pair, digest
from integrations.sandbox.storm import Storm

NO_CREDENTIALS = "Requests must be authenticated using OAuth client credentials"
WRONG_CREDENTIALS = "Invalid OAuth client credentials"
NO_CALLBACK = "No callback uri defined for the OAuth client."
PUBLIC_CONSUMER = (
    'Cannot use client_credentials with a consumer marked as "public". Calls for auto generated '
    "consumers should use urn:bitbucket:oauth2:jwt instead."
)
STORM = "An incident: nobody is let in."
KEPT_ACCESS_TOKENS = 5000
Fields = dict[str, str]
Issued = tuple[dict[str, Any], Grant]


class TokenRefused(Exception):
    """An OAuth error answer."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class TokenEndpoint:
    """POST /site/oauth2/access_token over one registry, with what was asked of it in `counts`."""

    def __init__(self, registry: Registry, switches: Switches, now: Callable[[], float]) -> None:
        self._registry = registry
        self._switches = switches
        self._now = now
        self._room = KEPT_ACCESS_TOKENS
        self.counts, self.storm = Counts(), Storm()
        self._grants: dict[str, Callable[[Consumer, Fields], Issued]] = {
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh_token,
            "client_credentials": self._by_client,
        }

    def answer(self, request: Request) -> Response:
        """Answer with a token or an OAuth error; the body is form-encoded or nothing."""
        headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
        if request.method != "POST":
            return json_response({"error": "invalid_request"}, 405, {**headers, "Allow": "POST"})
        fields = {name: values[-1] for name, values in request.form.items()}
        request.notes["grant_type"] = fields.get("grant_type", "")
        try:
            answer, grant = self._issue(request, fields)
        except TokenRefused as refused:
            self._count(request, self._grant_named(fields), refused.error)
            body = {"error_description": refused.description, "error": refused.error}
            return json_response(body, refused.status, headers)
        self._count(request, grant, "issued")
        return json_response(answer, 200, headers)

    def _issue(self, request: Request, fields: Fields) -> Issued:
        consumer = self._consumer(request, fields)
        request.notes["consumer"] = consumer.key
        issue = self._grants.get(fields.get("grant_type", ""))
        if issue is None:
            named = fields.get("grant_type", "None")
            raise TokenRefused("invalid_grant", f"Unsupported grant type: {named}")
        if self.storm.meets_everybody():
            raise TokenRefused(self.storm.error, STORM)
        return issue(consumer, fields)

    def _grant_named(self, fields: Fields) -> Grant | None:
        """The grant of the refresh token in a request, however dead."""
        token = self._registry.refresh.get(digest(fields.get("refresh_token", "")))
        return self._registry.grants.get(token.grant_id) if token else None

    def _count(self, request: Request, grant: Grant | None, outcome: str) -> None:
        request.notes["outcome"] = outcome
        self.counts.note(outcome, self._now())
        if grant is not None:
            request.notes["grant"] = grant.id
            grant.calls += 1
            grant.issued += outcome == "issued"
            grant.refused += outcome != "issued"

    def _consumer(self, request: Request, fields: Fields) -> Consumer:
        key, secret = basic(request) or (fields.get("client_id"), fields.get("client_secret"))
        if not key or not secret:
            raise TokenRefused("unauthorized_client", NO_CREDENTIALS)
        consumer = self._registry.consumers.get(key)
        if consumer is None or consumer.secret != secret:
            raise TokenRefused("unauthorized_client", WRONG_CREDENTIALS)
        return consumer

    # ── the three grants ──────────────────────────────────────────────────────────────────────

    def _by_code(self, consumer: Consumer, fields: Fields) -> Issued:
        code = self._registry.codes.get(digest(fields.get("code", "")))
        if code is None or code.consumer_key != consumer.key:
            raise TokenRefused("invalid_grant", "The specified code is not valid.")
        if code.used or code.expires_at <= self._now():
            raise TokenRefused("invalid_grant", "The specified code was used or has expired.")
        if fields.get("redirect_uri", "") != code.redirect_uri:
            raise TokenRefused("invalid_grant", "redirect_uri does not match the authorization.")
        verifier = fields.get("code_verifier", "")
        if self._switches.verify_pkce and not code.is_proven_by(verifier):
            raise TokenRefused("invalid_grant", "code_verifier does not match.")
        code.used = True
        grant = self._new_grant(consumer, code.user_uuid, code.scopes)
        return self._pair(grant, self._registry.next_serial()), grant

    def _by_refresh_token(self, consumer: Consumer, fields: Fields) -> Issued:
        """Refresh; `rotation` says what a spent token may still do."""
        spent = self._registry.refresh.get(digest(fields.get("refresh_token", "")))
        grant = self._grant_named(fields)
        if spent is None or grant is None or grant.consumer_key != consumer.key:
            raise self._dead()
        now, switches = self._now(), self._switches
        if self.storm.meets(grant.id):
            raise TokenRefused(self.storm.error, STORM)
        if not rotation.is_usable(spent, grant, self._registry, switches, now):
            rotation.punish(spent, grant, switches)
            raise self._dead()
        if spent.successor is not None and switches.grace_returns == "same":
            return self._pair(grant, spent.successor), grant
        serial = self._registry.next_serial()
        if not rotation.rotates(serial, switches):
            return self._unrotated(spent, grant, fields["refresh_token"], serial), grant
        rotation.spend(spent, serial, self._registry, switches, now)
        return self._pair(grant, serial), grant

    def _by_client(self, consumer: Consumer, fields: Fields) -> Issued:
        if not consumer.private:
            raise TokenRefused("invalid_grant", PUBLIC_CONSUMER)
        if not consumer.callbacks:
            raise TokenRefused("invalid_request", NO_CALLBACK)
        grant = self._new_grant(consumer, "", consumer.scopes)
        answer = self._access(grant, self._registry.next_serial())
        return {**answer, "state": "client_credentials"}, grant

    # ── what they share ───────────────────────────────────────────────────────────────────────

    def _dead(self) -> TokenRefused:
        error, status = self._switches.dead_refresh_error, self._switches.dead_refresh_status
        if error == "invalid_request":
            return TokenRefused(error, "Invalid refresh_token", status)
        return TokenRefused(error, "The refresh token is invalid or has expired.", status)

    def consented(self, consumer: Consumer, user_uuid: str) -> dict[str, Any]:
        """Issue a first pair as if this person had gone through consent and exchange."""
        grant = self._new_grant(consumer, user_uuid, consumer.scopes)
        return {**self._pair(grant, self._registry.next_serial()), "grant": grant.id}

    def _new_grant(self, consumer: Consumer, user_uuid: str, scopes: list[str]) -> Grant:
        identifier = f"grant-{self._registry.next_serial()}"
        grant = Grant(identifier, consumer.key, user_uuid, list(scopes))
        self._registry.grants[grant.id] = grant
        return grant

    def _pair(self, grant: Grant, serial: int) -> dict[str, Any]:
        answer = self._access(grant, serial)
        text = self._registry.token_text("refresh", serial, self._switches.token_length)
        made = RefreshToken(grant.id, self._now(), access=digest(answer["access_token"]))
        self._registry.refresh.setdefault(digest(text), made)
        return {**answer, "refresh_token": text}

    def _unrotated(
        self, spent: RefreshToken, grant: Grant, refresh_token: str, serial: int
    ) -> dict[str, Any]:
        rotation.end_access(spent, self._registry, self._switches, self._now())
        answer = self._access(grant, serial)
        spent.issued_at, spent.access = self._now(), digest(answer["access_token"])
        if self._switches.rotation != "absent":
            answer["refresh_token"] = refresh_token
        return answer

    def _access(self, grant: Grant, serial: int) -> dict[str, Any]:
        self._forget_expired()
        text = self._registry.token_text("access", serial, self._switches.token_length)
        seconds = self._switches.access_token_seconds
        self._registry.access[digest(text)] = AccessToken(grant.id, self._now() + seconds)
        answer: dict[str, Any] = {
            "access_token": text,
            "expires_in": seconds,
            "token_type": "bearer",
            "state": self._switches.token_state,
        }
        words = " ".join(grant.scopes)
        keys = {"both": ("scope", "scopes"), "absent": ()}
        scope_key = self._switches.scope_key
        return {**dict.fromkeys(keys.get(scope_key, (scope_key,)), words), **answer}

    def _forget_expired(self) -> None:
        """Look for them whenever the tokens kept have doubled."""
        access = self._registry.access
        if len(access) >= self._room:
            now = self._now()
            for mark in [mark for mark, token in access.items() if token.expires_at <= now]:
                del access[mark]
            self._room = max(KEPT_ACCESS_TOKENS, 2 * len(access))


def basic(request: Request) -> tuple[str, str] | None:
    """Return the client's key and secret from HTTP Basic, None when there is no such header."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    return basic_pair(value) or ("", "")
