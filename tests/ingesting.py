"""A real ingest process for tests and benchmarks, and a vendor that sends to it.

The process is granian with its own keys and its own database role. Valkey is out of its reach, as
nothing that it promises needs it.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.db import IntegrityError, connections
from launcher.programs import INGEST_THREADS

from connections import registry
from connections.contracts import HookRules
from connections.flows import hook_endpoints
from connections.models import Connection, Delivery, HookEndpoint
from connections.receiving import signature
from portal import keyfile, keyring, roles, tenancy
from portal.models import Organization, Team
from portal.policy import Actor
from tests.vendor import ROOT, free_port
from tests.works import Works

START_SECONDS = 60
CLOUD = "bitbucket-cloud"
NOWHERE = "redis://127.0.0.1:1/0"
APPLICATION = "portal.wsgi:application"


class IngestProcess:
    """Takes webhooks in for this test's database, on a port of its own, until `stop`."""

    def __init__(
        self,
        works: Works,
        *,
        application: str = APPLICATION,
        threads: int = INGEST_THREADS,
        **settings: str,
    ) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "granian", application, "--interface", "wsgi", "--no-ws"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--http", "1", "--no-log"]
        command += ["--workers", "1", "--blocking-threads", str(threads)]
        keys = works.worker_keys.with_name("ingest.json")
        prove(keys)
        log = works.worker_keys.with_name(f"ingest-{self.port}.log")
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(keys) | settings,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self._wait(log)

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                client = self.connect()
                client.request("GET", "/")
                assert client.getresponse().status == 404
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the ingest process did not start: {log.read_text()[-2000:]}")

    def kill(self) -> None:
        """`kill -9` of the server and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)


def environment(keys: Path) -> dict[str, str]:
    """What an ingest process of this test needs: its database and its own keys."""
    name = connections["default"].settings_dict["NAME"]
    return os.environ | {
        "PORTAL_PROCESS": "ingest",
        "DATABASE_URL": re.sub(r"/[^/?]*\?", f"/{name}?", os.environ["DATABASE_URL"]),
        "KEYRING_FILE": str(keys),
        "REDIS_URL": NOWHERE,
        "LOG_LEVEL": "WARNING",
    }


def prove(keys: Path, process: str = "ingest") -> None:
    """Leave the sentinel that the process looks for as it starts, if nobody has yet."""
    ring = keyfile.parse(keys.read_text(), process)
    with roles.using_role("owner"), suppress(IntegrityError):
        keyring.plant([ring])


@contextmanager
def process(works: Works, **settings: Any) -> Iterator[IngestProcess]:
    running = IngestProcess(works, **settings)
    try:
        yield running
    finally:
        running.stop()


# ── Who sends ─────────────────────────────────────────────────────────────────────────────────


@dataclass
class Reply:
    """What the sender got."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Sender:
    """A vendor that knows one connection's address and secret."""

    works: Works
    connection: Connection
    endpoint: HookEndpoint
    address: str
    secret: bytes
    organization: Organization
    actor: Actor
    rules: HookRules = field(init=False)

    def __post_init__(self) -> None:
        found = registry.get(self.connection.connector).manifest.hooks
        assert found is not None
        self.rules = found

    @property
    def path(self) -> str:
        return urlsplit(self.address).path

    def headers(self, body: bytes, **changed: str | None) -> dict[str, str]:
        """As the vendor sends them; a changed one is named in words_with_underscores."""
        usual = {
            "content-type": "application/json",
            self.rules.event: "repo:push",
            self.rules.delivery: str(uuid4()),
            self.rules.signature: signature.signed(self.rules, self.secret, body),
        }
        named = {name.replace("_", "-"): value for name, value in changed.items()}
        return {k: v for k, v in (usual | named).items() if v is not None}

    def send(
        self,
        at: IngestProcess,
        body: bytes = b"{}",
        *,
        path: str = "",
        method: str = "POST",
        **changed: str | None,
    ) -> Reply:
        """One delivery; the answer whatever it is."""
        return sent(at, method, path or self.path, body, self.headers(body, **changed))

    def signed_by(self, secret: bytes, body: bytes) -> str:
        return signature.signed(self.rules, secret, body)

    def deliveries(self) -> list[Delivery]:
        """What is stored, the oldest first."""
        with self.works.inside(self.organization):
            found = Delivery.objects.filter(endpoint_id=self.endpoint.id)
            return list(found.order_by("received_at", "id"))

    def change(self, **values: object) -> None:
        """The endpoint's row is like this from now on."""
        with self.works.inside(self.organization):
            HookEndpoint.objects.filter(id=self.endpoint.id).update(**values)


def sent(
    at: IngestProcess, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> Reply:
    client = at.connect()
    client.request(method, path, body, dict(headers))
    answer = client.getresponse()
    reply = Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    client.close()
    return reply


def sender(
    works: Works,
    name: str = "hooks",
    *,
    connector: str = CLOUD,
    organization: Organization | None = None,
    actor: Actor | None = None,
) -> Sender:
    """A connection whose address accepts deliveries, as a person and a worker make it."""
    home, by = organization or works.acme, actor or works.alice
    with works.inside(home):
        team = Team.objects.create(name=f"Team of {name}")  # each team has one without asking
        connection = Connection.objects.create(
            name=name, connector=connector, account_id=name, state="active", team=team
        )
    with tenancy.acting_for(home):
        made = hook_endpoints.make(actor=by, connection=connection)
    works.drain()
    assert made.secret is not None
    return Sender(
        works, connection, made.endpoint, made.address, made.secret.reveal().encode(), home, by
    )


def rotate(vendor: Sender, *, ends_former: bool = False) -> None:
    """The vendor has a new secret, and a worker has kept it."""
    with tenancy.acting_for(vendor.organization):
        made = hook_endpoints.rotate_secret(
            actor=vendor.actor, connection=vendor.connection, ends_former=ends_former
        )
    vendor.works.drain()
    assert made.secret is not None
    vendor.secret = made.secret.reveal().encode()


def raw(at: IngestProcess, request: bytes, *, ends: bool = False) -> bytes:
    """What comes back for exactly these bytes; `ends` says that nothing follows."""
    with socket.create_connection(("127.0.0.1", at.port), timeout=10) as line:
        line.sendall(request)
        if ends:
            line.shutdown(socket.SHUT_WR)
        found = b""
        while not (b"\r\n\r\n" in found and found.rstrip().endswith(b"}")):
            part = line.recv(65536)
            if not part:
                break
            found += part
        return found


def head(vendor: Sender, body: bytes, *lines: str, **changed: str | None) -> bytes:
    """Request line and headers as bytes, without a length."""
    named = [f"{name}: {value}" for name, value in vendor.headers(body, **changed).items()]
    return "\r\n".join(
        [f"POST {vendor.path} HTTP/1.1", "host: hooks.test", *named, *lines, "", ""]
    ).encode()
