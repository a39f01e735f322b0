"""What one statement of a migration means to those who work meanwhile: locks, work, old code.

Locks are PostgreSQL's: https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Protocol


class Lock(IntEnum):
    """The table locks that a migration takes, the stronger the higher."""

    NONE = 0
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    ACCESS_EXCLUSIVE = 8

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def stops(self) -> str:
        """Who waits while it is held."""
        if self is Lock.ACCESS_EXCLUSIVE:
            return "reads and writes wait"
        return "writes wait" if self >= Lock.SHARE else "nobody waits"


class Work(StrEnum):
    """What PostgreSQL does to a table's rows for a statement."""

    NONE = "none"
    SCAN = "reads every row"
    INDEX = "builds an index"
    ROWS = "changes rows"
    REWRITE = "rewrites the table"


class Verdict(IntEnum):
    """What it means to code of the version before, which runs beside the new one for a while."""

    FINE = 0
    NOTE = 1
    DANGER = 2


@dataclass(frozen=True, slots=True)
class Effect:
    """One statement, or one part of an ALTER TABLE."""

    what: str
    locks: tuple[tuple[str, Lock], ...] = ()
    work: Work = Work.NONE
    verdict: Verdict = Verdict.FINE
    why: str = ""

    def judged(self, verdict: Verdict, why: str) -> Effect:
        return replace(self, verdict=verdict, why=why)

    @property
    def table(self) -> str:
        """The table that the work is done on."""
        return self.locks[0][0] if self.locks else ""


class Facts(Protocol):
    """What the old schema knows."""

    def primary_key(self, table: str) -> frozenset[str]: ...
    def longest(self, table: str, column: str) -> int | None: ...
    def has_function(self, name: str) -> bool: ...
    def table_of_index(self, index: str) -> str | None: ...


@dataclass(slots=True)
class Seen:
    """What the migrations before this statement have made: nobody uses it yet."""

    facts: Facts
    tables: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    required: set[tuple[str, str]] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)

    def is_new(self, table: str, columns: list[str]) -> bool:
        """The table or one of these columns is new: what old code writes leaves it empty."""
        return table in self.tables or any(
            (table, column) in self.columns and (table, column) not in self.required
            for column in columns
        )

    def all_new(self, table: str, columns: list[str]) -> bool:
        return bool(columns) and all((table, column) in self.columns for column in columns)


def words(names: str) -> list[str]:
    """The identifiers in a list of columns, without quotes, operator classes and directions."""
    return [
        found[1]
        for part in parts(names)
        if (found := re.match(r'\s*\(*"?(\w+)"?', part)) is not None
    ]


def parts(text: str) -> list[str]:
    """Split at the commas that stand in no brackets and no quotes."""
    found, depth, quote, start = [], 0, "", 0
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and not depth:
            found.append(text[start:place].strip())
            start = place + 1
    return [*found, text[start:].strip()]


def bracketed(text: str) -> str:
    """What stands in the first pair of brackets."""
    start = text.find("(")
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return text[start + 1 : place]
    return ""
