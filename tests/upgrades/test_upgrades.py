"""Each earlier version's database becomes, by today's migrations, what a new one is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from pytest_django.plugin import DjangoDbBlocker

from tests.servers import TEMPLATE, Servers
from tests.upgrades import dumps, together
from tests.upgrades.databases import DUMPS, Database, filled, restored

GROWN_BY_MIGRATING = {"django_migrations", "django_content_type"}


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


@pytest.fixture(scope="module")
def fresh(servers: Servers, django_db_setup: None) -> str:
    """The schema of a new database."""
    return schema(servers, TEMPLATE)


@dataclass(frozen=True)
class Upgraded:
    """An earlier version's database after today's migrations, and its rows before and after."""

    name: str
    before: dict[str, int]
    after: dict[str, int]


@pytest.fixture(scope="module")
def all_upgraded(
    servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[Path, Upgraded]]:
    names = {packed: filled(servers, dumps.unpack(packed)) for packed in DUMPS}
    before = {packed: Database(servers, name).counts() for packed, name in names.items()}
    with django_db_blocker.unblock():
        together.upgrade(list(names.values()))
    yield {
        packed: Upgraded(name, before[packed], Database(servers, name).counts())
        for packed, name in names.items()
    }
    for name in names.values():
        servers.drop(name)


@pytest.fixture(params=DUMPS, ids=lambda path: path.name)
def upgraded(request: pytest.FixtureRequest, all_upgraded: dict[Path, Upgraded]) -> Upgraded:
    return all_upgraded[request.param]


def test_an_upgraded_database_is_like_a_new_one(upgraded, fresh, servers):
    assert schema(servers, upgraded.name) == fresh


def test_an_upgrade_loses_no_row(upgraded):
    before, after = upgraded.before, upgraded.after
    assert before["portal_user"] and before["connections_repository"]

    for table in before.keys() & after.keys() - GROWN_BY_MIGRATING:
        assert after[table] >= before[table], table


def test_every_migration_is_on_record_once(upgraded, servers):
    with servers.postgres.connect(upgraded.name) as old, servers.postgres.connect(TEMPLATE) as new:
        was, is_now = (
            sorted(side.execute("SELECT app, name FROM django_migrations")) for side in (old, new)
        )

    assert was == is_now


def test_the_newest_dump_has_every_migration(servers, django_db_setup, django_db_blocker):
    """When this fails, a dump of the new state is due: see README.md in this folder."""
    with restored(servers, DUMPS[-1], django_db_blocker):
        executor = MigrationExecutor(connections["owner"])

        assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
