"""Doors for workers: each kind of job calls one flow; due schedules become jobs."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connections as databases

from connections import registry
from connections.errors import RateLimited, VendorError
from connections.flows import (
    applying,
    branch_making,
    consumers,
    deciding,
    delivery_hours,
    endpoints,
    exporting,
    exports,
    forget,
    former,
    hook_rounds,
    hook_secrets,
    hook_settling,
    hook_tending,
    hook_trial,
    hook_waking as hook_waking,
    import_checks,
    import_renewing,
    importing,
    imports,
    incidents,
    inquiries,
    key_stops,
    plan,
    poll_pace,
    polling,
    probe,
    read,
    relay_backfill,
    relay_doubles,
    relay_drawing,
    relay_outbox,
    relay_sending,
    relay_waking as relay_waking,
    renewals,
    replacement,
    replacing,
    sending,
    sendings,
    settle,
    sync,
    told,
    verify,
    waking as waking,
    wanted_renewals,
    witnesses,
)
from connections.models import Connection, Workspace
from connections.receiving import handover
from portal import clock, tenancy, work

log = logging.getLogger(__name__)

_DUE = """
SELECT organization_id, id, next_verification_at <= %(now)s, next_sync_at <= %(now)s
  FROM connections_connection
 WHERE paused_at IS NULL AND state <> 'revoked'
   AND (next_verification_at <= %(now)s OR next_sync_at <= %(now)s)
 ORDER BY least(next_verification_at, next_sync_at) LIMIT 500
"""

_UNSEEN = """
SELECT organization_id, id FROM connections_connection
 WHERE next_probe_at <= %s AND paused_at IS NULL AND state <> 'revoked'
 ORDER BY next_probe_at LIMIT 2000
"""


def door(run: work.Run) -> work.Run:
    """Trouble that waiting may cure sends the row back, at the vendor's hour where it named one."""

    @functools.wraps(run)
    def enter(claim: work.Claim, **ref: str) -> None:
        try:
            run(claim, **ref)
        except RateLimited as error:
            seconds = error.retry_after_seconds or read.RATE_WAIT_SECONDS
            raise work.RetryLater(error.code, seconds=seconds) from error
        except VendorError as error:
            raise work.RetryLater(error.code) from error

    return enter


def _register(name: str, run: work.Run, gave_up: Callable[..., None] | None = None) -> None:
    work.job(name, gave_up=gave_up)(door(run))


_register("complete_link", settle.complete, settle.gave_up)
_register("forget_link", settle.forget)
_register("verify_connection", verify.perform, verify.gave_up)
_register("sync_connection", read.perform, read.gave_up)
_register("poll_connection", polling.perform)
_register("apply_shrink", sync.apply_shrink)
_register(replacement.JOB, replacing.advance, replacing.gave_up)
_register("forget_connection", forget.perform)
_register(former.JOB, former.end)
_register(sendings.SEND, sending.perform, sending.gave_up)
_register(imports.IMPORT, importing.perform, importing.gave_up)
_register(import_checks.FORGET, importing.forget)
_register(imports.UNDO, importing.undo)
_register(imports.RETRY, import_renewing.retry)
_register(exports.MAKE, exporting.perform, exporting.gave_up)
_register(exports.EXPIRE, exporting.expire)
_register("seal_consumer", consumers.seal)
_register("forget_consumer", consumers.forget)
_register(hook_secrets.KEEP, hook_secrets.keep)
_register(hook_secrets.END, hook_secrets.end_former)
_register(hook_rounds.JOB, hook_tending.perform, hook_settling.gave_up)
_register(hook_trial.JOB, hook_trial.perform, hook_trial.gave_up)
work.job(handover.KIND)(applying.perform)
_register(applying.FETCH, told.perform)
_register(inquiries.JOB, inquiries.perform, inquiries.gave_up)
_register(deciding.JOB, deciding.perform, deciding.gave_up)
work.job(delivery_hours.JOB)(delivery_hours.perform)
# These take trouble at the vendor as their daily work.
work.job("refresh_due")(renewals.perform)
work.job("refresh_credential")(wanted_renewals.renew_one)
work.every("connections.refresh_due", settings.SWEEP_SECONDS)(renewals.start_due)
work.on_sweep(renewals.replay_spool)
work.on_sweep(endpoints.keep)
_register(witnesses.LOOK, probe.perform)
_register(probe.IDLE_KIND, probe.perform)
_register(key_stops.JOB, key_stops.stopped)
work.job(relay_outbox.JOB)(relay_sending.perform)
_register(relay_backfill.JOB, relay_drawing.perform)
_register(relay_doubles.JOB, relay_doubles.perform, relay_doubles.gave_up)
_register(branch_making.JOB, branch_making.perform, branch_making.gave_up)


@work.every("connections.start_due", settings.SWEEP_SECONDS)
def start_due() -> None:
    """Every connection whose verification or sync is due has a job. Twice does no harm."""
    with databases["sweeper"].cursor() as cursor:
        cursor.execute(_DUE, {"now": clock.now()})
        due = cursor.fetchall()
    for organization_id, connection_id, verification, syncing in due:
        try:
            with tenancy.acting_for(organization_id), tenancy.transaction():
                _start(connection_id, verification=bool(verification), syncing=bool(syncing))
        except IntegrityError:  # somebody asked in the same moment; the next sweep looks again
            log.warning("schedule.refused", extra={"connection_id": str(connection_id)})
        except Exception:  # the connections behind this one are due as well
            log.exception("schedule.raised", extra={"connection_id": str(connection_id)})


def _start(connection_id: UUID, *, verification: bool, syncing: bool) -> None:
    connection = (
        Connection.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(id=connection_id)
        .first()
    )
    if connection is None or not connection.is_live:
        return
    if verification:
        if registry.is_installed(connection.connector):
            verify.start(connection, requested_by="")
        connection.schedule()
    if syncing:
        chosen = Workspace.objects.filter(connection_id=connection.id, selected=True, gone_at=None)
        has_some = chosen.exists() and bool(plan.streams_of(connection))
        if connection.state == Connection.State.ACTIVE and has_some:
            sync.poll(connection)
        poll_pace.schedule(connection)


@work.every("connections.start_probes", settings.SWEEP_SECONDS)
def start_probes() -> None:
    """Every connection that was not heard of for a while is looked at. Twice does no harm."""
    with databases["sweeper"].cursor() as cursor:
        cursor.execute(_UNSEEN, [clock.now()])
        unseen = sorted(cursor.fetchall())
    for organization_id, theirs in groupby(unseen, key=itemgetter(0)):
        with tenancy.acting_for(organization_id), tenancy.transaction():
            held = Connection.objects.select_for_update(skip_locked=True, no_key=True)
            for connection in held.filter(id__in=[row[1] for row in theirs]):
                probe.start_idle(connection)


work.every("connections.breakers", 30)(incidents.look_after)
