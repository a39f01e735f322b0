"""A client of the sandbox's Atlassian: each of its hosts, and what the demo cast holds."""

from __future__ import annotations

import base64
import json
from typing import Any

from integrations.sandbox import vendors
from integrations.sandbox.running import Sandbox
from tests.integrations.sandboxed import Client, Reply

CALLBACK = "http://localhost:8000/oauth/bitbucket-cloud/callback"
ACME, API = "https://acme.atlassian.net", "https://api.atlassian.com"


class Atlassian(Client):
    """Speaks to each of Atlassian's hosts."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.places = vendors.origins(sandbox.url)
        self.facts = self.known["vendors"]["atlassian"]
        self.cloud_id = self.facts["sites"][0]["cloud_id"]

    def row(self, kind: str, name: str) -> dict[str, Any]:
        return next(dict(row) for row in self.facts[kind] if row["name"] == name)

    def basic(self, name: str) -> dict[str, str]:
        token = self.row("tokens", name)
        pair = base64.b64encode(f"{token['email']}:{token['token']}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def ask(self, method: str, address: str, headers: dict[str, str], body: object = None) -> Reply:
        """`address` begins with the vendor's real origin."""
        real = next(each for each in self.places if address.startswith(f"{each}/"))
        sent = None if body is None else json.dumps(body).encode()
        typed = {"Content-Type": "application/json", **headers}
        where = self.places[real] + address.removeprefix(real)
        return self.send(method, where, headers=typed, body=sent)

    def token(self, **fields: str) -> Reply:
        return self.ask("POST", "https://auth.atlassian.com/oauth/token", {}, fields)

    def provider(self, name: str = "acme-site") -> dict[str, str]:
        client = self.row("site_credentials", name)
        keys = {"client_id": client["client_id"], "client_secret": client["secret"]}
        found = self.token(grant_type="client_credentials", **keys).json
        assert found["expires_in"] == 900 and "refresh_token" not in found
        return {"Authorization": f"Bearer {found['access_token']}"}

    def refresh(self, text: str) -> Reply:
        app = self.row("apps", "jira-portal")
        keys = {"client_id": app["key"], "client_secret": app["secret"]}
        return self.token(grant_type="refresh_token", refresh_token=text, **keys)

    def grant(self, app: str = "jira-portal") -> dict[str, Any]:
        made = self.control("POST", "/atlassian/grants", app=app, user="dana").json
        return dict(made["grants"][0])

    def submit(self, kind: str, body: object, headers: dict[str, str]) -> Reply:
        at = f"{API}/jira/{kind}/0.1/cloud/{self.cloud_id}/bulk"
        return self.ask("POST", at, headers, body)
