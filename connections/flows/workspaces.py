"""Choose which workspaces are synced; the first choice starts the first sync."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from connections.flows import rights, sync
from connections.flows.problems import FlowProblem
from connections.models import Connection, Workspace
from portal import audit
from portal.policy import Actor


def choose(*, actor: Actor, connection: Connection, workspace_ids: Collection[UUID]) -> None:
    """Exactly these workspaces are synced from now on, and a sync is under way."""
    actor = rights.mender(actor, connection)
    known = Workspace.objects.filter(connection_id=connection.id, gone_at=None)
    wanted = known.filter(id__in=workspace_ids)
    if not wanted.exists():
        raise FlowProblem("workspaces", "workspaces", "Choose at least one workspace.")
    known.update(selected=False)
    wanted.update(selected=True)
    names = sorted(wanted.values_list("name", flat=True))
    audit.record(audit.Action.WORKSPACES_CHOSEN, actor=actor, subject=connection, workspaces=names)
    if connection.is_live:
        sync.start(connection, requested_by=actor.name)
