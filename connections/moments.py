"""The years in which a moment of somebody else's may lie, whoever says it. No Django here.

Python knows the years 1 to 9999 and PostgreSQL more, and a zone's hours reach over either end: a
row with such a moment could not be read again. A year as far away also means "never".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2201, 1, 1, tzinfo=UTC)


def bounded(moment: datetime | None) -> datetime | None:
    """The moment in UTC; None for one outside the years 2000 to 2200."""
    try:
        found = moment.astimezone(UTC) if moment else None
    except OverflowError:
        return None
    return found if found and EARLIEST <= found < LATEST else None
