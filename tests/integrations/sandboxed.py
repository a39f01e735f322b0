"""The sandbox in a thread, and a plain HTTP client for it, for the sandbox's own tests."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from integrations.sandbox.running import Sandbox

CALLBACK = "http://localhost:8000/oauth/bitbucket-cloud/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:-1]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Speaks to one sandbox, each request on its own connection."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.known = self.control("GET", "/state").json

    def send(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 5.0,
    ) -> Reply:
        """Send to the vendors' port; an absolute address goes where it says."""
        parts = urlsplit(address if address.startswith("http") else self._sandbox.url + address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, target, body=body, headers=dict(headers or {}))
            raw = connection.getresponse()
            given = {name.lower(): value for name, value in raw.getheaders()}
            return Reply(raw.status, given, raw.read())
        finally:
            connection.close()

    def control(self, method: str, path: str, **wish: object) -> Reply:
        body = json.dumps(wish).encode() if method == "POST" else None
        return self.send(method, self.control_url + path, body=body)

    @property
    def control_url(self) -> str:
        return self._sandbox.control_url

    def order(self, kind: str, match: str, **options: object) -> None:
        """Order a fault."""
        reply = self.control("POST", "/faults", kind=kind, match=match, **options)
        assert reply.status == 200, reply.text

    def requests(self, path: str = "*") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", f"/requests?path={path}").json["requests"]
        return found

    # ── credentials ───────────────────────────────────────────────────────────────────────────

    def consumer(self, name: str = "acme-portal") -> dict[str, Any]:
        return next(row for row in self.known["consumers"] if row["name"] == name)

    def static(self, name: str) -> dict[str, Any]:
        return next(row for row in self.known["tokens"] if row["about"].startswith(f"{name}:"))

    def as_token(self, name: str) -> dict[str, str]:
        """Return the headers with which a known token authenticates."""
        row = self.static(name)
        if row["email"]:
            return basic(row["email"], row["token"])
        return {"Authorization": f"Bearer {row['token']}"}

    def get(self, path: str, name: str = "dana-full", **headers: str) -> Reply:
        """GET below /2.0 as one of the known tokens, or without any when `name` is empty."""
        sent = self.as_token(name) if name else {}
        address = path if path.startswith("http") else f"/2.0{path}"
        return self.send("GET", address, headers={**sent, **headers})

    # ── OAuth ─────────────────────────────────────────────────────────────────────────────────

    def authorize(
        self,
        user: str = "dana",
        consumer: str = "acme-portal",
        *,
        decision: str = "grant",
        **more: str,
    ) -> dict[str, str]:
        """Fill in the consent form; return what the callback is told."""
        fields = {
            "client_id": self.consumer(consumer)["key"], "response_type": "code", "state": "s-1",
            "user": user, "decision": decision, **more,
        }  # fmt: skip
        reply = self.form("/site/oauth2/authorize", fields)
        assert reply.status == 302, reply.text
        answer = parse_qs(urlsplit(reply.headers["location"]).query)
        return {name: values[0] for name, values in answer.items()}

    def token(self, consumer: str = "acme-portal", **fields: str) -> Reply:
        row = self.consumer(consumer)
        return self.form("/site/oauth2/access_token", fields, basic(row["key"], row["secret"]))

    def link(self, user: str = "dana", consumer: str = "acme-portal") -> dict[str, Any]:
        """Go through consent and exchange; return the token answer."""
        code = self.authorize(user, consumer)["code"]
        reply = self.token(consumer, grant_type="authorization_code", code=code)
        assert reply.status == 200, reply.text
        found: dict[str, Any] = reply.json
        return found

    def refresh(self, refresh_token: str, consumer: str = "acme-portal") -> Reply:
        return self.token(consumer, grant_type="refresh_token", refresh_token=refresh_token)

    def form(
        self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Reply:
        kind = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.send("POST", path, headers=kind, body=urlencode(fields).encode())


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(answer: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer['access_token']}"}


def running() -> Sandbox:
    return Sandbox(callbacks=[CALLBACK])
