"""OAuth 2.0 on the wire, driven by a manifest: where to send people, how to ask. No Django here.

Keeps to RFC 6749 and 7636; `oauth_answers` reads what comes back. One call is one attempt: whether
it may be repeated is decided elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from connections.contracts import OAuth2
from connections.oauth_answers import Response, TokenAnswer as TokenAnswer, read, require_done

DEADLINE_SECONDS = 20.0


# ── Random values ─────────────────────────────────────────────────────────────────────────────


def new_state() -> str:
    """256 random bits that tie a callback to the browser that began."""
    return secrets.token_urlsafe(32)


def new_verifier() -> str:
    """A PKCE code verifier of 384 random bits: 64 characters (RFC 7636 §4.1)."""
    return secrets.token_urlsafe(48)


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 §4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def authorize_url(
    oauth: OAuth2,
    *,
    client_id: str,
    redirect_uri: str,
    state: str,
    scopes: frozenset[str],
    verifier: str,
) -> str:
    """Where the person is sent; only the verifier's challenge is in it."""
    query = {
        **oauth.authorize_params,
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
    }
    wanted = scopes.union(oauth.always)
    if oauth.sends_scope and wanted:
        query["scope"] = " ".join(sorted(wanted))
    if oauth.pkce:
        query |= {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
    joint = "&" if urlsplit(oauth.authorize_url).query else "?"
    return f"{oauth.authorize_url}{joint}{urlencode(query)}"


# ── The token endpoint ────────────────────────────────────────────────────────────────────────


class Door(Protocol):
    """The network door; it raises `Unavailable`, `AnswerLost`, `Blocked` by itself."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        origin: Any,
        limits: Any,
        deadline_seconds: float,
        reuse: bool,
    ) -> Response: ...


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth consumer's key and secret."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """A vendor's token endpoint as one client reaches it.

    `origin` and `limits` are handed to the door as they are; a token answer needs 64 KiB at most.
    """

    oauth: OAuth2
    client: Client
    door: Door
    origin: Any
    limits: Any
    params: Mapping[str, str] = field(default_factory=dict)  # sent along for the client itself

    def exchange(
        self,
        *,
        code: str,
        redirect_uri: str,
        verifier: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> TokenAnswer:
        """The tokens for an authorization code; raises what `judge` names."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if self.oauth.pkce:
            form["code_verifier"] = verifier
        return self._ask(form, deadline_seconds)

    def refresh(
        self, *, refresh_token: str, deadline_seconds: float = DEADLINE_SECONDS
    ) -> TokenAnswer:
        """New tokens for a refresh token; keep the old one when the answer has none (RFC §6)."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._ask(form, deadline_seconds, reuse=True)

    def client_credentials(
        self, *, scopes: frozenset[str], deadline_seconds: float = DEADLINE_SECONDS
    ) -> TokenAnswer:
        """An access token for the client itself."""
        form = {**self.params, "grant_type": "client_credentials"}
        if self.oauth.sends_scope and scopes:
            form["scope"] = " ".join(sorted(scopes))
        return self._ask(form, deadline_seconds, reuse=True)

    def revoke(self, *, token: str, hint: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """The vendor accepts the token no longer (RFC 7009); one that it does not know is none.

        Of a refresh token the whole grant ends. `hint` is "refresh_token" or "access_token".
        """
        form = {"token": token, "token_type_hint": hint}
        require_done(self._sent(self.oauth.revoke_url, form, deadline_seconds), self.oauth)

    def _ask(
        self, form: dict[str, str], deadline_seconds: float, *, reuse: bool = False
    ) -> TokenAnswer:
        return read(self._sent(self.oauth.token_url, form, deadline_seconds, reuse), self.oauth)

    def _sent(
        self, url: str, form: dict[str, str], deadline_seconds: float, reuse: bool = False
    ) -> Response:
        """What is asked again with the same parent when its answer is lost may `reuse` a line."""
        headers = {"accept": "application/json", "content-type": _TYPES[self.oauth.body]}
        if self.oauth.client_auth == "basic":
            headers["authorization"] = _basic(self.client)
        else:
            form |= {"client_id": self.client.client_id, "client_secret": self.client.secret}
        return self.door.send(
            "POST",
            url,
            headers=headers,
            body=_written(form, self.oauth.body),
            origin=self.origin,
            limits=self.limits,
            deadline_seconds=deadline_seconds,
            reuse=reuse,
        )


_TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}


def _written(form: Mapping[str, str], body: str) -> bytes:
    return (json.dumps(form) if body == "json" else urlencode(form)).encode("ascii")


def _basic(client: Client) -> str:
    """Both halves form-encoded before they are joined (RFC 6749 §2.3.1)."""
    pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
