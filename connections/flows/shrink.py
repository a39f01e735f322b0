"""Absence is evidence only after a complete reading, and a sharp shrink only after a person agrees.

Trust.md §10 row P46: more than 20 % and more than 50 rows gone are held back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from connections import registry
from connections.flows.keep import SHELVES, UNIDENTIFIED, Kept, present
from connections.models import Repository, StreamRun, SyncFailure, SyncRun, Workspace

SHARE, COUNT = 0.20, 50


def settle(stream: StreamRun, run: SyncRun, model: Kept) -> dict[str, Any]:
    """Mark what a completed stream no longer lists as gone; {} or what is held back instead."""
    workspace = stream.workspace
    assert workspace is not None
    there = present(model, workspace)
    missing = ~Q(seen_run=run.id)
    found = there.aggregate(before=Count("id"), gone=Count("id", filter=missing))
    before, gone = found["before"], found["gone"]
    if gone > COUNT and gone > before * SHARE:
        return {
            "workspace": str(workspace.id),
            "name": workspace.name,
            "stream": stream.stream,
            "before": before,
            "missing": gone,
        }
    if gone:
        there.filter(missing).update(gone_at=timezone.now())
    return {}


def hides_some(stream: StreamRun) -> bool:
    """Whether it listed items that nobody can tell: any row that is missing may be one of them."""
    unknown = SyncFailure.objects.filter(
        run_id=stream.run_id,
        stream=stream.stream,
        workspace_name=stream.workspace.name[:300],
        code=UNIDENTIFIED,
    )
    return bool(stream.failures and unknown.exists())


def held_back(run: SyncRun) -> Iterator[QuerySet[Any]]:
    """The rows this run did not see, for each list that it held back.

    Rows that another run saw later are not among them.
    """
    streams = {s.key: s for s in registry.get(run.connection.connector).streams}
    for held in run.shrink:
        workspace = Workspace.objects.get(id=held["workspace"])
        model = SHELVES[streams[held["stream"]].record].model
        unseen = present(model, workspace).exclude(seen_run=run.id)
        yield unseen.filter(seen_at__lt=run.started_at)


def apply(run: SyncRun) -> None:
    """Mark everything that was held back as gone."""
    for rows in held_back(run):
        rows.update(gone_at=timezone.now())
    for held in run.shrink:
        count(Workspace.objects.get(id=held["workspace"]))


def count(workspace: Workspace, *, changed: tuple[str, ...] = ()) -> None:
    """Bring the workspace's repository count up to date, and save what else was changed."""
    workspace.repository_count = present(Repository, workspace).count()
    workspace.save(update_fields=["repository_count", *changed])
