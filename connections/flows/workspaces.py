"""Choose which workspaces are synced; the first choice starts the first sync."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from connections.flows import plan, rights, sync
from connections.flows.problems import FlowProblem
from connections.models import LIVE, Connection, SyncRun, Workspace
from portal import audit
from portal.policy import Actor


def choose(
    *, actor: Actor, connection: Connection, workspace_ids: Collection[UUID]
) -> SyncRun | None:
    """Exactly these workspaces are synced from now on; the run that reads them, if one does."""
    actor = rights.mender(actor, connection)
    connection = Connection.objects.select_for_update(no_key=True).get(id=connection.id)
    # Locked before the workspaces, as the worker that reads them locks it.
    runs = SyncRun.objects.select_for_update(no_key=True)
    runs.filter(connection_id=connection.id, state__in=LIVE).first()
    known = Workspace.objects.filter(connection_id=connection.id, gone_at=None)
    wanted = known.filter(id__in=workspace_ids)
    if not wanted.exists():
        raise FlowProblem("workspaces", "workspaces", "Choose at least one workspace.")
    added = list(wanted.filter(selected=False).values_list("id", flat=True))
    known.update(selected=False)
    known.filter(id__in=workspace_ids).update(selected=True)
    names = sorted(wanted.values_list("name", flat=True))
    audit.record(audit.Action.WORKSPACES_CHOSEN, actor=actor, subject=connection, workspaces=names)
    if not connection.is_live or not plan.streams_of(connection):
        return None
    plan.ask(connection, added)
    return sync.start(connection, requested_by=actor.name)
