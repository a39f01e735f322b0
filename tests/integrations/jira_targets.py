"""Jira's sandbox as a target: how it is reached by each method, and what its issues show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connections.contracts import Answer, Api, Reach, WorkspaceRecord
from connections.http import Door
from connections.vendor_api import Authorization, VendorApi
from integrations.jira import CONNECTOR
from integrations.sandbox.running import Sandbox
from tests.contract import QUICK, Standing
from tests.integrations.atlassian_standings import atlassian, consented, exchanged, pasted

CALLBACK = "http://localhost:8000/oauth/jira/callback"


@dataclass(frozen=True)
class Target:
    """The sandbox, the door to it, and how the portal stands before it."""

    sandbox: Sandbox
    door: Door

    def api(self, standing: Standing) -> Api:
        own = standing.method.api_url.format_map(standing.fields)
        return VendorApi(
            door=self.door,
            base=self.door.vendor(own or CONNECTOR.manifest.api_url),
            authorization=Authorization(standing.authorization),
            judge=CONNECTOR.judge,
            limits=QUICK,
        )

    def reach(self, standing: Standing, site: str = "acme") -> Reach:
        return Reach(self.api(standing), self.site(site), standing.fields, standing.method)

    def site(self, name: str) -> WorkspaceRecord:
        rows = atlassian(self.sandbox).describe()["sites"]
        row = next(row for row in rows if row["name"] == name)
        return WorkspaceRecord(row["cloud_id"], name, name, url=row["url"])

    def consent(self, user: str = "dana", app: str = "jira-portal") -> Standing:
        return consented(self.sandbox, CONNECTOR, app, user)

    def token(self, key: str, name: str) -> Standing:
        return pasted(self.sandbox, CONNECTOR, key, name)

    def credentials(self, name: str = "acme-site") -> Standing:
        return exchanged(
            self.sandbox, self.door, CONNECTOR, "site-credentials", "site_credentials", name
        )

    def order(self, path: str, **wish: Any) -> Any:
        """What the sandbox's control port does at this wish."""
        return atlassian(self.sandbox).by_path[path](wish)

    def spoil(self, **wish: Any) -> None:
        self.sandbox.faults.order(wish)

    def issue(self, key: str, part: str) -> list[Any]:
        """A list of the REST API at an issue, as a site administrator reads it."""
        reach = self.reach(self.token("classic-token", "dana-classic"))
        answer = reach.api.get(f"rest/api/3/issue/{key}/{part}")
        body = answer.body
        return list(body if isinstance(body, list) else body[f"{part}s"])

    def status(self, key: str) -> str:
        reach = self.reach(self.token("classic-token", "dana-classic"))
        body = reach.api.get(f"rest/api/3/issue/{key}").body
        return str(body["fields"]["status"]["name"])


@dataclass
class Heard:
    """An Api that passes everything on and keeps what was sent."""

    api: Api
    sent: list[tuple[str, str, object]] = field(default_factory=list)

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
        return self.api.get(path, accept=accept)

    def send(
        self, method: str, path: str, body: object, *, accept: frozenset[int] = frozenset()
    ) -> Answer:
        self.sent.append((method, path, body))
        return self.api.send(method, path, body, accept=accept)
