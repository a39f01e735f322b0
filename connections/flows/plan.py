"""Which streams of which workspaces a run reads; a choice made while it reads changes that.

The plan is drawn when a worker begins, and redrawn with the connection locked, which the worker
holds too when it begins and when it ends: a run ends only when all of its plan was read.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import F
from django.utils import timezone

from connections import registry
from connections.models import Connection, RunState, StreamRun, SyncRun, Workspace


def streams_of(connection: Connection) -> list[str]:
    """The streams that it was linked for; none when a sync would read nothing."""
    connector = registry.connectors().get(connection.connector)
    asked = connection.capabilities
    return [s.key for s in connector.streams if s.capability in asked] if connector else []


def draw(run: SyncRun) -> None:
    """One row for each chosen workspace and each stream that was asked for."""
    StreamRun.objects.bulk_create(_rows(run), ignore_conflicts=True)


def redraw(run: SyncRun) -> None:
    """The run that is read now reads what is chosen now: no workspace less, and none more.

    What was cancelled before and is chosen again goes on where it stopped.
    """
    left_out = {"workspace__selected": False, "finished_at": None}
    taken_back = {"workspace__selected": True, "state": RunState.CANCELLED}
    streams = StreamRun.objects.filter(run_id=run.id)
    streams.filter(**left_out).update(
        state=RunState.CANCELLED, finished_at=timezone.now(), total=F("done")
    )
    streams.filter(**taken_back).update(state=RunState.QUEUED, finished_at=None, total=None)
    draw(run)


def _rows(run: SyncRun) -> Iterator[StreamRun]:
    chosen = Workspace.objects.filter(connection_id=run.connection_id, selected=True, gone_at=None)
    keys = streams_of(run.connection)
    for workspace in chosen:
        for key in keys:
            yield StreamRun(
                organization_id=run.organization_id,
                run_id=run.id,
                workspace_id=workspace.id,
                stream=key,
            )
