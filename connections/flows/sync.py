"""Ask for a reading of a connection's workspaces, cancel it, agree to its removals.

The reading itself is `read.py`; what it may remove at the end is `shrink.py`.
"""

from __future__ import annotations

from django.utils import timezone

from connections.flows import shrink
from connections.flows.problems import FlowProblem
from connections.models import LIVE, Connection, SyncRun, Workspace
from portal import audit, work
from portal.policy import Actor, Permission, authorize


def request(*, actor: Actor, connection: Connection) -> SyncRun:
    """A run under way, asked for by a person; one that is live already is given back."""
    actor = authorize(actor, Permission.CONNECTION_MANAGE, team_id=connection.team_id)
    if not connection.is_live:
        raise FlowProblem("not_live", "", "Resume or re-link this connection first.")
    chosen = Workspace.objects.filter(connection_id=connection.id, selected=True, gone_at=None)
    if not chosen.exists():
        raise FlowProblem("no_workspace", "", "Choose a workspace first.")
    audit.record(audit.Action.SYNC_REQUESTED, actor=actor, subject=connection)
    return start(connection, requested_by=actor.name)


def start(connection: Connection, *, requested_by: str) -> SyncRun:
    """Create the run and wake a worker. Call it inside a transaction."""
    live = SyncRun.objects.filter(connection_id=connection.id, state__in=LIVE).first()
    if live is not None:
        return live  # type: ignore[no-any-return]
    run: SyncRun = SyncRun.objects.create(connection_id=connection.id, requested_by=requested_by)
    work.later(
        "sync_connection",
        priority=work.NORMAL if requested_by else work.FULL,
        dedupe=f"sync:{run.id}",
        run_id=run.id,
    )
    return run


def cancel(*, actor: Actor, run: SyncRun) -> None:
    """The run ends after the page in hand; what was read stays."""
    actor = authorize(actor, Permission.CONNECTION_MANAGE, team_id=run.connection.team_id)
    cancelled = SyncRun.objects.filter(id=run.id, state__in=LIVE, cancel_requested_at=None).update(
        cancel_requested_at=timezone.now()
    )
    if cancelled:
        audit.record(audit.Action.SYNC_CANCELLED, actor=actor, subject=run.connection)


def accept_shrink(*, actor: Actor, run: SyncRun) -> None:
    """A person agrees: what this run did not see any more is marked as gone."""
    actor = authorize(actor, Permission.CONNECTION_MANAGE, team_id=run.connection.team_id)
    locked = SyncRun.objects.select_for_update().get(id=run.id)
    if locked.state != SyncRun.State.QUARANTINED:
        raise FlowProblem("too_late", "", "Nothing is held back any more.")
    removed = shrink.apply(locked)
    locked.state = SyncRun.State.DONE
    locked.save(update_fields=["state"])
    audit.record(
        audit.Action.SYNC_SHRINK_ACCEPTED, actor=actor, subject=run.connection, removed=removed
    )
