"""bin/manage: a management command with the environment of the portal that bin/run has started."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from launcher import programs
from launcher.layout import plan


def main(root: Path, arguments: list[str]) -> int:
    place = plan(root, root / os.environ.get("PORTAL_VAR", "var"))
    note = place.var / "environment.json"
    started = json.loads(note.read_text()) if note.exists() else {}
    if not started and "DATABASE_URL" not in os.environ:
        raise SystemExit("Start the portal with bin/run first, or set DATABASE_URL.")
    process = os.environ.get("PORTAL_PROCESS", "manage")
    environment = programs.for_process(process, place, started | dict(os.environ))
    command = [str(place.python), str(root / "manage.py"), *arguments]
    return subprocess.call(command, env=environment, **place.portal.identity())
