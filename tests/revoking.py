"""A vendor's revocation endpoint as RFC 7009 has it, for a connector that claims one in tests."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from connections import access, registry
from integrations.bitbucket_cloud import CONNECTOR
from tests.vendor import Vendor

ADDRESS = "https://revoke.bitbucket.org"


@dataclass
class Revocation:
    """What it was asked, and how it answers from now on; `seconds` is how long that takes."""

    status: int = 200
    seconds: float = 0.0
    tokens: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)

    def asked(self, form: dict[str, list[str]], authorization: str) -> int:
        self.tokens.append(form["token"][0])
        self.hints.append(form["token_type_hint"][0])
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        self.clients.append(unquote(pair.partition(":")[0]))
        time.sleep(self.seconds)
        return self.status


def serve(book: Revocation) -> ThreadingHTTPServer:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            status = book.asked(form, self.headers.get("Authorization", ""))
            self.send_response(status if self.path == "/oauth2/revoke" else 404)
            body = b'{"error": "unsupported_token_type"}' if status == 400 else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    return server


@pytest.fixture
def revocation(vendor: Vendor, settings: Any, monkeypatch: Any) -> Iterator[Revocation]:
    """Bitbucket Cloud as if it had a revocation endpoint, on an origin of its own."""
    book = Revocation()
    server = serve(book)
    url = f"http://127.0.0.1:{server.server_port}"
    settings.SANDBOX_ORIGINS = [*settings.SANDBOX_ORIGINS, url]
    settings.CONNECTOR_ORIGINS = settings.CONNECTOR_ORIGINS | {ADDRESS: url}
    access.door.cache_clear()
    manifest = CONNECTOR.manifest
    assert manifest.oauth is not None
    oauth = replace(manifest.oauth, revoke_url=f"{ADDRESS}/oauth2/revoke")
    one = replace(CONNECTOR, manifest=replace(manifest, oauth=oauth))
    monkeypatch.setitem(registry.connectors(), manifest.slug, one)
    yield book
    server.shutdown()
    server.server_close()
