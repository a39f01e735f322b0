"""bin/test: lint, types and the migration check, then the tests; their summary comes last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from launcher import chromium
from launcher.packages import say

HELP = """usage: bin/test [pytest arguments]

Without arguments: ruff, mypy, the check for missing migrations, then all tests, on two cores.
With arguments: only pytest, with them. Real servers are started for the tests and stopped again.

environment:
  PORTAL_CHROMIUM       the browser to drive
  PORTAL_POSTGRES_BIN   run on these PostgreSQL binaries, such as /usr/lib/postgresql/15/bin
  PORTAL_VALKEY_SERVER  run on this server, such as /usr/bin/redis-server
"""

# In the order of the tests, and dealt out as tests/plugin.py says: the last worker mostly waits.
ALL = ["-n", "5", "--dist", "loadfile", "--no-loadscope-reorder"]
LINTS = (
    ("lint", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("types", ["mypy"]),
    ("missing migrations", ["django", "makemigrations", "--check", "--dry-run"]),
    ("database of the tests", ["tests.prepare"]),
    # Every worker would rewrite the assertions of every test for itself: here it is done once.
    ("bytecode of the tests", ["pytest", "--collect-only", "-qq"]),
)


def main(root: Path, arguments: list[str]) -> int:
    if arguments[:1] in (["--help"], ["-h"]):
        print(HELP)
        return 0
    keep_bytecode(root)
    browser = chromium.find()
    if not arguments and (failed := unpassed(root)):
        print(f"\nbin/test stops here: {failed}", file=sys.stderr)
        return 1
    say("tests")
    command = [sys.executable, "-m", "pytest", *(arguments or ALL)]
    return subprocess.call(command, cwd=root, env=os.environ | {"PORTAL_CHROMIUM": browser})


def keep_bytecode(root: Path) -> None:
    """What Python compiles is kept: in var/ where nothing may be written beside the sources. The
    tests start hundreds of processes, and each would compile Django and all of the portal again."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(root / "var" / "bytecode"))


def unpassed(root: Path) -> str:
    """The first check that finds something, which is printed; "" when none does. All of them run
    at once, because the types take longer than the others together."""
    children = {title: begin(root, command) for title, command in LINTS}
    try:
        for title, child in children.items():
            say(title)
            found = child.communicate()[0]
            if child.returncode:
                print(found, flush=True)
                return title
    finally:
        for child in children.values():
            child.kill()
            child.wait()
    return ""


def begin(root: Path, command: list[str]) -> subprocess.Popen[str]:
    # Settings are imported, nothing is connected to: a check of files needs no server.
    environment = os.environ | {
        "DATABASE_URL": "postgresql://portal_owner@/none?host=/nonexistent",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONWARNINGS": "ignore",
    }
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
