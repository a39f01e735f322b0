"""What is not fetched alone: lists that are made due, and the run that reads what is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from connections.contracts import Stream
from connections.flows import keep, plan, sync
from connections.models import Connection, StreamStand, StreamState, Workspace
from portal import clock, tenancy

SHORT: Final = 300  # repositories: so many are listed whenever one is not found
EACH: Final = timedelta(hours=1) / 10_000  # of more than those, until they are listed again


def read_what_follows(connection: Connection, streams: Mapping[str, Stream]) -> None:
    """What these changes call for is read by a run; a new repository has its streams."""
    with tenancy.transaction():
        plan.draw(connection, streams.values())
        if plan.due(connection, streams).exists():
            sync.go_on(connection)


def list_anew(workspace: Workspace) -> None:
    """All its repositories are listed soon, unless removals wait for a person or it fails.

    A long listing is made due no oftener than the hour's requests allow.
    """
    rows = StreamState.objects.filter(workspace_id=workspace.id, stream=plan.REPOSITORIES)
    state = rows.select_for_update().first()
    if state is None or state.stand in (StreamStand.FAILING, StreamStand.HELD_BACK):
        return
    now = clock.now()
    soonest = max(now, (state.last_full_at or now) + max(0, state.held - SHORT) * EACH)
    is_due = state.due_at is not None and state.due_at <= now
    if not is_due or state.wanted != plan.ASKED:  # which is whole, and sooner
        state.wanted = plan.FULL
    state.due_at = now if is_due else min(soonest, state.due_at or soonest)
    state.save(update_fields=["wanted", "due_at"])


def stream(place: keep.Place, key: str) -> None:
    """This list of the container is due, because somebody told of it."""
    with tenancy.transaction():
        rows = StreamState.objects.filter(
            workspace_id=place.workspace.id,
            repository_id=place.repository.id if place.repository else None,
            stream=key,
        )
        plan.want(rows, plan.TOLD)
