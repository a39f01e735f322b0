"""Almanac's other side, on a loopback port of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "a-token-of-the-almanac-0001"
ORIGIN = "https://api.almanac.example"
ANSWERS = {
    "/v1/me": {"id": 7, "name": "Selene", "scopes": ["read"]},
    "/v1/shelves": {"shelves": ["tides", "moons"]},
    "/v1/shelves/tides": {"name": "tides"},
}


class Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        found = ANSWERS.get(self.path)
        status = 401 if not known else 200 if found else 404
        body = json.dumps(found if status == 200 else {"message": "no"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def standing() -> Iterator[str]:
    """Where it answers, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
