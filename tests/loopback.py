"""Plain sockets for tests: a server that says what it is told, and a door that reaches it."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Scripted:
    """A server on loopback: answers in turn, the last one for ever, and keeps what came."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.seen: list[Seen] = []
        self.url = ""

    def answer(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class _Silent(BaseHTTPRequestHandler):
    server: Any

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        seen = Seen(
            method=self.command,
            path=self.path,
            headers={k.lower(): v for k, v in self.headers.items()},
            body=self.rfile.read(length),
        )
        reply = self.server.script.answer(seen)
        self.send_response_only(reply.status)
        for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, *_arguments: object) -> None:
        return


@contextmanager
def serving(script: Scripted) -> Iterator[Scripted]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Silent)
    server.script = script
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class PlainResponse:
    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_seconds: float
    request: str


class PlainDoor:
    """One request on one connection, as the real door speaks but without its locks."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        origin: object = None,
        limits: object = None,
        deadline_seconds: float = 10,
        reuse: bool = False,
    ) -> PlainResponse:
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection = http.client.HTTPConnection(parts.netloc, timeout=deadline_seconds)
        began = time.monotonic()
        try:
            connection.request(method, target, body=body, headers=dict(headers))
            raw = connection.getresponse()
            content = raw.read()
        finally:
            connection.close()
        return PlainResponse(
            status=raw.status,
            headers={name.lower(): value for name, value in raw.getheaders()},
            body=content,
            latency_seconds=time.monotonic() - began,
            request=f"{method} {parts.path}",
        )
