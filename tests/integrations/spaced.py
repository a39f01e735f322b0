"""The Space sandbox without a socket, and who may ask it, for the sandbox's own tests."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from integrations.sandbox.clock import Clock
from integrations.sandbox.http import Request
from integrations.sandbox.jetbrains_space.vendor import CLOUD, JetBrainsSpace

CALLBACK = "http://localhost:8000/oauth/jetbrains-space/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:-1]
FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Space:
    """Speaks to one organization as each of its credentials."""

    def __init__(self, origin: str = CLOUD) -> None:
        self.clock = Clock()
        self.vendor = JetBrainsSpace(self.clock, lambda slug: [CALLBACK])
        self.origin = origin

    @property
    def registry(self) -> Any:
        return self.vendor.organizations[self.origin].registry

    def token(self, name: str) -> str:
        return next(t.token for t in self.registry.tokens.values() if t.name == name)

    def send(
        self, method: str, path: str, query: str = "", body: bytes = b"", **headers: str
    ) -> Reply:
        request = Request(method, path, query, {"host": "space", **headers}, body)
        told = self.vendor.answer(request, self.origin)
        return Reply(told.status, told.headers, told.body)

    def ask(
        self, method: str, path: str, as_: str, *, body: Any = None, **query: object
    ) -> tuple[Reply, str, bytes]:
        """The answer to one of the known tokens, with the query and body that were sent."""
        sent = b"" if body is None else json.dumps(body).encode()
        words = urlencode({f"${k[1:]}" if k.startswith("_") else k: v for k, v in query.items()})
        bearer = f"Bearer {self.token(as_)}"
        reply = self.send(method, f"/api/http{path}", words, sent, authorization=bearer)
        return reply, words, sent

    # ── OAuth ─────────────────────────────────────────────────────────────────────────────────

    def consent(self, **changes: str) -> Reply:
        fields = {
            "response_type": "code",
            "client_id": "acme-space-portal",
            "redirect_uri": CALLBACK,
            "scope": "global:Profile.View global:Project.View",
            "state": "s-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "access_type": "offline",
            "user": "dana",
            "decision": "grant",
            **changes,
        }
        return self.send("POST", "/oauth/auth", "", urlencode(fields).encode(), **FORM)

    def told(self, reply: Reply) -> dict[str, str]:
        """What the callback is told."""
        answer = parse_qs(urlsplit(reply.headers["Location"]).query)
        return {name: values[0] for name, values in answer.items()}

    def exchange(self, client: str = "acme-space-portal", **fields: str) -> Reply:
        app = self.registry.apps[client]
        pair = base64.b64encode(f"{client}:{fields.pop('secret', app.secret)}".encode()).decode()
        form = urlencode(fields).encode()
        return self.send("POST", "/oauth/token", "", form, authorization=f"Basic {pair}", **FORM)

    def by_code(self, **changes: str) -> Reply:
        code = self.told(self.consent(**changes))["code"]
        return self.exchange(
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
        )

    def refresh(self, refresh_token: str) -> Reply:
        return self.exchange(grant_type="refresh_token", refresh_token=refresh_token)
