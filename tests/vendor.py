"""The sandbox for tests: one process per session, reset between tests, reached over sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from connections import access
from integrations.sandbox.vendors import origins

ROOT = Path(__file__).resolve().parent.parent
VENDORS = ("https://api.bitbucket.org", "https://bitbucket.org")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Vendor:
    """The sandbox's two ports: what the portal calls, and where faults are ordered."""

    def __init__(self, *options: str) -> None:
        port, control = free_port(), free_port()
        self.url, self.control_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{control}"
        callback = f"{settings.PORTAL_URL}/oauth/bitbucket-cloud/callback"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "integrations.sandbox", "--quiet", *options),
                *("--port", str(port), "--control-port", str(control), "--callback", callback),
            ],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
        )
        self._wait()
        self.known = self.state()

    def _wait(self) -> None:
        for _ in range(100):
            try:
                self.state()
                return
            except urllib.error.URLError:
                time.sleep(0.05)
        raise RuntimeError("the sandbox did not start")

    @property
    def origins(self) -> dict[str, str]:
        """Where the sandbox stands in for each vendor's origin."""
        return origins(self.url)

    @property
    def sandboxes(self) -> list[str]:
        """The sandbox's own origins."""
        return list(dict.fromkeys(self.origins.values()))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def state(self) -> Any:
        return self._ask("GET", "/state")

    def order(self, path: str, **wish: Any) -> Any:
        """What the control port answers to this wish: `order("/faults", match=…, kind=…)`."""
        return self._ask("POST", path, wish)

    def ask(self, path: str) -> Any:
        """What the control port says at this path."""
        return self._ask("GET", path)

    def requests(self) -> list[dict[str, Any]]:
        found = self._ask("GET", "/requests")
        return list(found["requests"] if isinstance(found, dict) else found)

    def token(self, name: str) -> str:
        """The demo token of this name ("dana-full")."""
        return str(
            next(t["token"] for t in self.known["tokens"] if t["about"].startswith(f"{name}:"))
        )

    def consumer(self, name: str) -> dict[str, Any]:
        return next(dict(c) for c in self.known["consumers"] if c["name"] == name)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control_url + path, content, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def vendor_process() -> Iterator[Vendor]:
    vendor = Vendor()
    yield vendor
    vendor.stop()


@pytest.fixture
def vendor(vendor_process: Vendor, settings: Any) -> Iterator[Vendor]:
    """The sandbox in its first state, with the portal's calls led to it."""
    vendor_process.order("/reset")
    settings.SANDBOX_ORIGINS = vendor_process.sandboxes
    settings.CONNECTOR_ORIGINS = vendor_process.origins
    access.door.cache_clear()
    yield vendor_process
    access.door.cache_clear()
