"""Each earlier version's database becomes, by today's migrations, what a new one is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from pytest_django.plugin import DjangoDbBlocker

from tests.servers import TEMPLATE, Servers, pointing_at
from tests.upgrades import dumps

DUMPS = sorted(Path(__file__).parent.glob("*.sql.gz"))
GROWN_BY_MIGRATING = {"django_migrations", "django_content_type"}
_numbers = itertools.count(1)


class Old:
    """A database filled from a dump, before anything was done to it."""

    def __init__(self, servers: Servers, packed: Path) -> None:
        self.servers = servers
        self.name = filled(servers, dumps.unpack(packed))

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


def schema(servers: Servers, database: str) -> str:
    """Tables, policies, grants and functions, as they are after being restored once more.

    PostgreSQL spells some constraints differently after their first restoring, and never again. It
    names a policy's roles in the order in which it happens to find them.
    """
    tools, socket = servers.postgres.bin, servers.layout.run
    again = filled(servers, dumps.dump(tools, socket, database, "--schema-only"))
    spelled = dumps.dump(tools, socket, again, "--schema-only")
    servers.drop(again)
    return re.sub(r"(?<= TO )portal_\w+(, portal_\w+)+(?= (USING|WITH))", in_order, spelled)


def in_order(names: re.Match[str]) -> str:
    return ", ".join(sorted(names[0].split(", ")))


@pytest.fixture
def old(
    request: pytest.FixtureRequest,
    servers: Servers,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Old]:
    database = Old(servers, request.param)
    with django_db_blocker.unblock(), pointing_at(database.name):
        yield database
    servers.drop(database.name)


def upgrade() -> None:
    call_command("migrate", database="owner", verbosity=0, interactive=False)


@pytest.mark.parametrize("old", DUMPS, indirect=True, ids=lambda path: path.name)
def test_an_upgraded_database_is_like_a_new_one(old, servers):
    upgrade()

    assert schema(servers, old.name) == schema(servers, TEMPLATE)


@pytest.mark.parametrize("old", DUMPS, indirect=True, ids=lambda path: path.name)
def test_an_upgrade_loses_no_row(old):
    before = old.counts()
    assert before["portal_user"] and before["connections_repository"]

    upgrade()

    after = old.counts()
    for table in before.keys() & after.keys() - GROWN_BY_MIGRATING:
        assert after[table] >= before[table], table


@pytest.mark.parametrize("old", DUMPS[-1:], indirect=True, ids=lambda path: path.name)
def test_the_newest_dump_has_every_migration(old):
    """When this fails, a dump of the new state is due: see README.md in this folder."""
    executor = MigrationExecutor(connections["owner"])

    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
