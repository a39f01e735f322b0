"""The migrations that wait, as steps: what each statement does, what it locks and for how long."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from portal import preflight_statements
from portal.preflight_effects import Effect, Lock, Seen, Verdict, Work
from portal.preflight_rates import Range, Rates, around
from portal.preflight_schema import Schema, Size


@dataclass(frozen=True, slots=True)
class Held:
    """A table that a migration locks: how strongly, and from then until its transaction ends."""

    table: str
    lock: Lock
    size: Size
    seconds: Range


@dataclass(frozen=True, slots=True)
class Step:
    """One migration."""

    name: str
    effects: tuple[Effect, ...]
    held: tuple[Held, ...]
    seconds: Range
    disk: int

    @property
    def dangers(self) -> list[Effect]:
        return [effect for effect in self.effects if effect.verdict is Verdict.DANGER]


@dataclass(frozen=True, slots=True)
class Planned:
    """A migration and the statements that it will execute.

    `thinking` is how many seconds Django needs between them, and locks are held meanwhile.
    """

    name: str
    statements: tuple[str, ...]
    is_atomic: bool
    argued: Mapping[str, str]
    thinking: float = 0.0


def waiting(connection: BaseDatabaseWrapper) -> list[Planned]:
    """The migrations that wait, in order; nothing is executed."""
    executor = MigrationExecutor(connection)
    loader = executor.loader
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    state = loader.project_state(
        [one for one in loader.applied_migrations if one in loader.graph.nodes]
    )
    found = []
    for migration, _ in plan:
        begun = time.monotonic()
        with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
            state = migration.apply(state, editor, collect_sql=True)
        found.append(_planned(migration, editor.collected_sql, time.monotonic() - begun))
    return found


def _planned(migration: Migration, statements: list[str], thinking: float) -> Planned:
    argued: Mapping[str, str] = getattr(migration, "argued", {})
    name = f"{migration.app_label}.{migration.name}"
    return Planned(name, tuple(statements), migration.atomic, argued, thinking)


def steps(planned: list[Planned], schema: Schema, rates: Rates) -> Iterator[Step]:
    """What each of them does; what the earlier ones make is new to the later ones."""
    seen = Seen(schema)
    for one in planned:
        read = (preflight_statements.read(sql, seen, one.argued) for sql in one.statements)
        effects = tuple(effect for several in read for effect in several)
        yield _step(one, effects, schema, rates)


def _step(planned: Planned, effects: tuple[Effect, ...], schema: Schema, rates: Rates) -> Step:
    sizes = [schema.size(effect.table) for effect in effects]
    between = around(planned.thinking / max(1, len(effects)))
    works = zip(effects, sizes, strict=True)
    times = [rates.needs(effect.work, size) + between for effect, size in works]
    return Step(
        name=planned.name,
        effects=effects,
        held=tuple(_held(effects, times, schema, is_atomic=planned.is_atomic)),
        seconds=sum(times, Range()),
        disk=sum(map(_disk, effects, sizes)),
    )


def _held(
    effects: tuple[Effect, ...], times: list[Range], schema: Schema, *, is_atomic: bool
) -> Iterator[Held]:
    """Each table with its strongest lock, which an atomic migration keeps until its end."""
    strongest: dict[str, tuple[Lock, int]] = {}
    for place, effect in enumerate(effects):
        for table, lock in effect.locks:
            if lock > strongest.get(table, (Lock.NONE, 0))[0]:
                strongest[table] = (lock, place)
    for table, (lock, place) in sorted(strongest.items()):
        end = None if is_atomic else place + 1
        yield Held(table, lock, schema.size(table), sum(times[place:end], Range()))


def _disk(effect: Effect, size: Size) -> int:
    """Bytes that the statement adds at most, before anything old is given back."""
    if effect.work in {Work.REWRITE, Work.ROWS}:
        return size.with_indexes
    return 64 * size.rows if effect.work is Work.INDEX else 0
