"""How fast this database is: measured on a table that nobody sees and that is rolled back.

A real table may lie on a cold disk beside a busy neighbour, and the neighbour may have been busy
just now, so every time is a range around what was measured.
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

FASTER: Final = 4
SLOWER: Final = 8
ROWS: Final = 50_000
INDEXES: Final = 2  # of the measured table
CATALOGUE: Final = 0.002  # seconds of a statement that touches no row, unless measured
ALTERATIONS: Final = 8  # such statements, of which the mean is taken
_TABLE: Final = "portal_preflight_measure"
_DROPPED: Final = [f"DROP COLUMN c{number}" for number in range(ALTERATIONS // 2)]


@dataclass(frozen=True, slots=True)
class Range:
    """So many seconds at least, and at most."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Rates:
    """Rows that are read, indexed, changed or written anew in a second.

    `catalogue` is how many seconds a statement takes that touches none.
    """

    rows: dict[Work, float] = field(default_factory=dict)
    catalogue: float = CATALOGUE

    def needs(self, work: Work, size: Size) -> Range:
        """How long this work takes on a table of this size."""
        seconds = size.rows / self.rows[work] if work in self.rows else 0.0
        if work in {Work.ROWS, Work.REWRITE}:
            seconds *= max(1.0, size.indexes / INDEXES)
        return around(self.catalogue + seconds)


def around(seconds: float) -> Range:
    """What took so long here and now may be FASTER, or take SLOWER times as long."""
    return Range(seconds / FASTER, SLOWER * seconds)


def measure(connection: BaseDatabaseWrapper) -> Rates:
    """Takes about a second; the table it writes is rolled back."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        rates = _measured(cursor)
        transaction.set_rollback(True, using=connection.alias)
    return rates


def _measured(cursor: CursorWrapper) -> Rates:
    cursor.execute(
        f"CREATE TABLE {_TABLE} (id uuid PRIMARY KEY, at timestamptz, text varchar(200))"
    )
    catalogue = _of_catalogue(cursor)
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
    return Rates({work: ROWS / seconds for work, seconds in took.items()}, catalogue)


def _of_catalogue(cursor: CursorWrapper) -> float:
    """Seconds of a statement that changes the catalogue, as most of a migration's do."""
    begun = time.monotonic()
    for number in range(ALTERATIONS // 2):
        cursor.execute(f"ALTER TABLE {_TABLE} ADD COLUMN c{number} text")
        cursor.execute(f"CREATE INDEX ON {_TABLE} (c{number})")
    cursor.execute(f"ALTER TABLE {_TABLE} {', '.join(_DROPPED)}")
    return (time.monotonic() - begun) / ALTERATIONS


@contextmanager
def _timed(took: dict[Work, float], work: Work) -> Iterator[None]:
    begun = time.monotonic()
    yield
    took[work] = max(time.monotonic() - begun, 1e-6)
