"""`python -m tests.upgrades.make 0002 what_it_brought`: a dump of today's state for later tests."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Most of what a sync brings is the same again and again: the histories of a few are enough.
REPOSITORIES = 8
THINNED = ("connections_commit", "connections_branch")
CHOSEN = "SELECT repository_id FROM connections_build GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT %s"
THIN = "DELETE FROM {} WHERE repository_id <> ALL (%s)"
FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
sys.path.insert(0, str(ROOT / "bin"))

import psycopg  # noqa: E402  (bin/ had to be named first)
from launcher import check, layout  # noqa: E402
from launcher.postgres import SUPERUSER, binaries  # noqa: E402
from psycopg import sql  # noqa: E402

from tests.live import LivePortal  # noqa: E402
from tests.upgrades import dumps  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrades.make", description=__doc__)
    parser.add_argument("number", help="the next of this folder, such as 0002")
    parser.add_argument("name", help="what the state brought, with underscores")
    options = parser.parse_args()
    target = FOLDER / f"{options.number}_{options.name}.sql.gz"
    if target.exists():
        parser.error(f"{target.name} is there already; a dump is never changed.")
    portal = LivePortal(ROOT)
    try:
        if not check.walk(portal.url, portal.mail, print):
            return 1
        tools = binaries(layout.plan(ROOT))
        thin(portal.var / "run")
        dumps.pack(dumps.dump(tools, portal.var / "run", "portal"), target)
    finally:
        portal.stop()
    print(f"{target} has {os.path.getsize(target) // 1024} KiB")
    return 0


def thin(socket: Path) -> None:
    """Only a few repositories have a history."""
    with psycopg.connect(host=str(socket), user=SUPERUSER, dbname="portal") as database:
        kept = database.execute(CHOSEN, [REPOSITORIES]).fetchall()
        for table in THINNED:
            database.execute(sql.SQL(THIN).format(sql.Identifier(table)), [[k for (k,) in kept]])


if __name__ == "__main__":
    sys.exit(main())
