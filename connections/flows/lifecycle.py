"""Edit what may change, pause and resume, and revoke with everything that goes counted before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from connections.flows import (
    campaigns,
    due,
    hook_choice,
    parting,
    relay_removal,
    rights,
    sync,
    telling,
)
from connections.flows.problems import FlowProblem
from connections.models import (
    Connection,
    Repository,
    SyncRun,
    Verification,
    Workspace,
)
from portal import audit, work
from portal.policy import Actor

MOST_LABELS, LONGEST_LABEL, LONGEST_DESCRIPTION = 20, 40, 4000
VERIFY_HOURS, SYNC_MINUTES = range(1, 24 * 7 + 1), range(5, 24 * 60 + 1)


def edit(
    *,
    actor: Actor,
    connection: Connection,
    labels: Sequence[str],
    description: str,
    verify_every_hours: int,
    sync_every_minutes: int,
) -> None:
    """Labels, description and schedules are as given; the name never changes."""
    actor = rights.manager(actor, connection)
    labels = _once(labels)
    if len(labels) > MOST_LABELS or any(len(label) > LONGEST_LABEL for label in labels):
        raise FlowProblem("labels", "labels", "Use at most 20 labels of at most 40 characters.")
    if len(description) > LONGEST_DESCRIPTION:
        raise FlowProblem("description", "description", "Use at most 4,000 characters.")
    if verify_every_hours not in VERIFY_HOURS:
        raise FlowProblem("schedule", "verify_every_hours", "Choose between 1 and 168 hours.")
    if sync_every_minutes not in SYNC_MINUTES:
        raise FlowProblem("schedule", "sync_every_minutes", "Choose between 5 and 1,440 minutes.")
    changed = {
        "labels": labels,
        "description": description,
        "verify_every_hours": verify_every_hours,
        "sync_every_minutes": sync_every_minutes,
    }
    changed = {name: value for name, value in changed.items() if getattr(connection, name) != value}
    for name, value in changed.items():
        setattr(connection, name, value)
    if not changed:
        return
    connection.save(update_fields=list(changed))
    if "verify_every_hours" in changed:
        connection.schedule()
    if "sync_every_minutes" in changed and connection.next_sync_at is not None:
        connection.schedule_sync()
    audit.record(
        audit.Action.CONNECTION_EDITED, actor=actor, subject=connection, changed=sorted(changed)
    )


def _once(labels: Sequence[str]) -> list[str]:
    """Each label once, however it is capitalised, by the alphabet."""
    cleaned = (" ".join(label.split()) for label in reversed(labels))
    return sorted({label.lower(): label for label in cleaned if label}.values(), key=str.lower)


def pause(*, actor: Actor, connection: Connection) -> None:
    """Nothing calls the vendor for it until it is resumed; a live sync stops after its page."""
    actor = rights.manager(actor, connection)
    connection.hold()
    _require_not_revoked(connection)
    if connection.paused_at is not None:
        return
    connection.paused_at = timezone.now()
    connection.save(update_fields=["paused_at"])
    connection.schedule()
    connection.schedule_sync()
    due.plan(connection)
    audit.record(audit.Action.CONNECTION_PAUSED, actor=actor, subject=connection)


def resume(*, actor: Actor, connection: Connection) -> None:
    """Work goes on, beginning with a verification."""
    actor = rights.manager(actor, connection)
    connection.hold()
    _require_not_revoked(connection)
    if connection.paused_at is None:
        return
    connection.paused_at = None
    connection.next_verification_at = timezone.now()
    connection.save(update_fields=["paused_at", "next_verification_at"])
    connection.schedule_sync()
    due.plan(connection)
    audit.record(audit.Action.CONNECTION_RESUMED, actor=actor, subject=connection)


@dataclass(frozen=True, slots=True)
class Losses:
    """What a revocation takes away, counted, and whether the vendor ends the credential too."""

    workspaces: int
    repositories: int
    sync_runs: int
    verifications: int
    can_withdraw_at_vendor: bool
    hooks: int  # places with webhooks of ours


def preview_revoke(connection: Connection) -> Losses:
    """What would go. The record stays."""
    return Losses(
        workspaces=Workspace.objects.filter(connection_id=connection.id).count(),
        repositories=Repository.objects.filter(connection_id=connection.id, gone_at=None).count(),
        sync_runs=SyncRun.objects.filter(connection_id=connection.id).count(),
        verifications=Verification.objects.filter(connection_id=connection.id).count(),
        can_withdraw_at_vendor=parting.ends_by_us(connection),
        hooks=hook_choice.ours_of(connection).count(),
    )


def revoke(*, actor: Actor, connection: Connection, typed_name: str) -> None:
    """The credential is forgotten and what was read goes; name and record stay for ever.

    A worker erases the sealed secret, which the web process cannot touch.
    """
    actor = rights.manager(actor, connection)
    if " ".join(typed_name.split()) != connection.name:
        raise FlowProblem("typed_name", "typed_name", "Type the connection's name exactly.")
    connection.hold()
    if connection.state == Connection.State.REVOKED:
        return
    losses = preview_revoke(connection)
    now = timezone.now()
    connection.state, connection.revoked_at = Connection.State.REVOKED, now
    connection.save(update_fields=["state", "revoked_at"])
    connection.schedule()
    connection.schedule_sync()
    due.plan(connection)
    sync.stop(connection)
    work.later("forget_connection", priority=work.WAITING, connection_id=connection.id)
    telling.over(connection)
    campaigns.gone(connection)
    relay_removal.end_all_of(connection.id, by=actor)
    audit.record(
        audit.Action.CONNECTION_REVOKED,
        actor=actor,
        subject=connection,
        workspaces=losses.workspaces,
        repositories=losses.repositories,
    )


def _require_not_revoked(connection: Connection) -> None:
    if connection.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", "A revoked connection stays revoked. Link a new one.")
