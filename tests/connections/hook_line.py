"""A vendor that tells of everything by webhook: what it sent, and how it gets to a connection."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

from connections.flows import hook_endpoints
from connections.models import Connection, Delivery, DirtyTarget
from connections.receiving.front import Front
from portal import clock, roles, tenancy
from tests.connections.coding import SPACE
from tests.ingesting import Sender
from tests.integrations.receiving import Received, Receiver
from tests.vendor import Vendor
from tests.works import Works

EVENTS = [
    *("repo:push", "repo:updated", "repo:deleted", "repo:transfer", "repo:commit_status_created"),
    *("repo:commit_status_updated", "pullrequest:created", "pullrequest:updated"),
    *("pullrequest:approved", "pullrequest:unapproved", "pullrequest:fulfilled"),
    *("pullrequest:rejected", "pullrequest:comment_created"),
]


@dataclass
class Line:
    """From the vendor's hook to the address of one connection, with a stop in between."""

    works: Works
    vendor: Vendor
    sender: Sender
    receiver: Receiver

    def sent(self) -> list[Received]:
        """What the vendor has sent since this was asked last."""
        self.vendor.order("/webhooks/settle", seconds=15)
        found, self.receiver.got[:] = list(self.receiver.got), []
        return found

    def deliver(self, messages: Iterable[Received]) -> None:
        """Each is taken in as it came."""
        for one in messages:
            assert posted(self.sender.path, one.headers, one.body) == 202

    def tell(self, body: Any, event: str = "repo:push", **changed: str) -> Delivery:
        """A message that the vendor never sent, with a right signature; the row it became."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        known = {one.id for one in self.sender.deliveries()}
        headers = self.sender.headers(raw, x_event_key=event, **changed)
        assert posted(self.sender.path, headers, raw) == 202
        (made,) = (one for one in self.sender.deliveries() if one.id not in known)
        return made

    def work(self, *, seconds: float = 3) -> None:
        """Workers do what is due, and what is due so much later."""
        self.works.drain()
        with clock.shifted(timedelta(seconds=seconds)):
            self.works.drain()

    def now(self, delivery: Delivery) -> Delivery:
        """The row as it is."""
        (found,) = (one for one in self.sender.deliveries() if one.id == delivery.id)
        return found

    def dirty(self) -> list[DirtyTarget]:
        """What is still to be fetched."""
        with self.works.inside():
            return list(DirtyTarget.objects.exclude(due_at=None).order_by("stream", "-key"))


@contextmanager
def line(
    works: Works, vendor: Vendor, connection: Connection, space: str = SPACE
) -> Iterator[Line]:
    """The vendor's workspace has a hook, which leads to this connection."""
    with tenancy.acting_for(works.acme):
        made = hook_endpoints.make(actor=works.alice, connection=connection)
    works.drain()
    assert made.secret is not None
    secret = made.secret.reveal()
    sender = Sender(
        works, connection, made.endpoint, made.address, secret.encode(), works.acme, works.alice
    )
    with Receiver() as receiver:
        subscribe(vendor, space, receiver.url, secret)
        yield Line(works, vendor, sender, receiver)


def subscribe(vendor: Vendor, space: str, url: str, secret: str) -> None:
    body = {"url": url, "events": EVENTS, "secret": secret, "active": True, "description": "Ours"}
    request = urllib.request.Request(
        f"{vendor.url}/2.0/workspaces/{space}/hooks", json.dumps(body).encode(), method="POST"
    )
    token = base64.b64encode(f"dana@acme.example:{vendor.token('dana-full')}".encode()).decode()
    request.add_header("Authorization", f"Basic {token}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201


def posted(path: str, headers: dict[str, str], body: bytes, **changed: Any) -> int:
    """What the ingest process's application answers, without its server. Its caches are new."""
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": path}
    environ |= {"HTTP_" + k.upper().replace("-", "_"): v for k, v in headers.items()}
    environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    environ |= {"wsgi.input": BytesIO(body), "wsgi.url_scheme": "http"} | changed
    told: list[str] = []
    with roles.using_role("ingest"), closing(Front()) as front:
        b"".join(front(environ, lambda status, _: told.append(status)))
    return int(told[0].split()[0])
