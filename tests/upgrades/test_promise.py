"""The promise of docs/upgrades.md: what came since keeps the version before it running."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from portal import preflight_plan
from portal.preflight_plan import Step
from portal.preflight_rates import Rates
from portal.preflight_schema import Schema
from tests.servers import TEMPLATE, Servers
from tests.upgrades import dumps
from tests.upgrades.databases import DUMPS, Database, restored

GIVEN_WITH = "0002_refresh_and_leases.sql.gz"  # the promise holds from this state on
PACKED = next(path for path in DUMPS if path.name == GIVEN_WITH)

ROWS = re.compile(r"^COPY public\.(\w+) \([^)]*\) FROM stdin;\n.*?^\\\.\n", re.M | re.S)
COLUMNS = """
SELECT c.relname, a.attname, a.atttypid::regtype::text
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
   AND a.attnum > 0 AND NOT a.attisdropped
"""
MAY = """
WITH roles AS (SELECT rolname AS role FROM pg_roles WHERE rolname LIKE 'portal\\_%'),
     tables AS (SELECT oid, relname FROM pg_class
                 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)
SELECT role::text, verb, relname::text, attname::text
  FROM roles, tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0,
       unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) verb
 WHERE NOT attisdropped AND has_column_privilege(role, tables.oid, attnum, verb)
UNION ALL
SELECT role::text, 'DELETE', relname::text, '' FROM roles, tables
 WHERE has_table_privilege(role, tables.oid, 'DELETE')
UNION ALL
SELECT role::text, 'EXECUTE', p.oid::regprocedure::text, '' FROM roles, pg_proc p
 WHERE pronamespace = 'public'::regnamespace AND has_function_privilege(role, p.oid, 'EXECUTE')
"""


@pytest.fixture(scope="module")
def before(
    servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    with restored(servers, PACKED, django_db_blocker) as database:
        yield database


def planned() -> list[Step]:
    owner = connections["owner"]
    return list(preflight_plan.steps(preflight_plan.waiting(owner), Schema(owner), Rates()))


def test_no_migration_since_stops_the_code_before_it(before: Database) -> None:
    """Mend the migration (docs/upgrades.md says how), or let it argue."""
    told = [
        f"{step.name}: {effect.what}: {effect.why}" for step in planned() for effect in step.dangers
    ]
    assert told == []


def test_rows_of_the_code_before_go_into_the_new_tables(before: Database, servers: Servers) -> None:
    """What that version wrote names its own columns only: a new one has to fill itself."""
    copies = list(ROWS.finditer(dumps.unpack(PACKED)))
    tables = ", ".join(copy[1] for copy in copies)
    script = ["SET session_replication_role = replica;", f"TRUNCATE {tables} CASCADE;"]
    script += [copy[0] for copy in copies]
    servers.clone("promised")
    dumps.restore(
        servers.postgres.bin,
        servers.layout.run,
        "promised",
        "SET search_path = public;\n" + "\n".join(script),
    )
    after = Database(servers, "promised").counts()
    servers.drop("promised")

    assert len(copies) > 40
    assert {table: after[table] for table in before.counts()} == before.counts()


@pytest.mark.parametrize("question", [COLUMNS, MAY], ids=["columns", "rights"])
def test_nothing_is_taken_from_the_code_before(
    question: str, before: Database, servers: Servers
) -> None:
    """Every column, and whatever each role may do, is still there."""
    with servers.postgres.connect(before.name) as old, servers.postgres.connect(TEMPLATE) as new:
        was, is_now = set(old.execute(question)), set(new.execute(question))

    assert len(was) > 100
    assert was - is_now == set()
