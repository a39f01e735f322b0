"""Ask for a reading of a connection's workspaces, cancel it, agree to its removals.

The reading itself is `read.py`; what it may remove at the end is `shrink.py`.
"""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from connections.flows import pace, plan, rights, shrink, telling
from connections.flows.budget import BudgetSpent
from connections.flows.problems import FlowProblem
from connections.models import LIVE, Connection, SyncRun, Workspace
from portal import audit, clock, tenancy, work
from portal.models import Job
from portal.policy import Actor

NOTHING_TO_READ = (
    "A sync has nothing to read here: none of this connection's capabilities is about projects,"
    " members or repositories. Link it again with one that is."
)


def request(*, actor: Actor, connection: Connection) -> SyncRun:
    """A run under way, asked for by a person; one that is live already is given back."""
    actor = rights.mender(actor, connection)
    if not connection.is_live:
        raise FlowProblem("not_live", "", "Resume or re-link this connection first.")
    chosen = Workspace.objects.filter(connection_id=connection.id, selected=True, gone_at=None)
    if not chosen.exists():
        raise FlowProblem("no_workspace", "", "Choose a workspace first.")
    if not plan.streams_of(connection):
        raise FlowProblem("nothing_to_read", "", NOTHING_TO_READ)
    pace.keep("sync", actor)
    audit.record(audit.Action.SYNC_REQUESTED, actor=actor, subject=connection)
    return start(connection, requested_by=actor.name)


def start(connection: Connection, *, requested_by: str) -> SyncRun:
    """Create the run and wake a worker. Call it inside a transaction.

    Whoever asks by name has the workspaces read whole, nobody what is due. Only for a connection
    with streams to read: see `plan.streams_of`.
    """
    Connection.objects.select_for_update(no_key=True).filter(
        id=connection.id
    ).first()  # one at a time
    live = SyncRun.objects.filter(connection_id=connection.id, state__in=LIVE).first()
    if live is not None:
        if requested_by and live.error == BudgetSpent.code:
            plan.ask(connection)
            poll(connection)  # a worker wakes it: what somebody waits for may be asked
        return live  # type: ignore[no-any-return]
    if requested_by:
        plan.ask(connection)
    run: SyncRun = SyncRun.objects.create(connection_id=connection.id, requested_by=requested_by)
    work.later(
        "sync_connection",
        priority=work.NORMAL if requested_by else work.FULL,
        dedupe=_name(run.id),
        run_id=run.id,
    )
    return run


def poll(connection: Connection) -> None:
    """A worker asks what changed; a run follows when something did, or is due. Else nothing."""
    work.later(
        "poll_connection",
        priority=work.INCREMENTAL,
        dedupe=f"poll:{connection.id}",
        connection_id=connection.id,
    )


def go_on(connection: Connection) -> SyncRun:
    """A run reads what is due; one that waits for its requests looks whether others may be made.

    For workers only.
    """
    run = start(connection, requested_by="")
    rows = Job.objects.filter(dedupe=_name(run.id), done_at=None, lease_owner=None)
    rows.filter(last_error=BudgetSpent.code).update(run_at=clock.now())
    return run


def cancel(*, actor: Actor, run: SyncRun) -> None:
    """The run ends after the page in hand; what was read stays."""
    actor = rights.mender(actor, run.connection)
    if stop(run.connection, run_id=run.id):
        audit.record(audit.Action.SYNC_CANCELLED, actor=actor, subject=run.connection)


def stop(connection: Connection, *, run_id: UUID | None = None) -> int:
    """Its live run ends: after the page in hand, or at once where no worker reads; 1 or 0."""
    Connection.objects.select_for_update(no_key=True).get(id=connection.id)  # then its run
    now = timezone.now()
    live = SyncRun.objects.filter(connection_id=connection.id, state__in=LIVE)
    if run_id is not None:
        live = live.filter(id=run_id)
    asked: int = live.filter(cancel_requested_at=None).update(cancel_requested_at=now)
    read = Job.objects.filter(done_at=None, lease_until__gt=now)
    for run in live:
        if not read.filter(dedupe=_name(run.id)).exists():
            live.filter(id=run.id).update(state=SyncRun.State.CANCELLED, finished_at=now)
            connection.schedule_sync()
    return asked


def _name(run_id: UUID) -> str:
    """The name of the run's job."""
    return f"sync:{run_id}"


def accept_shrink(*, actor: Actor, run: SyncRun) -> None:
    """A person agrees: a worker marks as gone what this run did not see any more."""
    actor = rights.manager(actor, run.connection)
    locked = SyncRun.objects.select_for_update().get(id=run.id)
    if locked.state != SyncRun.State.QUARANTINED:
        raise FlowProblem("too_late", "", "Nothing is held back any more.")
    locked.state = SyncRun.State.DONE
    locked.save(update_fields=["state"])
    work.later("apply_shrink", priority=work.WAITING, run_id=locked.id)
    telling.quarantine_over(run.connection)
    audit.record(
        audit.Action.SYNC_SHRINK_ACCEPTED,
        actor=actor,
        subject=run.connection,
        removed=sum(rows.count() for rows in shrink.held_back(locked)),
    )


def apply_shrink(claim: work.Claim, *, run_id: str) -> None:
    """What was agreed to is marked as gone. Runs in a worker, which alone may write these rows."""
    with tenancy.transaction():
        claim.hold()
        shrink.apply(SyncRun.objects.select_related("connection").get(id=run_id))
        claim.done()
