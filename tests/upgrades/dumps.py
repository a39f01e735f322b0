"""Dumps a database as SQL and fills one from such a dump, with PostgreSQL's own tools."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

from launcher.postgres import SUPERUSER

# PostgreSQL 17 and later write it and earlier ones refuse it; psql's guard is a random word.
UNWANTED = re.compile(r"^(SET transaction_timeout|\\(un)?restrict ).*\n", re.MULTILINE)


def dump(tools: Path, socket: Path, database: str, *options: str) -> str:
    """The database as SQL, the same text for the same content."""
    command = [tools / "pg_dump", "--host", socket, "--username", SUPERUSER, *options, database]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return UNWANTED.sub("", done.stdout)


def restore(tools: Path, socket: Path, database: str, text: str) -> None:
    """Fill an empty database; raises CalledProcessError at the first statement that fails."""
    command = [tools / "psql", "--host", socket, "--username", SUPERUSER, "--dbname", database]
    command += ["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null"]
    subprocess.run(command, check=True, input=text.encode())


def unpack(source: Path) -> str:
    return gzip.decompress(source.read_bytes()).decode()


def pack(text: str, target: Path) -> None:
    """The same text gives the same file."""
    target.write_bytes(gzip.compress(text.encode(), mtime=0))
