"""Read a connection's workspaces: many streams at once, each page kept with its checkpoint.

Threads fetch, without a database; the worker's own thread writes. A stream's next page is asked for
before its last one is written, so that the vendor's latency is the only thing waited for. Killed at
any moment, the run resumes from its checkpoints; a stream that fails does so alone.
"""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import F, Sum
from django.utils import timezone

from connections.access import Way, way_of
from connections.api import VendorApi
from connections.contracts import Answer, Page, Stream, WorkspaceRecord
from connections.errors import (
    RateLimited,
    ReauthorizationRequired,
    RemoteGone,
    UnexpectedResponse,
    VendorError,
)
from connections.flows import keep, refresh, shrink, verify
from connections.models import (
    Connection,
    Repository,
    RunState,
    StreamRun,
    SyncFailure,
    SyncRun,
    Workspace,
)
from portal import audit, tenancy, work
from portal.policy import SYSTEM
from portal.steps import step

TRIES = 3
MOST_PAGES = 5000
RENEW_SECONDS = 1800
RATE_WAIT_SECONDS = 900.0


class Stopped(Exception):
    """The run ends now, in this state."""

    def __init__(self, state: str, code: str = "", detail: str = "") -> None:
        super().__init__(code or state)
        self.state, self.code, self.detail = state, code, detail


@dataclass(slots=True)
class Chain:
    """One stream of one workspace, on its way."""

    row: StreamRun
    stream: Stream
    workspace: WorkspaceRecord
    fields: dict[str, str]
    visited: set[str] = field(default_factory=set)

    def fetch(self, api: VendorApi, checkpoint: str | None) -> Page:
        """The next page; passing trouble is tried again shortly. Runs in a thread."""
        for attempt in range(TRIES):
            try:
                return self.stream.page(api, self.workspace, self.fields, checkpoint)
            except (RateLimited, ReauthorizationRequired):
                raise
            except VendorError as error:
                if not error.retry or attempt == TRIES - 1:
                    raise
                time.sleep(0.3 * 2**attempt)
        raise AssertionError("unreachable")

    def follow(self, page: Page) -> str | None:
        """The next checkpoint; raises UnexpectedResponse when the vendor's links go in a circle."""
        following = page.checkpoint
        if following is None:
            return None
        if following in self.visited or self.row.pages >= MOST_PAGES:
            raise UnexpectedResponse("The vendor's page links go in a circle.")
        self.visited.add(following)
        return following


@dataclass(slots=True)
class Reading:
    """A run at work."""

    claim: work.Claim
    run: SyncRun
    connection: Connection
    way: Way
    api: VendorApi | None = None
    api_since: float = 0.0
    requests: int = 0
    last: Answer | None = None

    def note(self, answer: Answer) -> None:
        self.requests += 1
        self.last = answer

    def vendor(self) -> VendorApi:
        """An Api whose token is fresh enough for the next pages."""
        if self.api is None or time.monotonic() - self.api_since > RENEW_SECONDS:
            self.api = self.way.api(refresh.fresh(self.connection), on_answer=self.note)
            self.api_since = time.monotonic()
        return self.api


def perform(claim: work.Claim, *, run_id: str) -> None:
    """The run is read to its end, or stopped with its reason; raises RetryLater to resume later."""
    reading = _open(claim, run_id)
    if reading is None:
        return
    try:
        _read(reading, _chains(reading))
    except Stopped as stopped:
        _close(reading, stopped.state, stopped.code, stopped.detail)
    except RateLimited as error:
        _note_wait(reading, error)
        seconds = error.retry_after_seconds or RATE_WAIT_SECONDS
        raise work.RetryLater(error.code, seconds=seconds, free=True) from error
    except ReauthorizationRequired as error:
        _close(reading, RunState.FAILED, error.code, error.detail)
    except VendorError as error:
        if error.retry and claim.job.attempts < claim.job.max_attempts:
            raise
        _close(reading, RunState.FAILED, error.code, error.detail)
    else:
        _finish(reading)


def gave_up(code: str, *, run_id: str) -> None:
    """All attempts are used up. Runs inside the job's transaction."""
    SyncRun.objects.filter(id=run_id, state__in=(RunState.QUEUED, RunState.RUNNING)).update(
        state=RunState.FAILED, error=code[:40], finished_at=timezone.now()
    )


def _open(claim: work.Claim, run_id: str) -> Reading | None:
    with tenancy.transaction():
        run = (
            SyncRun.objects.select_related("connection", "connection__consumer")
            .filter(id=run_id, state__in=(RunState.QUEUED, RunState.RUNNING))
            .first()
        )
        if run is None:
            return None
        way = way_of(run.connection)
        if run.state == RunState.QUEUED:
            run.state, run.started_at = RunState.RUNNING, timezone.now()
            run.save(update_fields=["state", "started_at"])
            _plan(run, way)
        SyncRun.objects.filter(id=run.id).update(error="", error_detail="")
        return Reading(claim=claim, run=run, connection=run.connection, way=way)


def _plan(run: SyncRun, way: Way) -> None:
    """One row for each chosen workspace and each stream that was asked for."""
    chosen = Workspace.objects.filter(connection_id=run.connection_id, selected=True, gone_at=None)
    StreamRun.objects.bulk_create(
        [
            StreamRun(
                organization_id=run.organization_id,
                run_id=run.id,
                workspace_id=workspace.id,
                stream=stream.key,
            )
            for workspace in chosen
            for stream in way.connector.streams
            if stream.capability in run.connection.capabilities
        ],
        ignore_conflicts=True,
    )


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
    waiting: dict[Future[Page], Chain] = {}
    with ThreadPoolExecutor(settings.SYNC_CONCURRENCY, thread_name_prefix="sync") as pool:

        def ask(chain: Chain, checkpoint: str | None) -> None:
            waiting[pool.submit(chain.fetch, reading.vendor(), checkpoint)] = chain

        try:
            for chain in chains:
                ask(chain, chain.row.checkpoint)
            while waiting:
                ready, _ = wait(
                    waiting, timeout=settings.LEASE_SECONDS / 3, return_when=FIRST_COMPLETED
                )
                if not ready:
                    _still_here(reading)
                for future in ready:
                    _take(reading, waiting.pop(future), future, ask)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _take(reading: Reading, chain: Chain, future: Future[Page], ask: Any) -> None:
    try:
        page = future.result()
        following = chain.follow(page)
    except (RateLimited, ReauthorizationRequired):
        raise
    except VendorError as error:
        _fail_stream(reading, chain, error)
        return
    if following is not None:
        ask(chain, following)
    _keep(reading, chain, page, following)
    step("sync.page_kept")


def _still_here(reading: Reading) -> None:
    with tenancy.transaction():
        reading.claim.hold()
        _stop_if_asked(reading)


def _stop_if_asked(reading: Reading) -> None:
    now = SyncRun.objects.values_list(
        "cancel_requested_at", "connection__paused_at", "connection__state"
    ).get(id=reading.run.id)
    if now[0] is not None:
        raise Stopped(RunState.CANCELLED)
    if now[1] is not None or now[2] == Connection.State.REVOKED:
        raise Stopped(RunState.CANCELLED, "not_live", "The connection was paused or revoked.")


def _keep(reading: Reading, chain: Chain, page: Page, following: str | None) -> None:
    """The page's rows, the checkpoint and the run's progress, all in one transaction."""
    row, run = chain.row, reading.run
    now = timezone.now()
    with tenancy.transaction():
        reading.claim.hold()
        _stop_if_asked(reading)
        keep.page(row.workspace, page.records, run_id=run.id, seen_at=now)
        _keep_rejected(reading, chain, page)
        row.checkpoint, row.pages = following, row.pages + 1
        row.done += len(page.records)
        row.failures += len(page.rejected)
        row.total = row.total if page.total is None else page.total
        row.state = RunState.RUNNING
        if following is None:
            _end_stream(reading, chain)
        row.save()
        _progress(reading, f"{chain.stream.title} of {chain.workspace.name}")


def _keep_rejected(reading: Reading, chain: Chain, page: Page) -> None:
    SyncFailure.objects.bulk_create(
        [
            SyncFailure(
                organization_id=reading.run.organization_id,
                run_id=reading.run.id,
                stream=chain.stream.key,
                workspace_name=chain.workspace.name[:300],
                label=rejected.label[:300],
                code="unreadable",
                detail=rejected.reason[:200],
            )
            for rejected in page.rejected
        ]
    )


def _end_stream(reading: Reading, chain: Chain) -> None:
    row = chain.row
    model = keep.SHELVES[chain.stream.record].model
    row.finished_at = timezone.now()
    row.state = RunState.PARTIAL if row.failures else RunState.DONE
    held_back = {} if row.failures else shrink.settle(row, reading.run, model)
    if held_back:
        row.state = RunState.QUARANTINED
        reading.run.shrink = [*reading.run.shrink, held_back]
        reading.run.save(update_fields=["shrink"])
    if model is Repository:
        row.workspace.synced_at, row.workspace.last_error = row.finished_at, ""
        row.workspace.save(update_fields=["synced_at", "last_error"])
        shrink.count(row.workspace)


def _progress(reading: Reading, now_reading: str) -> None:
    streams = StreamRun.objects.filter(run_id=reading.run.id)
    sums = streams.aggregate(done=Sum("done"), total=Sum("total"))
    unknown = streams.filter(total=None).exclude(state=RunState.FAILED).exists()
    counted, reading.requests = reading.requests, 0
    SyncRun.objects.filter(id=reading.run.id).update(
        done=sums["done"] or 0,
        total=None if unknown else sums["total"],
        requests=F("requests") + counted,
        now_reading=now_reading[:300],
    )


def _fail_stream(reading: Reading, chain: Chain, error: VendorError) -> None:
    """This stream ends here with its reason; nothing of it is removed, the others go on."""
    row = chain.row
    with tenancy.transaction():
        reading.claim.hold()
        row.state, row.error, row.error_detail = RunState.FAILED, error.code, error.detail
        row.finished_at = timezone.now()
        row.save()
        if isinstance(error, RemoteGone) or chain.stream.required:
            row.workspace.last_error = error.code
            row.workspace.save(update_fields=["last_error"])
        SyncFailure.objects.create(
            run_id=reading.run.id,
            stream=row.stream,
            workspace_name=chain.workspace.name[:300],
            label=chain.stream.title,
            code=error.code,
            detail=error.detail,
        )
        _progress(reading, "")


# ── The end ───────────────────────────────────────────────────────────────────────────────────


def _note_wait(reading: Reading, error: RateLimited) -> None:
    with tenancy.transaction():
        SyncRun.objects.filter(id=reading.run.id).update(error=error.code, now_reading="")


def _finish(reading: Reading) -> None:
    with tenancy.transaction():
        states = set(
            StreamRun.objects.filter(run_id=reading.run.id).values_list("state", flat=True)
        )
    if RunState.QUARANTINED in states:
        state = RunState.QUARANTINED
    elif states == {RunState.FAILED}:
        state = RunState.FAILED
    elif states & {RunState.FAILED, RunState.PARTIAL}:
        state = RunState.PARTIAL
    else:
        state = RunState.DONE
    _close(reading, state)


def _close(reading: Reading, state: str, code: str = "", detail: str = "") -> None:
    run, action = reading.run, audit.Action.SYNC_FINISHED
    with tenancy.transaction():
        reading.claim.hold()
        _progress(reading, "")
        SyncRun.objects.filter(id=run.id).update(
            state=state, finished_at=timezone.now(), error=code, error_detail=detail[:200]
        )
        connection = Connection.objects.select_for_update().get(id=reading.connection.id)
        if state in {RunState.DONE, RunState.PARTIAL, RunState.QUARANTINED}:
            connection.succeeded()
        elif code and code != "not_live":
            connection.failed(code)
        if code == ReauthorizationRequired.code:
            verify.start(connection, requested_by="")
        connection.schedule_sync()
        if state == RunState.QUARANTINED:
            action = audit.Action.SYNC_QUARANTINED
        audit.record(action, actor=SYSTEM, subject=connection, state=state, run=run.id, error=code)
        reading.claim.done()
