"""A small transit engine on a real socket: AES-GCM with associated data, and versions of keys.

Answers as Vault does: https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "canary-vault-token-5d1f"


class Transit:
    """What the engine holds; `calls` counts what it was asked, and `status` makes it refuse."""

    def __init__(self) -> None:
        self.keys: dict[str, list[AESGCM]] = {}
        self.calls: list[str] = []
        self.status = 200

    def rotate(self, name: str) -> None:
        self.keys.setdefault(name, []).append(AESGCM(os.urandom(32)))

    def answer(self, deed: str, name: str, body: Any) -> tuple[int, dict[str, Any]]:
        self.calls.append(deed)
        if self.status != 200:
            return self.status, {"errors": ["permission denied"]}
        if name not in self.keys:
            self.rotate(name)
        if deed == "keys":
            return 200, {"data": {"latest_version": len(self.keys[name])}}
        found = [getattr(self, f"_{deed}")(self.keys[name], one) for one in body["batch_input"]]
        failed = any("error" in one for one in found)
        return 400 if failed else 200, {"data": {"batch_results": found}}

    def _encrypt(self, versions: list[AESGCM], item: dict[str, str]) -> dict[str, Any]:
        nonce, bound = os.urandom(12), base64.b64decode(item["associated_data"])
        sealed = versions[-1].encrypt(nonce, base64.b64decode(item["plaintext"]), bound)
        text = base64.b64encode(nonce + sealed).decode()
        return {"ciphertext": f"vault:v{len(versions)}:{text}", "key_version": len(versions)}

    def _decrypt(self, versions: list[AESGCM], item: dict[str, str]) -> dict[str, str]:
        _, version, text = item["ciphertext"].split(":")
        raw, bound = base64.b64decode(text), base64.b64decode(item["associated_data"])
        try:
            key = versions[int(version[1:]) - 1].decrypt(raw[:12], raw[12:], bound)
        except InvalidTag:
            return {"error": "cipher: message authentication failed"}
        return {"plaintext": base64.b64encode(key).decode()}


@contextmanager
def served(engine: Transit) -> Iterator[str]:
    """Inside, the engine answers at this address."""

    class Door(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "null")
            _, _, mount, deed, name = self.path.split("/")
            status, content = engine.answer(deed, name, body)
            if self.headers["X-Vault-Token"] != TOKEN or mount != "transit":
                status, content = 403, {"errors": ["permission denied"]}
            raw = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = _serve

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
