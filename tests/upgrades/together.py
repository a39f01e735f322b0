"""Several earlier databases are migrated side by side: each migration reaches all that lack it.

Of an upgrade's time most goes to what Django imagines of the models before and after each step,
which is the same for every database; here it is imagined once. Operations and transactions are
those of `manage.py migrate`, in its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.management.sql import emit_post_migrate_signal
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from tests.servers import pointing_at

OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Lane:
    """One database on its way: a connection of its own, and the migrations it has."""

    name: str
    connection: Any
    applied: set[tuple[str, str]]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Inside, Django's alias of the owner means this database; an error names it."""
        before = connections[OWNER]
        connections[OWNER] = self.connection
        try:
            yield
        except Exception as error:
            error.add_note(f"in {self.name}")
            raise
        finally:
            connections[OWNER] = before


def upgrade(names: list[str]) -> None:
    """Every database has all migrations afterwards, and what Django adds when they are done."""
    lanes = [_lane(name) for name in names]
    executor = MigrationExecutor(connections[OWNER])
    state = ProjectState(real_apps=executor.loader.unmigrated_apps)
    try:
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
        for migration, _ in plan:
            key = (migration.app_label, migration.name)
            waiting = [lane for lane in lanes if key not in lane.applied]
            if waiting:
                _carry(migration, state, waiting)
            else:
                state = migration.mutate_state(state, preserve=False)
    finally:
        for lane in lanes:
            lane.connection.close()
    for name in names:
        with pointing_at(name):
            emit_post_migrate_signal(verbosity=0, interactive=False, db=OWNER)


def _lane(name: str) -> Lane:
    connection = connections.create_connection(OWNER)
    connection.settings_dict = connection.settings_dict | {"NAME": name}
    lane = Lane(name, connection, set())
    with lane.entered():
        lane.applied.update(MigrationExecutor(connection).loader.applied_migrations)
    return lane


def _carry(migration: Migration, state: ProjectState, lanes: list[Lane]) -> None:
    """The migration in all of these, each in a transaction of its own; the state moves on."""
    assert not migration.replaces
    state.apps  # noqa: B018  (rendered here, each later state is a changed copy)
    with ExitStack() as done:
        editors = [done.enter_context(_Editing(migration, lane)) for lane in lanes]
        for operation in migration.operations:
            before = state.clone()
            operation.state_forwards(migration.app_label, state)
            for lane, editor in zip(lanes, editors, strict=True):
                with lane.entered(), _together(migration, operation, editor):
                    operation.database_forwards(migration.app_label, editor, before, state)


class _Editing:
    """A schema editor of this database; at its end the migration is on record there."""

    def __init__(self, migration: Migration, lane: Lane) -> None:
        self.migration, self.lane = migration, lane
        self.editor = lane.connection.schema_editor(atomic=migration.atomic)

    def __enter__(self) -> Any:
        with self.lane.entered():
            return self.editor.__enter__()

    def __exit__(self, *raised: Any) -> None:
        with self.lane.entered():
            self.editor.__exit__(*raised)
            if raised == (None, None, None):
                recorder = MigrationRecorder(self.lane.connection)
                recorder.record_applied(self.migration.app_label, self.migration.name)


def _together(migration: Migration, operation: Operation, editor: Any) -> Any:
    """As Django does where the migration is no transaction: the operation is one, if it may."""
    alone = operation.atomic or (migration.atomic and operation.atomic is not False)
    return transaction.atomic(OWNER) if alone and not editor.atomic_migration else ExitStack()
