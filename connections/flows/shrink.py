"""Absence is evidence only after a complete reading, and a sharp shrink only after a person agrees.

Trust.md §10 row P46: more than 20 % and more than 50 rows gone are held back.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from connections import registry
from connections.flows.keep import SHELVES, Kept, present
from connections.models import Repository, StreamRun, SyncRun, Workspace

SHARE, COUNT = 0.20, 50


def settle(stream: StreamRun, run: SyncRun, model: Kept) -> dict[str, Any]:
    """Mark what a completed stream no longer lists as gone; {} or what is held back instead."""
    workspace = stream.workspace
    assert workspace is not None
    there = present(model, workspace)
    before = there.count()
    missing = there.exclude(seen_run=run.id)
    gone = missing.count()
    if gone > COUNT and gone > before * SHARE:
        return {
            "workspace": str(workspace.id),
            "name": workspace.name,
            "stream": stream.stream,
            "before": before,
            "missing": gone,
        }
    if gone:
        missing.update(gone_at=timezone.now())
    return {}


def apply(run: SyncRun) -> int:
    """Mark everything that was held back as gone; how many rows that were.

    Rows that a later run saw again stay.
    """
    removed = 0
    streams = {s.key: s for s in registry.get(run.connection.connector).streams}
    for held in run.shrink:
        workspace = Workspace.objects.get(id=held["workspace"])
        model = SHELVES[streams[held["stream"]].record].model
        removed += (
            present(model, workspace)
            .exclude(seen_run=run.id)
            .filter(seen_at__lt=run.started_at)
            .update(gone_at=timezone.now())
        )
        if model is Repository:
            count(workspace)
    return removed


def count(workspace: Workspace) -> None:
    """Bring the workspace's repository count up to date."""
    workspace.repository_count = present(Repository, workspace).count()
    workspace.save(update_fields=["repository_count"])
