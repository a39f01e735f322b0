"""bin/manage: a management command with the environment of the portal that bin/run has started."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from launcher import programs
from launcher.layout import plan
from launcher.postgres import binaries

# They log in above row-level security, which only the account that started PostgreSQL may.
ADMINISTRATORS = ("backup", "restore_drill")
AS_WORKER = ("send_fixture",)  # it opens a secret


def main(root: Path, arguments: list[str]) -> int:
    place = plan(root, root / os.environ.get("PORTAL_VAR", "var"))
    note = place.var / "environment.json"
    started = json.loads(note.read_text()) if note.exists() else {}
    if not started and "DATABASE_URL" not in os.environ:
        raise SystemExit("Start the portal with bin/run first, or set DATABASE_URL.")
    usual = "worker" if arguments[:1] and arguments[0] in AS_WORKER else "manage"
    process = os.environ.get("PORTAL_PROCESS", usual)
    environment = programs.for_process(process, place, started | dict(os.environ))
    if "DATABASE_URL" not in os.environ:
        environment.setdefault("POSTGRES_TOOLS", str(binaries(place)))
    command = [str(place.python), str(root / "manage.py"), *arguments]
    as_portal = {} if arguments[:1] and arguments[0] in ADMINISTRATORS else place.portal.identity()
    return subprocess.call(command, env=environment, **as_portal)
