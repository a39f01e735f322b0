"""Records of one page become rows, by their remote id: keeping a page twice does no harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from connections.contracts import MemberRecord, ProjectRecord, Record, RepositoryRecord
from connections.models import Member, Project, Repository, Workspace

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
        "remote_updated_at": record.updated_at,
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
    owner: dict[str, Any] = {"workspace_id": workspace.id}
    if shelf.model is Repository:
        owner["connection_id"] = workspace.connection_id
    rows = {
        record.remote_id: shelf.model(
            organization_id=workspace.organization_id,
            remote_id=record.remote_id,
            seen_run=run_id,
            seen_at=seen_at,
            gone_at=None,
            **owner,
            **shelf.columns(record),
        )
        for record in records
    }
    shelf.model.objects.bulk_create(
        list(rows.values()),
        update_conflicts=True,
        unique_fields=["organization", "workspace", "remote_id"],
        update_fields=["seen_run", "seen_at", "gone_at", *shelf.columns(records[0])],
    )


def present(model: Kept, workspace: Workspace) -> Any:
    """The rows of this workspace that are not gone."""
    return model.objects.filter(workspace_id=workspace.id, gone_at=None)
