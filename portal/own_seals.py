"""What else the web process seals under its own data key, beside second factors.

Whoever keeps such a column registers here, so that a replaced key leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """`reseal` seals anew what lies under these versions, as far as it opens, outside of
    transactions; `under` says how many values lie under a version."""

    reseal: Callable[[Collection[int]], None]
    under: Callable[[int], int]


_columns: list[Column] = []


def register(column: Column) -> None:
    """From now on a data key goes only when nothing of this column needs it."""
    _columns.append(column)


def reseal(versions: Collection[int]) -> None:
    for column in _columns:
        column.reseal(versions)


def under(version: int) -> int:
    """How many values of all columns lie under this version."""
    return sum(column.under(version) for column in _columns)
