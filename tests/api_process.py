"""A real api process for tests and benchmarks: granian, its own keys, its own database role."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from django.db import IntegrityError, connections
from launcher import programs

from portal import keyfile, keyring, roles
from tests.vendor import free_port
from tests.works import ROOT, Works

START_SECONDS = 60


class ApiProcess:
    """Serves this test's database on a port of its own until `stop`."""

    def __init__(
        self, works: Works, *, application: str = "portal.wsgi:application", **settings: str
    ) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        threads = settings.get("API_THREADS", str(programs.API_THREADS))
        command = [sys.executable, "-m", "granian", application, "--interface", "wsgi", "--no-ws"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--http", "1"]
        command += ["--workers", "1", "--blocking-threads", threads, "--no-log"]
        keys = works.worker_keys.with_name("api.json")
        prove(keys)
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(keys, self.url) | settings,
            stdout=subprocess.DEVNULL,
            stderr=(errors := works.worker_keys.with_name("api.log").open("w")),
            start_new_session=True,
        )
        errors.close()
        self._wait(works.worker_keys.with_name("api.log"))

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), urlopen(f"{self.url}/api/v1/", timeout=5):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the api process did not start: {log.read_text()[-2000:]}")

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


def environment(keys: Path, url: str) -> dict[str, str]:
    """What an api process of this test needs: its database and its own keys."""
    name = connections["default"].settings_dict["NAME"]
    return os.environ | {
        "PORTAL_PROCESS": "api",
        "API_URL": url,
        "DATABASE_URL": re.sub(r"/[^/?]*\?", f"/{name}?", os.environ["DATABASE_URL"]),
        "KEYRING_FILE": str(keys),
        "LOG_LEVEL": "WARNING",
    }


def prove(keys: Path) -> None:
    """Leave the sentinels that the process looks for as it starts, if nobody has yet."""
    ring = keyfile.parse(keys.read_text(), "api")
    with roles.using_role("owner"), suppress(IntegrityError):
        keyring.plant([ring])
