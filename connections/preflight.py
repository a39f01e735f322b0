"""How many connections an upgrade touches: they wait for a locked table, or their rows change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

from portal import everybody, preflight, roles, tenancy
from portal.preflight import Touched

OURS: Final = "connections_"
CONNECTION: Final = "connections_connection"

# The models of this code may not fit the old schema, so SQL asks for what was always there.
_BY_CONNECTOR: Final = (
    "SELECT connector, count(*) FROM connections_connection WHERE state <> 'revoked' GROUP BY 1"
)
_HAS_COLUMN: Final = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE a.attname = 'connection_id' AND c.relname = ANY (%s) AND c.relkind = 'r'
"""


@preflight.counts
def connections_touched(locked: Collection[str], changed: Collection[str]) -> Iterator[Touched]:
    """Connections that wait while a table of theirs is locked, and those whose rows are changed."""
    if not any(table.startswith(OURS) for table in {*locked, *changed}):
        return
    waiting: Counter[str] = Counter()
    rewritten: Counter[str] = Counter()
    organizations: Counter[str] = Counter()
    with roles.using_role("owner"):
        tables = _of_connections(changed)
        for organization_id in everybody.organizations():
            with tenancy.acting_for(organization_id), tenancy.transaction():
                found = dict(_rows(_BY_CONNECTOR))
                rows = {table: _count(table) for table in tables}
            waiting.update(found)
            rewritten.update(rows)
            organizations["waiting"] += bool(found)
            organizations["rewritten"] += any(rows.values())
    if any(table.startswith(OURS) for table in locked):
        yield _touched("connections that wait while a table is locked", waiting, organizations)
    if tables:
        most = max(rewritten.values(), default=0)
        what = "connections with rows in a table that is changed"
        yield Touched(what, most, organizations["rewritten"], dict(rewritten))


def _touched(what: str, found: Counter[str], organizations: Counter[str]) -> Touched:
    return Touched(what, found.total(), organizations["waiting"], dict(found))


def _of_connections(tables: Collection[str]) -> list[str]:
    """Those of these tables whose rows belong to a connection each."""
    with roles.connection().cursor() as cursor:
        cursor.execute(_HAS_COLUMN, [list(tables)])
        found = {table for (table,) in cursor.fetchall()}
    return sorted(found | ({CONNECTION} & set(tables)))


def _count(table: str) -> int:
    column = "id" if table == CONNECTION else "connection_id"
    # A name from the catalogue, not from outside.
    return int(_rows(f'SELECT count(DISTINCT {column}), 0 FROM "{table}"')[0][0])  # noqa: S608


def _rows(sql: str) -> list[tuple[str, int]]:
    with roles.connection().cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
