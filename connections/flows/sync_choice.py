"""What of a connection is synced, and for how long what ended is kept."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from connections.flows import asks, plan, rights, sync
from connections.flows.problems import FlowProblem
from connections.models import Connection, StreamState, SyncSettings, Workspace
from portal import audit, clock
from portal.policy import Actor

KEEP_DAYS: Final = (30, 90, 180, 400, 1200)


def choose(
    *, actor: Actor, connection: Connection, streams: Collection[str], keep_days: int | None
) -> None:
    """Exactly these streams are synced from now on; what was read of the others stays as it is.

    Those that others hang on are synced in any case. None for `keep_days` keeps everything.
    """
    actor = rights.manager(actor, connection)
    connection.hold()
    offered = plan.linked_for(connection)
    chosen = [stream.key for stream in offered if stream.required or stream.key in streams]
    if not set(streams) <= {stream.key for stream in offered} or not chosen:
        raise FlowProblem("streams", "streams", "Choose at least one of the lists.")
    if keep_days is not None and keep_days not in KEEP_DAYS:
        raise FlowProblem("keep_days", "keep_days", "Choose one of the spans.")
    _read_farther(connection, keep_days)
    values = {"chosen": chosen, "keep_days": keep_days, "changed_at": clock.now()}
    SyncSettings.objects.update_or_create(
        organization_id=connection.organization_id, connection=connection, defaults=values
    )
    facts = {"streams": chosen, "keep_days": keep_days}
    audit.record(audit.Action.SYNC_CHOSEN, actor=actor, subject=connection, **facts)
    picked = Workspace.objects.filter(connection_id=connection.id, selected=True, gone_at=None)
    if connection.is_live and picked.exists():
        sync.start(connection, requested_by="")


def _read_farther(connection: Connection, keep_days: int | None) -> None:
    """Where more of the past is kept than until now, it is read whole: it was left out before."""
    before = plan.settings_of(connection).keep_days
    if before is None or (keep_days is not None and keep_days <= before):
        return
    rows = StreamState.objects.filter(connection_id=connection.id, stream__in=asks.NEWEST_FIRST)
    rows.update(since=None, held_heads=None)
    plan.want(rows.exclude(last_success_at=None), plan.FULL)
