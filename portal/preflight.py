"""What an upgrade would do, asked with the new code while the old one still serves.

Nothing is changed. A danger is what would stop the old version, keep people waiting for longer
than their statements do, or fill the disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from portal import preflight_now, preflight_plan, preflight_rates
from portal.preflight_effects import Lock, Verdict, Work
from portal.preflight_now import Finding
from portal.preflight_plan import Held, Step
from portal.preflight_schema import Schema

LONGEST_WAIT: Final = 3.0  # seconds: the web role's lock_timeout (portal/sql/roles.sql)
SPARE: Final = 1 << 30  # bytes of disk beyond what the migrations need


@dataclass(frozen=True, slots=True)
class Touched:
    """How many of something wait for a lock or are changed, and of how many organizations."""

    what: str
    count: int
    organizations: int
    parts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the command prints."""

    steps: tuple[Step, ...]
    touched: tuple[Touched, ...]
    findings: tuple[Finding, ...]

    @property
    def is_dangerous(self) -> bool:
        return bool(self.dangers)

    @property
    def dangers(self) -> list[str]:
        """Each danger in one line."""
        steps = [
            f"{step.name} {effect.what}: {effect.why}."
            for step in self.steps
            for effect in step.dangers
        ]
        return steps + [each.what for each in self.findings if each.verdict is Verdict.DANGER]


# Asks how much of something has rows in the tables that are locked, and in those that are changed.
Count = Callable[[Collection[str], Collection[str]], Iterator[Touched]]
_counts: list[Count] = []


def counts(function: Count) -> Count:
    """Register what says how much of something an upgrade touches."""
    _counts.append(function)
    return function


def examine(*, longest_wait: float = LONGEST_WAIT, disk: Path | None = None) -> Report:
    """The report; takes a second or two, and `longest_wait` more when somebody holds a table."""
    owner = connections["owner"]
    planned = preflight_plan.waiting(owner)
    schema = Schema(owner)
    rates = preflight_rates.measure(owner) if planned else preflight_rates.Rates()
    steps = tuple(preflight_plan.steps(planned, schema, rates))
    locked = sorted({held.table for step in steps for held in step.held if stops(held)})
    now = preflight_now.look(owner, locked, patience=longest_wait, waits=bool(planned))
    findings = (*waits(steps, longest_wait), *_room(owner, steps, disk), *now)
    return Report(steps, tuple(_touched(steps, locked)), findings)


def stops(held: Held) -> bool:
    """Whether anybody who reads or writes waits for this lock."""
    return held.lock >= Lock.SHARE


def waits(steps: tuple[Step, ...], longest: float) -> Iterator[Finding]:
    """The tables that people would wait for in vain."""
    for step in steps:
        for held in step.held:
            if stops(held) and held.seconds.high > longest:
                yield Finding(
                    Verdict.DANGER,
                    f"{step.name} may hold {held.table} for {held.seconds.high:,.0f} seconds;"
                    f" {held.lock.stops}, and pages fail after {longest:g}.",
                    "Do it in a quiet hour, or in smaller steps (docs/upgrades.md).",
                )


def _room(
    owner: BaseDatabaseWrapper, steps: tuple[Step, ...], disk: Path | None
) -> Iterator[Finding]:
    """Whether what is written fits beside what it replaces."""
    needed = sum(step.disk for step in steps)
    where = disk or _data_directory(owner)
    if where is None:
        what = f"The migrations write {_mib(needed)} at most; the free disk is not seen from here."
        remedy = "Look at the database's disk, or name a folder on it with --disk."
        yield Finding(Verdict.NOTE, what, remedy)
        return
    free = shutil.disk_usage(where).free
    what = f"{_mib(free)} of disk are free; the migrations write {_mib(needed)} at most."
    if free < needed * 2 + SPARE:
        yield Finding(Verdict.DANGER, what, "Make room: twice that, for the log too, and 1 GiB.")
    else:
        yield Finding(Verdict.FINE, what)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"


def _data_directory(owner: BaseDatabaseWrapper) -> Path | None:
    """Where the database lies, if this role may know and it is this machine."""
    try:
        with owner.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            found = Path(cursor.fetchone()[0])
    except DatabaseError:
        return None
    return found if found.is_dir() else None


def _touched(steps: tuple[Step, ...], locked: list[str]) -> Iterator[Touched]:
    writes = {Work.ROWS, Work.REWRITE}
    changed = {each.table for step in steps for each in step.effects if each.work in writes}
    for count in _counts:
        yield from count(locked, changed)
