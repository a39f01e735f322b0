"""Read a connection's workspaces: many streams at once, each page kept with its checkpoint.

Threads fetch, without a database; the worker's own thread writes what has arrived. A stream's next
page is asked for while its last one is written, so that the vendor's latency is the only thing
waited for; never more than one, so that a killed worker repeats no more. The run resumes from its
checkpoints; a stream that fails does so alone.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings
from django.utils import timezone

from connections.access import way_of
from connections.contracts import WorkspaceRecord
from connections.errors import (
    RateLimited,
    ReauthorizationRequired,
    Unavailable,
    VendorError,
)
from connections.flows import health, plan, telling, verify
from connections.flows.reading import (
    ENDS_THE_RUN,
    Arrival,
    Arrivals,
    Chain,
    Reading,
    Stopped,
    fail_stream,
    follow,
    keep_pages,
    progress,
    stop_if_asked,
)
from connections.models import LIVE, Connection, RunState, StreamRun, SyncRun
from portal import audit, tenancy, work
from portal.policy import SYSTEM
from portal.steps import step

RATE_WAIT_SECONDS = 900.0
TOGETHER_SECONDS = 0.05
PATIENCE = 4  # attempts for a stream out of reach while others answer


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
        _note_wait(reading, error)
        seconds = error.retry_after_seconds or RATE_WAIT_SECONDS
        raise work.RetryLater(error.code, seconds=seconds, free=True) from error
    except VendorError as error:
        if error.retry and claim.job.attempts < claim.job.max_attempts:
            _note_wait(reading, error)
            raise
        _close(reading, RunState.FAILED, error.code, error.detail)


def _read_on(reading: Reading) -> None:
    """To the end of the plan; a token that the vendor refuses on the way is replaced once."""
    try:
        _read(reading, _chains(reading))
    except ReauthorizationRequired:
        if not reading.has_other_token():
            raise
        _read(reading, _chains(reading))
    _settle_unreached(reading)


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
            plan.draw(run)
        SyncRun.objects.filter(id=run.id).update(error="", error_detail="")
        return Reading(claim=claim, run=run, connection=run.connection, way=way)


def _lock_connection(run: SyncRun) -> Connection:
    """A connection is locked before its runs, as a revocation and a new choice lock them."""
    found: Connection = Connection.objects.select_for_update(no_key=True).get(id=run.connection_id)
    return found


def _chains(reading: Reading) -> list[Chain]:
    streams = {stream.key: stream for stream in reading.way.connector.streams}
    with tenancy.transaction():
        rows = (
            StreamRun.objects.select_related("workspace")
            .filter(run_id=reading.run.id, finished_at=None)
            .order_by("workspace__name", "stream")
        )
        return [
            Chain(row, streams[row.stream], _record_of(row.workspace), reading.connection.fields)
            for row in rows
            if row.stream in streams
        ]


def _record_of(workspace: Any) -> WorkspaceRecord:
    return WorkspaceRecord(
        remote_id=workspace.remote_id,
        slug=workspace.slug,
        name=workspace.name,
        personal=workspace.personal,
        administrator=workspace.administrator,
    )


# ── The loop: fetch in threads, write here ────────────────────────────────────────────────────


def _read(reading: Reading, chains: list[Chain]) -> None:
    arrived: Arrivals = SimpleQueue()
    left = len(chains)
    reading.unreached.clear()
    with ThreadPoolExecutor(settings.SYNC_CONCURRENCY, thread_name_prefix="sync") as pool:
        try:
            reading.renew()
            for chain in chains:
                pool.submit(follow, chain, reading.vendor, arrived)
            while left:
                batch = _next(arrived, most=min(left, settings.SYNC_CONCURRENCY))
                if batch:
                    left -= _keep(reading, batch)
                else:
                    _still_here(reading)
                reading.renew()
        finally:
            for chain in chains:
                chain.stop()
            pool.shutdown(wait=False, cancel_futures=True)


def _next(arrived: Arrivals, *, most: int) -> list[Arrival]:
    """What arrives together, at least one; nothing when the lease needs a sign of life first.

    A moment's wait halves the transactions, and leaves the processor to the threads that have an
    answer to read. It holds up no stream: each may be a page ahead.
    """
    batch: list[Arrival] = []
    with suppress(Empty):
        batch.append(arrived.get(timeout=settings.LEASE_SECONDS / 3))
        until = time.monotonic() + TOGETHER_SECONDS
        while len(batch) < most:
            batch.append(arrived.get(timeout=max(0, until - time.monotonic())))
    return batch


def _keep(reading: Reading, batch: list[Arrival]) -> int:
    """The pages are rows, all in one transaction; how many streams ended with them."""
    pages = [one for one in batch if one.page is not None]
    if pages:
        reading.has_read = True
        keep_pages(reading, pages)
        step("sync.page_kept")
    for one in pages:
        one.chain.go_on()
    failed = [one for one in batch if one.page is None]
    for one in failed:
        if isinstance(one.error, Unavailable):
            reading.unreached.append((one.chain, one.error))
        elif isinstance(one.error, VendorError) and not isinstance(one.error, ENDS_THE_RUN):
            fail_stream(reading, one.chain, one.error)
        elif one.error is not None:
            raise one.error
    return len(failed) + sum(one.following is None for one in pages)


def _settle_unreached(reading: Reading) -> None:
    """An outage is waited out; a stream that stays out of reach while others arrive fails alone."""
    job = reading.claim.job
    patience = PATIENCE if reading.has_read else job.max_attempts
    for chain, error in reading.unreached:
        if job.attempts < patience:
            raise error
        fail_stream(reading, chain, error)


def _still_here(reading: Reading) -> None:
    with tenancy.transaction():
        reading.claim.hold()
        stop_if_asked(reading)


# ── The end ───────────────────────────────────────────────────────────────────────────────────


def _note_wait(reading: Reading, error: VendorError) -> None:
    """The page says what the run waits for; an outage shows on its connection too."""
    with tenancy.transaction():
        reading.claim.hold()
        SyncRun.objects.filter(id=reading.run.id).update(error=error.code, now_reading="")
        if not isinstance(error, RateLimited):
            Connection.objects.get(id=reading.connection.id).failed(error.code)


def _finished(reading: Reading) -> bool:
    """The run is closed, unless something of its plan is still to be read."""
    with tenancy.transaction():
        reading.claim.hold()
        _lock_connection(reading.run)
        if _chains(reading):
            return False
        _finish(reading)
        return True


def _finish(reading: Reading) -> None:
    with tenancy.transaction():
        streams = StreamRun.objects.filter(run_id=reading.run.id).exclude(state=RunState.CANCELLED)
        states = set(streams.values_list("state", flat=True))
        codes = streams.exclude(error="").order_by("-stream").values_list("error", flat=True)
        code = codes.first() or ""
    if not states:
        _close(reading, RunState.CANCELLED)  # the last workspace went while it waited
    elif RunState.QUARANTINED in states:
        _close(reading, RunState.QUARANTINED)
    elif states == {RunState.FAILED}:
        _close(reading, RunState.FAILED, code)
    elif states & {RunState.FAILED, RunState.PARTIAL}:
        _close(reading, RunState.PARTIAL)
    else:
        _close(reading, RunState.DONE)


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
        if code == ReauthorizationRequired.code and connection.is_live:
            verify.start(connection, requested_by="")
        connection.schedule_sync()
        if state == RunState.QUARANTINED:
            action = audit.Action.SYNC_QUARANTINED
            telling.quarantined(connection, SyncRun.objects.get(id=run.id))
        elif state == RunState.DONE:
            telling.quarantine_over(connection)
        audit.record(action, actor=SYSTEM, subject=connection, state=state, run=run.id, error=code)
        reading.claim.done()
