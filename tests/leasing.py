"""Another service in front of the api process: its key, its asks, and what it reads.

Requests go through the process's own addresses and middleware, as its own database role.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.test import Client, override_settings

from connections.api import pace
from connections.flows import service_keys
from connections.flows.service_keys import Limits
from connections.models import Connection, Lease, ServiceKey
from portal import roles
from portal.models import Organization
from portal.policy import Actor
from tests.works import Works

MIDDLEWARE = [
    "portal.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.SecurityHeadersMiddleware",
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
        headers = body.pop("headers", {})
        return self.request(
            "POST",
            f"/api/v1/connections/{name}/token",
            data=json.dumps(body),
            content_type="application/json",
            headers=headers,
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


@contextmanager
def at_the_api() -> Iterator[None]:
    """Inside, requests meet what the api process is made of."""
    with override_settings(**API), roles.using_role("api"):
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


def linked(organization: Organization, name: str, **facts: Any) -> Connection:
    """A row of a connection, for tests that need many and no vendor."""
    values = {
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
