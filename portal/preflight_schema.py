"""What PostgreSQL's catalogue says of the old schema: sizes, keys, widths, functions, indexes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

PAGE: Final = 8192
TYPICAL_ROW: Final = 200  # bytes, of a table that nobody has analysed yet

_SIZES: Final = """
SELECT c.relname, c.reltuples::bigint, pg_relation_size(c.oid), pg_total_relation_size(c.oid),
       (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid)
  FROM pg_class c
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
"""
_KEYS: Final = """
SELECT i.indrelid::regclass::text, array_agg(a.attname::text)
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
 WHERE i.indisprimary GROUP BY 1
"""
_WIDTHS: Final = """
SELECT c.relname, a.attname, a.atttypmod - 4
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE a.atttypid = 'varchar'::regtype AND a.atttypmod > 4 AND c.relkind = 'r'
   AND c.relnamespace = 'public'::regnamespace
"""
_FUNCTIONS: Final = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
_INDEXES: Final = """
SELECT x.relname, t.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid WHERE t.relnamespace = 'public'::regnamespace
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a table is: rows as the planner estimates them, bytes as they lie on disk."""

    rows: int = 0
    bytes: int = 0
    with_indexes: int = 0
    indexes: int = 0


class Schema:
    """The old schema, read once."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SIZES)
            self._sizes = {name: _size(*rest) for name, *rest in cursor.fetchall()}
            cursor.execute(_KEYS)
            self._keys = {name: frozenset(columns) for name, columns in cursor.fetchall()}
            cursor.execute(_WIDTHS)
            self._widths = {(table, column): n for table, column, n in cursor.fetchall()}
            cursor.execute(_FUNCTIONS)
            self._functions = {name for (name,) in cursor.fetchall()}
            cursor.execute(_INDEXES)
            self._indexes = dict(cursor.fetchall())

    def size(self, table: str) -> Size:
        return self._sizes.get(table, Size())

    def primary_key(self, table: str) -> frozenset[str]:
        return self._keys.get(table, frozenset())

    def longest(self, table: str, column: str) -> int | None:
        return self._widths.get((table, column))

    def has_function(self, name: str) -> bool:
        return name in self._functions

    def table_of_index(self, index: str) -> str | None:
        return self._indexes.get(index)


def _size(rows: int, own: int, total: int, indexes: int) -> Size:
    """A table that was never analysed says -1 rows: its pages tell about how many there are."""
    return Size(rows if rows >= 0 else own // TYPICAL_ROW, own, total, indexes)
