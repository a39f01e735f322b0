"""Databases filled from the dumps of this folder."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_django.plugin import DjangoDbBlocker

from tests.servers import Servers, pointing_at
from tests.upgrades import dumps

DUMPS = sorted(Path(__file__).parent.glob("*.sql.gz"))
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A database of these tests."""

    servers: Servers
    name: str

    def counts(self) -> dict[str, int]:
        """Rows of each table, seen past row-level security."""
        with self.servers.postgres.connect(self.name) as connection:
            tables = connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r'"
                " AND relnamespace = 'public'::regnamespace"
            ).fetchall()
            found = {}
            for (table,) in tables:
                row = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # type: ignore[arg-type]
                found[str(table)] = int(str(row[0])) if row else 0
        return found


def filled(servers: Servers, text: str) -> str:
    """A new database with what this dump says; its name."""
    name = f"upgraded_{next(_numbers)}"
    servers.postgres.make_database(name)
    dumps.restore(servers.postgres.bin, servers.layout.run, name, text)
    return name


@contextmanager
def restored(servers: Servers, packed: Path, blocker: DjangoDbBlocker) -> Iterator[Database]:
    """Inside, every alias leads to a database filled from this dump."""
    database = Database(servers, filled(servers, dumps.unpack(packed)))
    with blocker.unblock(), pointing_at(database.name):
        yield database
    servers.drop(database.name)
