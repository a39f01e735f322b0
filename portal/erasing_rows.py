"""Deletes what an erased organization has in the tables, those first to which nothing points.

A row that points to another one goes with it when that is deleted. It goes before it, so that each
is counted and no single statement deletes without end.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from portal import roles, tenancy

LAST: Final = ("portal_datakey", "portal_job", "portal_organization")

_TABLES: Final = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE a.attname = 'organization_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
   AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname
"""
_POINTING: Final = """
SELECT f.confrelid::regclass::text, f.conrelid::regclass::text FROM pg_constraint f
 WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace ORDER BY 1, 2
"""


def tables() -> list[str]:
    """Every table of organizations' rows but the last ones, after those that point to it."""
    with roles.connection().cursor() as cursor:
        cursor.execute(_TABLES)
        wanted = [name for (name,) in cursor.fetchall() if name not in LAST]
        cursor.execute(_POINTING)
        pointing: dict[str, list[str]] = defaultdict(list)
        for target, table in cursor.fetchall():
            pointing[target].append(table)
    found: list[str] = []
    seen: set[str] = set()
    for name in wanted:
        _after_pointing(name, pointing, seen, found)
    return [name for name in found if name in wanted]


def _after_pointing(
    name: str, pointing: dict[str, list[str]], seen: set[str], found: list[str]
) -> None:
    """The table is in `found`, after what points to it; two that point to each other end here."""
    if name in seen:
        return
    seen.add(name)
    for other in pointing[name]:
        _after_pointing(other, pointing, seen, found)
    found.append(name)


def delete(table: str, most: int) -> int:
    """Rows of the acting organization are gone from this table, by the worker's right or not."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, 'DELETE')", [table])
        if not cursor.fetchone()[0]:
            cursor.execute("SELECT portal_erase_rows(%s, %s)", [table, most])
            return int(cursor.fetchone()[0])
        here = tenancy.organization_id()
        cursor.execute(
            f'DELETE FROM "{table}" WHERE organization_id = %s AND id IN'  # noqa: S608
            f' (SELECT id FROM "{table}" WHERE organization_id = %s LIMIT %s)',
            [here, here, most],
        )
        return int(cursor.rowcount)
