"""How fast this database is: measured on a table that nobody sees and that is rolled back.

A real table may lie on a cold disk beside a busy neighbour, so every time is a range: from what
was measured to SLOWER times as long.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from portal.preflight_effects import Work
from portal.preflight_schema import Size

SLOWER: Final = 8
ROWS: Final = 50_000
INDEXES: Final = 2  # of the measured table
CATALOGUE: Final = 0.0005  # seconds of a statement that touches no row
_TABLE: Final = "portal_preflight_measure"


@dataclass(frozen=True, slots=True)
class Range:
    """So many seconds at least, and at most."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Rates:
    """Rows that are read, indexed, changed or written anew in a second."""

    rows: dict[Work, float] = field(default_factory=dict)

    def needs(self, work: Work, size: Size) -> Range:
        """How long this work takes on a table of this size."""
        seconds = size.rows / self.rows[work] if work in self.rows else 0.0
        if work in {Work.ROWS, Work.REWRITE}:
            seconds *= max(1.0, size.indexes / INDEXES)
        return Range(CATALOGUE + seconds, SLOWER * (CATALOGUE + seconds))


def measure(connection: BaseDatabaseWrapper) -> Rates:
    """Takes about a second; the table it writes is rolled back."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        rows = _measured(cursor)
        transaction.set_rollback(True, using=connection.alias)
    return Rates(rows)


def _measured(cursor: CursorWrapper) -> dict[Work, float]:
    cursor.execute(
        f"CREATE TABLE {_TABLE} (id uuid PRIMARY KEY, at timestamptz, text varchar(200))"
    )
    took: dict[Work, float] = {}
    cursor.execute(
        f"INSERT INTO {_TABLE} SELECT gen_random_uuid(), now(), repeat('x', 120)"  # noqa: S608
        f" FROM generate_series(1, {ROWS})"
    )
    for work, sql in (
        (Work.SCAN, f"SELECT count(*) FROM {_TABLE} WHERE text <> ''"),  # noqa: S608
        (Work.INDEX, f"CREATE INDEX ON {_TABLE} (text, id)"),
        (Work.ROWS, f"UPDATE {_TABLE} SET at = now() + interval '1 day'"),  # noqa: S608
        (Work.REWRITE, f"ALTER TABLE {_TABLE} ADD COLUMN more float DEFAULT random()"),
    ):
        with _timed(took, work):
            cursor.execute(sql)
    return {work: ROWS / seconds for work, seconds in took.items()}


@contextmanager
def _timed(took: dict[Work, float], work: Work) -> Iterator[None]:
    begun = time.monotonic()
    yield
    took[work] = max(time.monotonic() - begun, 1e-6)
