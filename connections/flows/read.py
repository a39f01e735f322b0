"""Read what is due of a connection: many chains at once, each page kept with its checkpoint.

Threads fetch, without a database; the worker's own thread writes what has arrived. A chain's next
page is asked for while its last one is written, so that the vendor's latency is the only thing
waited for; never more than one, so that a killed worker repeats no more. The run resumes from its
checkpoints; a container that fails does so alone.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty

from django.conf import settings
from django.utils import timezone

from connections.access import way_of
from connections.contracts import Level
from connections.errors import (
    RateLimited,
    ReauthorizationRequired,
    Unavailable,
    VendorError,
)
from connections.flows import budget, health, plan, poll_pace, shrink, telling, verify
from connections.flows.budget import BudgetSpent
from connections.flows.chains import ENDS_THE_RUN, Arrival, follow
from connections.flows.reading import (
    Reading,
    Stopped,
    fail_chain,
    keep_pages,
    note_silence,
    note_spent,
    pace_of,
    patience,
    progress,
    stop_if_asked,
    take_window,
    wait_for,
)
from connections.models import LIVE, Connection, RunState, StreamState, SyncFailure, SyncRun
from portal import audit, tenancy, work
from portal.policy import SYSTEM
from portal.steps import step

RATE_WAIT_SECONDS = 900.0
TOGETHER_SECONDS = 0.05


def perform(claim: work.Claim, *, run_id: str) -> None:
    """The run is read to its end, or stopped with its reason; raises RetryLater to resume later."""
    reading = _open(claim, run_id)
    if reading is None:
        return
    try:
        _still_here(reading)
        while not _finished(reading):
            _read_on(reading)
    except Stopped as stopped:
        _close(reading, stopped.state, stopped.code, stopped.detail)
    except RateLimited as error:
        seconds = wait_for(reading, error)
        _note_wait(reading, error)
        raise work.RetryLater(error.code, seconds=seconds, free=True) from error
    except VendorError as error:
        if error.retry and claim.job.attempts < claim.job.max_attempts:
            _note_wait(reading, error)
            raise
        _close(reading, RunState.FAILED, error.code, error.detail)


def _read_on(reading: Reading) -> None:
    """To the end of the window, or of the hour's requests for it: others may still have some."""
    try:
        _read_window(reading)
    except BudgetSpent as error:
        note_spent(reading, error)
    _settle_unreached(reading)


def _read_window(reading: Reading) -> None:
    """A token that the vendor refuses on the way is replaced once."""
    try:
        _read(reading)
    except ReauthorizationRequired:
        if not reading.has_other_token():
            raise
        take_window(reading)
        _read(reading)


def gave_up(code: str, *, run_id: str) -> None:
    """All attempts are used up. Runs inside the job's transaction."""
    runs = SyncRun.objects.select_related("connection").filter(id=run_id, state__in=LIVE)
    for run in runs:
        _lock_connection(run)
        run.state, run.error, run.finished_at = RunState.FAILED, code[:40], timezone.now()
        run.save(update_fields=["state", "error", "finished_at"])
        run.connection.schedule_sync()
        facts = {"state": run.state, "run": run.id, "error": run.error}
        audit.record(audit.Action.SYNC_FINISHED, actor=SYSTEM, subject=run.connection, **facts)


def _open(claim: work.Claim, run_id: str) -> Reading | None:
    with tenancy.transaction():
        run = (
            SyncRun.objects.select_related("connection", "connection__consumer")
            .filter(id=run_id, state__in=LIVE)
            .first()
        )
        if run is None:
            return None
        way = way_of(run.connection)
        if run.state == RunState.QUEUED:
            _lock_connection(run)
            run.state, run.started_at = RunState.RUNNING, timezone.now()
            run.save(update_fields=["state", "started_at"])
        SyncRun.objects.filter(id=run.id).update(error="", error_detail="")
        streams = plan.chosen(run.connection)
        keep_days = plan.settings_of(run.connection).keep_days
        plan.draw(run.connection, streams.values())
    budget_id = budget.of(run.connection)
    return Reading(
        claim=claim,
        run=run,
        connection=run.connection,
        way=way,
        streams=streams,
        budget_id=budget_id,
        pace=pace_of(run.connection, budget_id),
        keep_days=keep_days,
        done=run.done,
    )


def _lock_connection(run: SyncRun) -> Connection:
    """A connection is locked before its runs, as a revocation and a new choice lock them."""
    found: Connection = Connection.objects.select_for_update(no_key=True).get(id=run.connection_id)
    return found


def _read(reading: Reading) -> None:
    chains = reading.window
    if not chains:
        return
    left = len(chains)
    reading.unreached.clear()
    reading.silent = 0
    purse = reading.open_purse(plan.purpose_of(chains[0].state))
    with ThreadPoolExecutor(settings.SYNC_CONCURRENCY, thread_name_prefix="sync") as pool:
        try:
            reading.renew()
            purse.fill()
            for chain in chains:
                pool.submit(follow, chain, reading.vendor, reading.arrived, reading.ahead)
            while left:
                batch = _next(reading, most=min(left, settings.SYNC_CONCURRENCY))
                purse.fill()
                if batch:
                    left -= _keep(reading, batch)
                else:
                    _still_here(reading)
                reading.renew()
        finally:
            for chain in chains:
                chain.stop()
            reading.ahead.release(len(chains))
            pool.shutdown(wait=False, cancel_futures=True)
            purse.close()


def _next(reading: Reading, *, most: int) -> list[Arrival]:
    """What arrives together, at least one; nothing when lease or purse need a look first.

    A moment's wait halves the transactions, and leaves the processor to the threads that have an
    answer to read. It holds up no chain: each may be a page ahead.
    """
    batch: list[Arrival] = []
    with suppress(Empty):
        first = reading.arrived.get(timeout=settings.LEASE_SECONDS / 3)
        until = time.monotonic() + TOGETHER_SECONDS
        while first is not None:
            batch.append(first)
            if len(batch) == most:
                break
            first = reading.arrived.get(timeout=max(0, until - time.monotonic()))
    return batch


def _keep(reading: Reading, batch: list[Arrival]) -> int:
    """The pages are rows, all in one transaction; how many chains ended with them."""
    pages = [one for one in batch if one.page is not None]
    if pages:
        reading.has_read, reading.silent = True, 0
        keep_pages(reading, pages)
        step("sync.page_kept")
    for one in pages:
        one.chain.go_on()
    reading.ahead.release(len(batch))
    failed = [one for one in batch if one.page is None]
    for one in failed:
        if isinstance(one.error, Unavailable):
            note_silence(reading, one.chain, one.error)
        elif isinstance(one.error, VendorError) and not isinstance(one.error, ENDS_THE_RUN):
            fail_chain(reading, one.chain, one.error)
        elif one.error is not None:
            raise one.error
    return len(failed) + sum(one.following is None for one in pages)


def _settle_unreached(reading: Reading) -> None:
    """A workspace is waited for; a repository out of reach while others answer fails alone."""
    for chain, error in reading.unreached:
        alone = chain.stream.level is Level.REPOSITORY
        if not alone and reading.claim.job.attempts < patience(reading):
            raise error
        fail_chain(reading, chain, error)
    reading.unreached.clear()


def _still_here(reading: Reading) -> None:
    with tenancy.transaction():
        reading.claim.hold()
        stop_if_asked(reading)


def _note_wait(reading: Reading, error: VendorError) -> None:
    """The page says what the run waits for; an outage shows on its connection too."""
    with tenancy.transaction():
        reading.claim.hold()
        SyncRun.objects.filter(id=reading.run.id).update(error=error.code, now_reading="")
        if not isinstance(error, RateLimited):
            Connection.objects.get(id=reading.connection.id).failed(error.code)


def _finished(reading: Reading) -> bool:
    """The run is closed, unless something is still to be read: what is new and chosen, as well."""
    if not reading.has_new and take_window(reading):
        return False
    reading.has_new = False
    with tenancy.transaction():
        reading.claim.hold()
        _lock_connection(reading.run)
        reading.streams = plan.chosen(reading.connection)
        plan.draw(reading.connection, reading.streams.values())
        if take_window(reading):
            return False
        _finish(reading)
        return True


def _finish(reading: Reading) -> None:
    run = SyncRun.objects.get(id=reading.run.id)
    rows = plan.states(reading.connection, reading.streams)
    codes = SyncFailure.objects.filter(run_id=run.id).order_by("-stream")
    code = codes.values_list("code", flat=True).first()
    failing = rows.filter(repository=None, stand=StreamState.Stand.FAILING)
    if not rows.exists():
        _close(reading, RunState.CANCELLED)  # the last workspace went while it waited
    elif run.shrink:
        _close(reading, RunState.QUARANTINED)
    elif code is None:
        _close(reading, RunState.DONE)
    elif not failing.exists() or rows.filter(last_success_at__gte=run.started_at).exists():
        _close(reading, RunState.PARTIAL)
    else:
        _close(reading, RunState.FAILED, code)


def _close(reading: Reading, state: str, code: str = "", detail: str = "") -> None:
    run, action = reading.run, audit.Action.SYNC_FINISHED
    with tenancy.transaction():
        reading.claim.hold()
        connection = _lock_connection(run)
        progress(reading, "")
        SyncRun.objects.filter(id=run.id).update(
            state=state, finished_at=timezone.now(), error=code, error_detail=detail[:200]
        )
        if state in {RunState.DONE, RunState.PARTIAL, RunState.QUARANTINED}:
            health.worked(connection)
        elif code and code != "not_live":
            health.troubled(connection, code)
        is_doubtful = code == ReauthorizationRequired.code or state == RunState.QUARANTINED
        if is_doubtful and connection.is_live:  # who we are, and which workspaces are still ours
            verify.start(connection, requested_by="")
        poll_pace.schedule(connection)
        if state == RunState.QUARANTINED:
            action = audit.Action.SYNC_QUARANTINED
            telling.quarantined(connection, SyncRun.objects.get(id=run.id))
        elif state == RunState.DONE and not shrink.holds_back(connection):
            telling.quarantine_over(connection)
        audit.record(action, actor=SYSTEM, subject=connection, state=state, run=run.id, error=code)
        reading.claim.done()
