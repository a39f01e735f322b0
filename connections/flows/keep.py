"""Records of one page become rows, by their remote id: keeping a page twice does no harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from connections.contracts import (
    MemberRecord,
    ProjectRecord,
    Record,
    Rejected,
    RepositoryRecord,
)
from connections.models import Member, Project, Repository, Workspace
from portal import roles

UNREADABLE = "unreadable"
UNIDENTIFIED = "unidentified"  # unreadable, and which item it is cannot be told
Kept = type[Project] | type[Member] | type[Repository]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where one kind of record is kept, and which columns it fills."""

    model: Kept
    columns: Callable[[Any], dict[str, Any]]


def _project(record: ProjectRecord) -> dict[str, Any]:
    return {
        "key": record.key[:100],
        "name": record.name[:300],
        "private": record.private,
        "url": record.url[:500],
    }


def _member(record: MemberRecord) -> dict[str, Any]:
    return {
        "name": record.name[:300],
        "permission": record.permission[:40],
        "url": record.url[:500],
    }


def _repository(record: RepositoryRecord) -> dict[str, Any]:
    return {
        "slug": record.slug[:200],
        "name": record.name[:300],
        "full_name": record.full_name[:400],
        "url": record.url[:500],
        "private": record.private,
        "main_branch": record.main_branch[:300],
        "project_remote_id": record.project_remote_id[:200],
        "language": record.language[:60],
        "size_bytes": record.size_bytes,
        "remote_updated_at": record.updated_at and record.updated_at.isoformat(),
        "last_error": "",
    }


SHELVES: dict[type[Record], Shelf] = {
    ProjectRecord: Shelf(Project, _project),
    MemberRecord: Shelf(Member, _member),
    RepositoryRecord: Shelf(Repository, _repository),
}


def page(
    workspace: Workspace, records: Sequence[Record], *, run_id: UUID, seen_at: datetime
) -> None:
    """All records are rows of this workspace, marked as seen by this run."""
    if not records:
        return
    shelf = SHELVES[type(records[0])]
    mark = {"seen_run": run_id, "seen_at": seen_at, "gone_at": None}
    same: dict[str, Any] = {
        "organization_id": workspace.organization_id,
        "workspace_id": workspace.id,
        **mark,
    }
    if shelf.model is Repository:
        same["connection_id"] = workspace.connection_id
    rows = {r.remote_id: {"remote_id": r.remote_id, **shelf.columns(r)} for r in records}
    names = tuple(rows[records[0].remote_id])
    statement = _upsert(shelf.model._meta.db_table, tuple(same), names, (*mark, *names[1:]))
    with roles.connection().cursor() as cursor:
        cursor.execute(statement, [*same.values(), json.dumps(list(rows.values()))])


@cache
def _upsert(
    table: str, same: tuple[str, ...], own: tuple[str, ...], changing: tuple[str, ...]
) -> str:
    """One statement for a whole page: what its rows share, and as JSON what each has of its own.

    A hundred models with twenty parameters each cost five times as much on our side.
    """
    columns, becomes = sql.SQL(", ").join, sql.SQL("{0} = EXCLUDED.{0}")
    return (
        sql.SQL(
            "INSERT INTO {table} (id, {same}, {own}) SELECT gen_random_uuid(), {given}, {own}"
            " FROM json_populate_recordset(NULL::{table}, %s::json)"
            " ON CONFLICT (organization_id, workspace_id, remote_id) DO UPDATE SET {changes}"
        )
        .format(
            table=sql.Identifier(table),
            same=columns(map(sql.Identifier, same)),
            own=columns(map(sql.Identifier, own)),
            given=columns([sql.Placeholder()] * len(same)),
            changes=columns(becomes.format(sql.Identifier(name)) for name in changing),
        )
        .as_string(None)
    )


def rejected(
    model: Kept, workspace: Workspace, items: Sequence[Rejected], *, run_id: UUID, seen_at: datetime
) -> None:
    """What could not be read was listed all the same: its row stays, and says that it is old."""
    mark: dict[str, Any] = {"seen_run": run_id, "seen_at": seen_at, "gone_at": None}
    if model is Repository:
        mark["last_error"] = UNREADABLE
    known = [item.remote_id for item in items if item.remote_id]
    model.objects.filter(workspace_id=workspace.id, remote_id__in=known).update(**mark)


def present(model: Kept, workspace: Workspace) -> Any:
    """The rows of this workspace that are not gone."""
    return model.objects.filter(workspace_id=workspace.id, gone_at=None)
