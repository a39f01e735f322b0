"""A run at work: its way to the vendor and what it may spend, who may stop it, how far it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import SimpleQueue
from threading import Semaphore
from uuid import UUID

from django.conf import settings
from django.db.models import F, Sum

from connections.access import Way
from connections.budgets import Purpose
from connections.contracts import Answer, Level, Stream
from connections.errors import RateLimited, ScopeMissing, Unavailable, VendorError
from connections.flows import asks, budget, clocks, lacking, passes, persons, plan, refresh
from connections.flows.chains import Arrival, Arrivals, Chain
from connections.models import (
    Connection,
    RequestBudget,
    RunState,
    StreamState,
    SyncRun,
    Workspace,
)
from connections.vendor_api import VendorApi
from portal import clock, tenancy, work
from portal.secret import Secret

RENEW_SECONDS = 120  # a token that is handed out lives for five minutes more, see refresh.py
TOO_MANY = 429
PATIENCE = 4  # attempts for a workspace's stream out of reach while others answer
OUTAGE = 8  # so many containers in a row without an answer are not each its own trouble


class Stopped(Exception):
    """The run ends now, in this state."""

    def __init__(self, state: str, code: str = "", detail: str = "") -> None:
        super().__init__(code or state)
        self.state, self.code, self.detail = state, code, detail


@dataclass(slots=True)
class Reading:
    """A run at work. `silent` counts the chains that failed for want of an answer, in a row.

    `ahead` has a place for each page that is asked for and not kept yet: no more die with a worker.
    `spent` says until when the hour has nothing more for a purpose.
    """

    claim: work.Claim
    run: SyncRun
    connection: Connection
    way: Way
    streams: dict[str, Stream]
    budget_id: UUID
    pace: clocks.Pace
    keep_days: int | None
    api: VendorApi | None = None
    api_since: float = 0.0
    secret: Secret | None = None
    purse: budget.Purse | None = None
    arrived: Arrivals = field(default_factory=SimpleQueue)
    ahead: Semaphore = field(default_factory=Semaphore)
    window: list[Chain] = field(default_factory=list)
    requests: int = 0
    done: int = 0
    missed: int = 0
    silent: int = 0
    has_read: bool = False
    has_new: bool = False
    is_last: bool = False
    spent: dict[Purpose, datetime] = field(default_factory=dict)
    unreached: list[tuple[Chain, Unavailable]] = field(default_factory=list)

    # ── The way to the vendor, which threads use ──────────────────────────────────────────────

    def spend(self) -> None:
        """A request is about to be made; waits for the purse to be filled."""
        assert self.purse is not None
        self.purse.spend()

    def note(self, answer: Answer) -> None:
        self.requests += 1
        if self.purse is not None and answer.status != TOO_MANY:
            self.purse.note(self.way.connector.rate(answer))

    def vendor(self) -> VendorApi:
        """The Api as last renewed."""
        assert self.api is not None
        return self.api

    # ── For the worker's own thread ───────────────────────────────────────────────────────────

    def open_purse(self, purpose: Purpose) -> budget.Purse:
        """What the next window may spend."""
        self.arrived = SimpleQueue()
        self.ahead = Semaphore(2 * settings.SYNC_CONCURRENCY)
        self.purse = budget.Purse(self.budget_id, purpose, runs_low=lambda: self.arrived.put(None))
        return self.purse

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
        self.api = self.way.api(secret, on_answer=self.note, on_send=self.spend)
        self.secret, self.api_since = secret, time.monotonic()


def pace_of(connection: Connection, budget_id: UUID) -> clocks.Pace:
    """How much there is to read of it and what an hour allows. Call it outside transactions."""
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        per_hour = RequestBudget.objects.get(id=budget_id).per_hour
    with tenancy.transaction():
        rows = Workspace.objects.filter(connection_id=connection.id, selected=True, gone_at=None)
        count = rows.aggregate(count=Sum("repository_count"))["count"] or 0
    return clocks.Pace(repositories=count, per_hour=per_hour)


def take_window(reading: Reading) -> list[Chain]:
    """The chains that are read next; none when nothing is due.

    Raises BudgetSpent when all that is due is for purposes that may spend nothing now.
    """
    reading.missed += sum(chain.rest() or 0 for chain in reading.window if chain.ended)
    with tenancy.transaction():
        rows = plan.window(reading.connection, reading.streams, without=_spent(reading))
        due = plan.due(reading.connection, reading.streams).count()
        reading.window = [_chain(reading, row) for row in rows]
    follows = any(stream.level is Level.REPOSITORY for stream in reading.streams.values())
    reading.is_last = due == len(rows) and not (follows and _lists(rows))
    if due and not rows:
        raise _all_spent(reading)
    return reading.window


def note_spent(reading: Reading, error: budget.BudgetSpent) -> None:
    """The purpose of this window is left out until more may be asked for it; others go on."""
    rest = timedelta(seconds=error.retry_after_seconds or budget.LEAST_WAIT)
    assert reading.purse is not None
    reading.spent[reading.purse.purpose] = clock.now() + rest


def _spent(reading: Reading) -> set[Purpose]:
    return {purpose for purpose, until in reading.spent.items() if until > clock.now()}


def _all_spent(reading: Reading) -> budget.BudgetSpent:
    """The run rests until the first purpose has more; another run looks at what is due then."""
    now = clock.now()
    soonest = min((until for until in reading.spent.values() if until > now), default=now)
    seconds = max(budget.LEAST_WAIT, (soonest - now).total_seconds())
    return budget.BudgetSpent("The hour's requests are used up.", retry_after_seconds=seconds)


def _lists(rows: Sequence[StreamState]) -> bool:
    """Whether repositories may be found that have to be read in turn."""
    return any(row.stream == plan.REPOSITORIES for row in rows)


def _chain(reading: Reading, row: StreamState) -> Chain:
    stream = reading.streams[row.stream]
    return asks.chain_of(row, stream, reading.connection.fields, keep_days=reading.keep_days)


def wait_for(reading: Reading, error: RateLimited) -> float:
    """For how long the run rests; a refusal of the vendor's rests the account."""
    if isinstance(error, budget.BudgetSpent):
        return error.retry_after_seconds or budget.LEAST_WAIT
    return budget.refused(reading.budget_id, error.retry_after_seconds).total_seconds()


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
    with tenancy.transaction():
        reading.claim.hold()
        stop_if_asked(reading)
        unchosen = passes.unchosen([one.chain for one in arrivals])
        done = 0
        with persons.gathered():
            for one in arrivals:
                if one.chain.state.id in unchosen:
                    one.chain.stop()
                elif one.page is not None and not one.chain.stopped:
                    _keep_page(reading, one)
                    done += len(one.page.records)
        if reading.claim.job.attempts > 1:
            reading.claim.progressed()
        last = arrivals[-1].chain
        progress(reading, f"{last.stream.title} of {last.name}", done=done)


def _keep_page(reading: Reading, one: Arrival) -> None:
    chain, page = one.chain, one.page
    assert page is not None
    was_lacking = lacking.is_lacking(chain.state)
    kept = passes.keep_page(
        reading.run, chain, page, one.following, at=reading.pace, keep_days=reading.keep_days
    )
    passes.follow(chain, kept["written"], reading.streams)
    if chain.stream.key == plan.REPOSITORIES and kept["written"]:
        reading.has_new = True
    if was_lacking and chain.ended and chain.place.repository is not None:
        lacking.granted(chain.state)
    if kept["held_back"]:
        reading.run.shrink = [*reading.run.shrink, kept["held_back"]]
        reading.run.save(update_fields=["shrink"])


def progress(reading: Reading, now_reading: str, *, done: int = 0) -> None:
    """What the run has read, and of how many as far as the vendor has said."""
    reading.done += done
    rests = [chain.rest() for chain in reading.window]
    known = [rest for rest in rests if rest is not None]
    is_known = reading.is_last and len(known) == len(rests)
    counted, reading.requests = reading.requests, 0
    total = reading.done + reading.missed + sum(known) if is_known else None
    SyncRun.objects.filter(id=reading.run.id).update(
        done=reading.done,
        total=total,
        requests=F("requests") + counted,
        now_reading=now_reading[:300],
    )


def fail_chain(reading: Reading, chain: Chain, error: VendorError) -> None:
    """This chain ends here with its reason; nothing of it is removed, the others go on."""
    with tenancy.transaction():
        reading.claim.hold()
        stop_if_asked(reading)
        if chain.ended or chain.state.id in passes.unchosen([chain]):
            return
        passes.fail(reading.run, chain, error)
        chain.stopped = True
        if isinstance(error, ScopeMissing) and chain.stream.level is Level.REPOSITORY:
            _withhold(reading, chain)
        progress(reading, "")


def _withhold(reading: Reading, chain: Chain) -> None:
    """The other repositories' lists of this kind are not asked for: they would fail alike."""
    if lacking.withhold(chain.state):
        for other in reading.window:
            if other.stream.key == chain.stream.key and not other.ended:
                other.stop()
                other.ended = True


def note_silence(reading: Reading, chain: Chain, error: Unavailable) -> None:
    """One out of reach is settled at the end of the window; many in a row are an outage.

    Raises the error then: all wait, and none is marked for what concerns all.
    """
    reading.unreached.append((chain, error))
    reading.silent += 1
    if reading.silent >= OUTAGE and reading.claim.job.attempts < patience(reading):
        raise error


def patience(reading: Reading) -> int:
    return PATIENCE if reading.has_read else int(reading.claim.job.max_attempts)
