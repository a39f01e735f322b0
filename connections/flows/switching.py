"""The switch to the new credential, and the way back: one transaction each, nothing half done."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.utils import timezone

from connections import places
from connections.flows import (
    campaigns,
    departure,
    due,
    health,
    marks,
    rights,
    stages,
    telling_replacements as telling,
    verify,
)
from connections.models import Connection, Credential, Replacement
from portal import audit, clock, vault, work
from portal.steps import step

Stage = Replacement.Stage
How = Replacement.How
TICKED = "ticked"  # the items of campaigns that the switch ticked


def switch(claim: work.Claim, one: Replacement) -> None:
    """The new one is in use. The old one is kept, unless it has expired."""
    try:
        with stages.at(claim, one, Stage.SWITCHING) as row:
            if row is not None:
                _switch(row)
    except IntegrityError:  # another connection came to act as this account meanwhile
        with stages.at(claim, one, Stage.SWITCHING) as row:
            if row is not None:
                _not_now(row, "account_taken")
        return
    step("replacement.switched")


def _switch(row: Replacement) -> None:
    connection, old, new = row.connection, stages.current(row.connection), _new(row)
    if new is None or (old.id if old else None) != row.old_id:
        _not_now(row, "moved_on")
        return
    if old is not None and is_being_renewed(old) and _is_worth_waiting(row):
        raise work.RetryLater("refresh_under_way", seconds=5, free=True)
    if not _may(row):
        _not_now(row, "not_allowed")
        return
    if old is not None:
        put_away(old)
    _put_in_use(new)
    _arrive(connection, row)
    row.switched_at = clock.now()
    _follow(connection, row, new)
    audit.record(
        audit.Action.CREDENTIAL_REPLACED,
        actor=stages.actor_of(row),
        subject=connection,
        method=connection.method,
        account=connection.account_name,
        automatic=row.automatic,
        because=row.because,
    )
    row.found |= {TICKED: [str(each) for each in campaigns.settled(connection, "rotate")]}
    telling.replaced(connection)
    _next(row, old)


def _new(row: Replacement) -> Credential | None:
    return stages.credential(row.new_id)


def is_being_renewed(old: Credential) -> bool:
    """Whether a worker spends its refresh token now: the way back needs what comes of it.

    A secret that is exchanged is not spent.
    """
    is_held = old.lease_until is not None and old.lease_until > timezone.now()
    return is_held and vault.holds(places.of_credential(old, places.REFRESH))


def _is_worth_waiting(row: Replacement) -> bool:
    """For as long as one renewal takes: what is in doubt at a vendor that does not answer, or
    refuses it, is asked for again as soon as it is let go."""
    longest = timedelta(seconds=settings.REFRESH_LEASE_SECONDS)
    return row.asked_at is None or row.asked_at > clock.now() - longest


def _may(row: Replacement) -> bool:
    """Asked again, because minutes have passed."""
    try:
        rights.mender(stages.actor_of(row), row.connection)
    except PermissionDenied:
        return False
    return True


def _not_now(row: Replacement, code: str) -> None:
    """It is not switched to. What moved meanwhile leaves nothing to switch to."""
    if row.automatic or code != "not_allowed":
        stages.drop(row, Stage.FAILED, error=code)
        telling.rotation_failed(row)
    else:
        stages.move(row, Stage.CHECKED, error=code)


def put_away(old: Credential) -> None:
    """The credential is not in use any more, and still sealed."""
    old.replaced_at, old.refresh_due_at = clock.now(), None
    old.save(update_fields=["replaced_at", "refresh_due_at"])


def _put_in_use(new: Credential) -> None:
    new.replaced_at, new.created_at = None, clock.now()
    new.save(update_fields=["replaced_at", "created_at"])


def kept_of(connection: Connection) -> dict[str, str]:
    """What a switch changes besides the credential, for the way back."""
    orphaned_at = connection.orphaned_at
    return {
        "state": connection.state,
        "granted_by": str(connection.granted_by_id or ""),
        "granted_by_name": connection.granted_by_name,
        "orphaned_at": orphaned_at.isoformat() if orphaned_at else "",
    }


def _arrive(connection: Connection, row: Replacement) -> None:
    found = row.found
    row.before = row.before | kept_of(connection)
    connection.method, connection.fields = row.method, row.fields
    connection.consumer_id = None
    connection.account_id = found["account_id"]
    connection.account_name = found["account"]
    connection.account_kind, connection.account_url = found["account_kind"], found["account_url"]
    if not row.automatic:
        connection.granted_by_id, connection.granted_by_name = row.user_id, row.user_name
        departure.settle(connection)
    connection.linked_at = timezone.now()
    connection.save()
    health.accepted(connection)


def _follow(connection: Connection, row: Replacement, now_used: Credential) -> None:
    """What has to know that another credential is in use."""
    due.plan(connection)
    connection.schedule()
    verify.supersede(connection)
    if connection.is_live:
        verify.start(connection, requested_by="" if row.automatic else row.user_name)
    marks.raised(connection, now_used)


def _next(row: Replacement, old: Credential | None) -> None:
    """The old one: expired, withdrawn by us where we can, else left to a person."""
    if old is None:
        stages.end(row, Stage.DONE)
        return
    if old.expires_at is not None and not old.refreshable and old.expires_at <= clock.now():
        row.withdrawn_how = How.EXPIRED
    elif row.automatic and row.old_token_id:
        row.withdrawn_how = How.VENDOR
    stages.move(row, Stage.WITHDRAWING if row.withdrawn_how else Stage.SWITCHED)
    if row.automatic and not row.withdrawn_how:
        telling.to_withdraw(row)


# ── The way back ──────────────────────────────────────────────────────────────────────────────


def go_back(claim: work.Claim, one: Replacement) -> None:
    """The old one is in use as it was; the new one is to be forgotten."""
    try:
        with stages.at(claim, one, Stage.GOING_BACK) as row:
            if row is not None:
                _go_back(row)
    except IntegrityError:  # another connection came to act as the account of before
        with stages.at(claim, one, Stage.GOING_BACK) as row:
            if row is not None:
                stages.move(row, Stage.SWITCHED, error="account_taken")
        return
    step("replacement.went_back")


def _go_back(row: Replacement) -> None:
    connection, new, old = row.connection, stages.current(row.connection), _old(row)
    if old is None or new is None or new.id != row.new_id:
        stages.move(row, Stage.SWITCHED, error="moved_on")
        return
    put_away(new)
    old.replaced_at = None
    old.save(update_fields=["replaced_at"])
    _leave(connection, row.before)
    campaigns.reopened(row.found.get(TICKED, []))
    _follow(connection, row, old)
    telling.withdrawn(connection)
    audit.record(audit.Action.CREDENTIAL_WENT_BACK, actor=stages.actor_of(row), subject=connection)
    stages.drop(row, Stage.WENT_BACK)


def _leave(connection: Connection, before: dict[str, Any]) -> None:
    """The connection is as it was, with whose consent it acted."""
    connection.method, connection.fields = str(before["method"]), before["fields"]
    connection.consumer_id = UUID(before["consumer"]) if before["consumer"] else None
    connection.account_id, connection.account_name = before["account"], before["account_name"]
    connection.account_kind = before["account_kind"]
    connection.account_url = before["account_url"]
    connection.state = before["state"]
    connection.granted_by_name = before.get("granted_by_name", connection.granted_by_name)
    connection.linked_at = timezone.now()
    connection.save()
    if "granted_by" in before:
        granted_by = UUID(before["granted_by"]) if before["granted_by"] else None
        since = before["orphaned_at"]
        orphaned_at = datetime.fromisoformat(since) if since else None
        departure.given_back(connection, granted_by, orphaned_at)


def _old(row: Replacement) -> Credential | None:
    return stages.credential(row.old_id)
