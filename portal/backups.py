"""Back-ups with PostgreSQL's own tools: one file out, one scratch database in.

Row-level security is forced on every tenant table, so a dump needs a role above it: the cluster's
superuser, or one made for this with BYPASSRLS. No process of the portal holds that role.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from django.conf import settings

from portal import env


class BackupFailed(RuntimeError):
    """One of PostgreSQL's tools ended badly; the text is its own."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is, and as whom the tools log in."""

    host: str
    port: str
    role: str
    password: str = ""

    def run(self, tool: str, *arguments: str) -> None:
        """One of PostgreSQL's tools has done this; raises BackupFailed with what it said."""
        program = shutil.which(tool, path=settings.POSTGRES_TOOLS or None)
        if program is None:
            raise BackupFailed(f"{tool} is not here. Set POSTGRES_TOOLS to the folder that has it.")
        where = ["--host", self.host] if self.host else []
        where += ["--port", self.port] if self.port else []
        environment = env.for_child(**{"PGPASSWORD": self.password} if self.password else {})
        done = subprocess.run(  # noqa: S603  a tool of PostgreSQL, found by name
            [program, *where, "--username", self.role, "--no-password", *arguments],
            capture_output=True,
            text=True,
            env=environment,
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise BackupFailed(f"{tool}: {said[:300]}")


def server(role: str) -> Server:
    """The server of DATABASE_URL, logged in to as `role`."""
    place: dict[str, Any] = settings.DATABASES["owner"]
    return Server(str(place["HOST"]), str(place["PORT"]), role, str(place["PASSWORD"]))


def dump(at: Server, target: Path) -> None:
    """The whole database is in this file, readable by its owner only."""
    database = str(settings.DATABASES["owner"]["NAME"])
    before = os.umask(0o077)
    try:
        at.run("pg_dump", "--format=custom", "--file", str(target), database)
    finally:
        os.umask(before)


@contextmanager
def scratch(at: Server, source: Path) -> Iterator[str]:
    """The name of a database filled from this dump, gone afterwards."""
    name = f"portal_drill_{token_hex(4)}"
    at.run("createdb", "--template=template0", "--encoding=UTF8", name)
    try:
        at.run("pg_restore", "--exit-on-error", "--dbname", name, str(source))
        yield name
    finally:
        at.run("dropdb", "--force", "--if-exists", name)
