"""A stream of a container on its way: pages fetched in a thread, at most one ahead of the rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from queue import SimpleQueue
from threading import Semaphore
from typing import Any, Final
from uuid import UUID

from connections.contracts import (
    Ask,
    BuildState,
    Container,
    Page,
    Record,
    RepositoryRecord,
    Stream,
    WorkspaceRecord,
)
from connections.errors import (
    RateLimited,
    ReauthorizationRequired,
    UnexpectedResponse,
    VendorError,
)
from connections.flows.heads import Heads
from connections.flows.keep import Place
from connections.models import Repository, StreamState, Workspace
from connections.vendor_api import VendorApi
from portal import clock

TRIES: Final = 3
MOST_PAGES: Final = 100_000
MOST_AGAIN: Final = 5000  # records more than twice those that a vendor said there are
LEAST_PAGES: Final = 5  # of a list that ends at a horizon: what is old and short is read whole
ENDS_THE_RUN: Final = (RateLimited, ReauthorizationRequired)
UNFINISHED: Final = frozenset({BuildState.WAITING, BuildState.RUNNING})
FOLLOWED_FOR: Final = timedelta(days=1)


@dataclass(slots=True)
class Chain:
    """One pass over one stream of one container; `room` is for one page more than is written.

    A list that comes newest first ends at its `horizon`; `first` is what its first page begins
    with.
    """

    state: StreamState
    stream: Stream
    container: Container
    place: Place
    fields: dict[str, str]
    ask: Ask
    was_read: bool
    due_at: datetime | None
    heads: Heads = field(default_factory=Heads)
    horizon: datetime | None = None
    newest: datetime | None = None
    unfinished: datetime | None = None
    first: str = ""
    visited: set[str] = field(default_factory=set)
    room: Semaphore = field(default_factory=lambda: Semaphore(1))
    stopped: bool = False
    ended: bool = False

    @property
    def name(self) -> str:
        """Where it reads."""
        return str(self.place.repository or self.place.workspace)

    @property
    def pass_id(self) -> UUID:
        """The pass it is."""
        assert self.state.pass_id is not None
        return self.state.pass_id

    def fetch(self, api: VendorApi, checkpoint: str | None) -> Page:
        """The next page; passing trouble is tried again shortly. Runs in a thread.

        Where all that could be asked for is held already, there is none, and no request.
        """
        if self.heads.is_idle:
            return Page((), None)
        etag = self.ask.etag if checkpoint is None else ""
        ask = replace(self.ask, checkpoint=checkpoint, etag=etag)
        for attempt in range(TRIES):
            try:
                return self.stream.page(api, self.container, self.fields, ask)
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
        if following is None or self._is_behind(page):
            return None
        if following in self.visited or self._is_endless():
            raise UnexpectedResponse("The vendor's page links go in a circle.")
        self.visited.add(following)
        return following

    def _is_endless(self) -> bool:
        """Whether it has brought far more than there is, over all its sittings."""
        state = self.state
        is_over = state.total is not None and state.read > 2 * state.total + MOST_AGAIN
        return is_over or state.pages >= MOST_PAGES

    def _is_behind(self, page: Page) -> bool:
        """Whether all of it is older than what is kept; what follows is older still."""
        if self.horizon is None or len(self.visited) < LEAST_PAGES:
            return False
        moments = [
            getattr(record, "committed_at", None) or getattr(record, "created_at", None)
            for record in page.records
        ]
        return bool(moments) and all(m is not None and m < self.horizon for m in moments)

    def note(self, records: tuple[Record, ...]) -> None:
        """How new the newest is, and since when the oldest runs that has not ended.

        By when it changed, or when it was made where the vendor tells no more; of a commit that is
        anybody's word.
        """
        if records and not self.state.pages:
            self.first = records[0].remote_id
        for record in records:
            moment = getattr(record, "updated_at", None) or getattr(record, "created_at", None)
            if moment is not None and (self.newest is None or moment > self.newest):
                self.newest = moment
            if getattr(record, "state", None) in UNFINISHED:
                self._note_unfinished(record)

    def _note_unfinished(self, record: Any) -> None:
        began = getattr(record, "created_at", None) or getattr(record, "started_at", None)
        if began is not None and clock.now() - began < FOLLOWED_FOR:
            self.unfinished = min(began, self.unfinished or began)

    def rest(self) -> int | None:
        """How many records are still to come, as far as the vendor said; None when it did not."""
        if self.stopped or (self.ended and self.state.total is None):
            return 0
        if self.state.total is None:
            return None
        return max(0, int(self.state.total) - int(self.state.read))

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


Arrivals = SimpleQueue[Arrival | None]  # None asks for a look at the purse


def follow(chain: Chain, api: Callable[[], VendorApi], arrived: Arrivals, ahead: Semaphore) -> None:
    """Bring the chain's pages to its end, at most one ahead of what is written. Runs in a thread.

    What it brings has a place among those `ahead` until it is kept. The last thing brought has
    nothing following, be it a page, an error or the end of a stop.
    """
    checkpoint = chain.state.checkpoint
    try:
        while ahead.acquire() and not chain.stopped:
            page = chain.fetch(api(), checkpoint)
            checkpoint = chain.follow(page)
            chain.room.acquire()
            arrived.put(Arrival(chain, page, checkpoint))
            if checkpoint is None:
                return
        arrived.put(Arrival(chain))
    except Exception as error:  # a thread's outermost frame: the worker's own raises it again
        arrived.put(Arrival(chain, error=error))


def container_of(place: Place) -> Container:
    """Rows in the words of the contract."""
    repository = place.repository
    return Container(
        workspace_record(place.workspace),
        None if repository is None else repository_record(repository),
    )


def workspace_record(row: Workspace) -> WorkspaceRecord:
    return WorkspaceRecord(
        remote_id=row.remote_id,
        slug=row.slug,
        name=row.name,
        url=row.url,
        personal=row.personal,
        administrator=row.administrator,
    )


def repository_record(row: Repository) -> RepositoryRecord:
    return RepositoryRecord(
        remote_id=row.remote_id,
        slug=row.slug,
        name=row.name,
        full_name=row.full_name,
        url=row.url,
        private=row.private,
        main_branch=row.main_branch,
        project_remote_id=row.project_remote_id,
        updated_at=row.remote_updated_at,
    )
