"""Another service in front of the api process: its key, its asks, and what it reads.

Requests go through the process's own addresses and middleware, as its own database role.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.test import Client, override_settings

from connections import places
from connections.api import pace
from connections.flows import service_keys
from connections.flows.service_keys import Limits
from connections.models import Connection, Credential, Lease, ServiceKey
from portal import clock, roles, vault
from portal.models import Organization, Team
from portal.policy import Actor
from portal.secret import Secret
from tests.works import Works

MIDDLEWARE = [
    "portal.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.SecurityHeadersMiddleware",
    "connections.api.exposure.ExposedKeyMiddleware",
    "portal.problem_details.ProblemMiddleware",
    "django.middleware.common.CommonMiddleware",
]
API = {"ROOT_URLCONF": "portal.api_urls", "MIDDLEWARE": MIDDLEWARE, "APPEND_SLASH": False}
EVERYTHING = ["connections:read", "tokens:read", "tokens:write"]


@dataclass
class Service:
    """A service with a key; `whole` is what it sends."""

    works: Works
    key: ServiceKey
    whole: str

    def request(self, method: str, path: str, **options: Any) -> HttpResponse:
        """Any request with the key in its place; `headers` are added."""
        headers = {"Authorization": f"Bearer {self.whole}"} | options.pop("headers", {})
        with at_the_api():
            client = Client(raise_request_exception=False)
            return client.generic(method, path, headers=headers, **options)

    def ask(self, connection: Connection | UUID | str, **body: Any) -> HttpResponse:
        """Ask for a token; a reason is given unless the test gives one."""
        name = connection.id if isinstance(connection, Connection) else connection
        body.setdefault("reason", "a nightly report")
        headers, address = body.pop("headers", {}), body.pop("address", "127.0.0.1")
        return self.request(
            "POST",
            f"/api/v1/connections/{name}/token",
            data=json.dumps(body),
            content_type="application/json",
            headers=headers,
            REMOTE_ADDR=address,
        )

    def get(self, path: str, **options: Any) -> HttpResponse:
        return self.request("GET", f"/api/v1/{path}", **options)

    def leases(self) -> list[Lease]:
        """What is on record of this key, the oldest first."""
        with self.works.inside():
            found = Lease.objects.filter(service_key_id=self.key.id)
            return list(found.order_by("at", "id"))

    def reloaded(self) -> ServiceKey:
        with self.works.inside():
            found: ServiceKey = ServiceKey.objects.get(id=self.key.id)
            return found


class _Api:
    """The settings of the api process: the first thread in sets them, the last one out undoes it.

    Each thread for itself would restore what another one had set, and for good.
    """

    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0
        self.settings = override_settings(**API)

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.settings.enable()
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.settings.disable()


_api = _Api()


@contextmanager
def at_the_api() -> Iterator[None]:
    """Inside, requests meet what the api process is made of."""
    with _api, roles.using_role("api"):
        yield


def service(works: Works, *, by: Actor | None = None, **limits: Any) -> Service:
    """A new service whose key may do everything, unless the test limits it."""
    pace.forget()
    wanted: dict[str, Any] = {
        "scopes": EVERYTHING,
        "connectors": ["bitbucket-cloud"],
        "connections": [],
        "networks": [],
        "distinct_per_hour": 20,
        "expires_at": None,
    }
    with works.inside():
        made = service_keys.create(
            actor=by or works.admin,
            name=limits.pop("name", f"Service {uuid4().hex[:8]}"),
            limits=Limits(**(wanted | limits)),
            key=uuid4(),
        )
    assert made.whole is not None
    return Service(works, made.key, made.whole.reveal())


def with_token(
    works: Works, name: str = "Acme code", *, hours: float = 2, text: str = "", **facts: Any
) -> Connection:
    """A connection whose access token is sealed and lives so long; no vendor knows of it."""
    with works.inside():
        connection = linked(works.acme, name, **facts)
        credential = Credential(
            organization_id=works.acme.id,
            connection=connection,
            kind="access_token",
            vocabulary="oauth",
            scopes=["account", "repository"],
            expires_at=clock.now() + timedelta(hours=hours),
            refreshed_at=clock.now() - timedelta(hours=2 - hours),
            refreshable=True,
        )
        credential.save(force_insert=True)
    with roles.using_role("worker"), works.inside():
        place = places.of_credential(credential, places.ACCESS)
        vault.keep(place, Secret(text or f"token-of-{connection.id}"))
    return connection


def linked(organization: Organization, name: str, **facts: Any) -> Connection:
    """A row of a connection of a team of its own, for tests that need many and no vendor."""
    values = {
        "team": Team.objects.create(name=name),
        "connector": "bitbucket-cloud",
        "method": "oauth",
        "name": name,
        "account_id": uuid4().hex,
        "account_name": name,
        "account_kind": "user",
        "state": Connection.State.ACTIVE,
        "capabilities": ["repositories-read"],
        **facts,
    }
    made: Connection = Connection.objects.create(organization_id=organization.id, **values)
    return made


def code_of(response: HttpResponse) -> tuple[int, str]:
    """Status and code of a refusal, which is problem details."""
    assert response["Content-Type"] == "application/problem+json", response.content
    body = response.json()
    assert body["status"] == response.status_code and body["request_id"]
    return response.status_code, body.get("code", "")
