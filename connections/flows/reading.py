"""A run at work: its streams, its way to the vendor, and what one page adds to the rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import SimpleQueue
from threading import Semaphore
from uuid import UUID

from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from connections.access import Way
from connections.contracts import Answer, Page, Stream, WorkspaceRecord
from connections.errors import (
    RateLimited,
    ReauthorizationRequired,
    RemoteGone,
    Unavailable,
    UnexpectedResponse,
    VendorError,
)
from connections.flows import keep, refresh, shrink
from connections.models import (
    Connection,
    Repository,
    RunState,
    StreamRun,
    SyncFailure,
    SyncRun,
)
from connections.vendor_api import VendorApi
from portal import tenancy, work
from portal.secret import Secret

TRIES = 3
MOST_PAGES = 5000
RENEW_SECONDS = 120  # a token that is handed out lives for five minutes more, see refresh.py
COUNTS = ("checkpoint", "pages", "done", "failures", "total", "state", "finished_at")
ENDS_THE_RUN = (RateLimited, ReauthorizationRequired)


class Stopped(Exception):
    """The run ends now, in this state."""

    def __init__(self, state: str, code: str = "", detail: str = "") -> None:
        super().__init__(code or state)
        self.state, self.code, self.detail = state, code, detail


@dataclass(slots=True)
class Chain:
    """One stream of one workspace, on its way; `room` is for one page more than is written."""

    row: StreamRun
    stream: Stream
    workspace: WorkspaceRecord
    fields: dict[str, str]
    visited: set[str] = field(default_factory=set)
    room: Semaphore = field(default_factory=lambda: Semaphore(1))
    stopped: bool = False

    def fetch(self, api: VendorApi, checkpoint: str | None) -> Page:
        """The next page; passing trouble is tried again shortly. Runs in a thread."""
        for attempt in range(TRIES):
            try:
                return self.stream.page(api, self.workspace, self.fields, checkpoint)
            except ENDS_THE_RUN:
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
        if following in self.visited or len(self.visited) >= MOST_PAGES:
            raise UnexpectedResponse("The vendor's page links go in a circle.")
        self.visited.add(following)
        return following

    def go_on(self) -> None:
        """Its last page is written: there is room for another one."""
        self.room.release()

    def stop(self) -> None:
        self.stopped = True
        self.room.release()


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a thread brings of its chain: a page with what follows it, or why there is none.

    Neither page nor error is the end of a chain that was stopped.
    """

    chain: Chain
    page: Page | None = None
    following: str | None = None
    error: Exception | None = None


Arrivals = SimpleQueue[Arrival]


def follow(chain: Chain, api: Callable[[], VendorApi], arrived: Arrivals) -> None:
    """Bring the chain's pages to its end, at most one ahead of what is written. Runs in a thread.

    The last thing brought has nothing following, be it a page, an error or the end of a stop.
    """
    checkpoint = chain.row.checkpoint
    try:
        while not chain.stopped:
            page = chain.fetch(api(), checkpoint)
            checkpoint = chain.follow(page)
            chain.room.acquire()
            arrived.put(Arrival(chain, page, checkpoint))
            if checkpoint is None:
                return
        arrived.put(Arrival(chain))
    except Exception as error:  # a thread's outermost frame: the worker's own raises it again
        arrived.put(Arrival(chain, error=error))


@dataclass(slots=True)
class Reading:
    """A run at work."""

    claim: work.Claim
    run: SyncRun
    connection: Connection
    way: Way
    api: VendorApi | None = None
    api_since: float = 0.0
    secret: Secret | None = None
    requests: int = 0
    has_read: bool = False
    unreached: list[tuple[Chain, Unavailable]] = field(default_factory=list)

    def note(self, answer: Answer) -> None:
        self.requests += 1

    def renew(self) -> None:
        """The token of `vendor()` is fresh enough for the next pages. Not for threads."""
        if self.api is None or time.monotonic() - self.api_since > RENEW_SECONDS:
            self._use(refresh.fresh(self.connection))

    def has_other_token(self) -> bool:
        """Whether there is another one than the vendor refused, renewed for this if it can be."""
        if self.secret is None:
            return False
        other = refresh.instead_of(self.secret, self.connection)
        if other is not None:
            self._use(other)
        return other is not None

    def _use(self, secret: Secret) -> None:
        self.api = self.way.api(secret, on_answer=self.note)
        self.secret, self.api_since = secret, time.monotonic()

    def vendor(self) -> VendorApi:
        """The Api as last renewed."""
        assert self.api is not None
        return self.api


def stop_if_asked(reading: Reading) -> None:
    """Raises Stopped when a person cancelled, paused or revoked meanwhile."""
    runs = SyncRun.objects.select_for_update(of=("self",), no_key=True).select_related("connection")
    run = runs.get(id=reading.run.id)  # locked: a revocation comes before these rows or after them
    if not run.connection.is_live:
        raise Stopped(RunState.CANCELLED, "not_live", "The connection was paused or revoked.")
    if run.cancel_requested_at is not None:
        raise Stopped(RunState.CANCELLED)


def keep_pages(reading: Reading, arrivals: Sequence[Arrival]) -> None:
    """These pages' rows, their checkpoints and the run's progress, all in one transaction."""
    now = timezone.now()
    with tenancy.transaction():
        reading.claim.hold()
        stop_if_asked(reading)
        unchosen = _unchosen(reading)
        for one in arrivals:
            if one.chain.row.id in unchosen:
                one.chain.stop()
            elif one.page is not None and not one.chain.stopped:
                _keep_page(reading, one.chain, one.page, one.following, now)
        last = arrivals[-1].chain
        progress(reading, f"{last.stream.title} of {last.workspace.name}")


def _unchosen(reading: Reading) -> set[UUID]:
    """The streams that a new choice took out of the run. The run is locked."""
    rows = StreamRun.objects.filter(run_id=reading.run.id, state=RunState.CANCELLED)
    return set(rows.values_list("id", flat=True))


def _keep_page(
    reading: Reading, chain: Chain, page: Page, following: str | None, now: datetime
) -> None:
    row = chain.row
    keep.page(row.workspace, page.records, run_id=reading.run.id, seen_at=now)
    if page.rejected:
        _keep_rejected(reading, chain, page, now)
    row.checkpoint, row.pages = following, row.pages + 1
    row.done += len(page.records)
    row.failures += len(page.rejected)
    row.total = row.total if page.total is None else page.total
    row.state = RunState.RUNNING
    if following is None:
        _end_stream(reading, chain)
    row.save(update_fields=COUNTS)


def _keep_rejected(reading: Reading, chain: Chain, page: Page, now: datetime) -> None:
    model, workspace = keep.SHELVES[chain.stream.record].model, chain.row.workspace
    keep.rejected(model, workspace, page.rejected, run_id=reading.run.id, seen_at=now)
    SyncFailure.objects.bulk_create(
        [
            SyncFailure(
                organization_id=reading.run.organization_id,
                run_id=reading.run.id,
                stream=chain.stream.key,
                workspace_name=chain.workspace.name[:300],
                label=rejected.label[:300],
                code=keep.UNREADABLE if rejected.remote_id else keep.UNIDENTIFIED,
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
    held_back = {} if shrink.hides_some(row) else shrink.settle(row, reading.run, model)
    if held_back:
        row.state = RunState.QUARANTINED
        reading.run.shrink = [*reading.run.shrink, held_back]
        reading.run.save(update_fields=["shrink"])
    if model is Repository:
        row.workspace.synced_at, row.workspace.last_error = row.finished_at, ""
        shrink.count(row.workspace, changed=("synced_at", "last_error"))


def progress(reading: Reading, now_reading: str) -> None:
    """The run's own counts follow from its streams."""
    streams = StreamRun.objects.filter(run_id=reading.run.id)
    unknown = Count("id", filter=Q(total=None) & ~Q(state=RunState.FAILED))
    sums = streams.aggregate(unknown=unknown, rows=Sum("done"), of=Sum("total"))
    counted, reading.requests = reading.requests, 0
    SyncRun.objects.filter(id=reading.run.id).update(
        done=sums["rows"] or 0,
        total=None if sums["unknown"] else sums["of"],
        requests=F("requests") + counted,
        now_reading=now_reading[:300],
    )


def fail_stream(reading: Reading, chain: Chain, error: VendorError) -> None:
    """This stream ends here with its reason; nothing of it is removed, the others go on."""
    row = chain.row
    with tenancy.transaction():
        reading.claim.hold()
        stop_if_asked(reading)
        if row.id in _unchosen(reading):
            return
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
        progress(reading, "")
