"""A receiver of webhooks on a real socket, which answers as it is told and remembers what came."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar

WAIT_SECONDS = 15.0


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`statuses` are answered in turn, then 202; 0 hangs until the receiver is closed."""

    statuses: list[int] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)

    def __enter__(self) -> Receiver:
        self._closing = threading.Event()
        answering = type("Answering", (Answering,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), answering)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/in?x=1"

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.got.append(Received(headers, body))
        status = self.statuses.pop(0) if self.statuses else 202
        if status == 0:
            self._closing.wait(WAIT_SECONDS)
        return status or 500

    def wait(self, count: int) -> list[Received]:
        """Wait for so many deliveries and return them. Raises AssertionError when they stay out."""
        until = time.monotonic() + WAIT_SECONDS
        while len(self.got) < count and time.monotonic() < until:
            time.sleep(0.01)
        assert len(self.got) >= count, f"{len(self.got)} of {count} came"
        return self.got


class Answering(BaseHTTPRequestHandler):
    receiver: ClassVar[Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.receiver.take({k.lower(): v for k, v in self.headers.items()}, body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass
