"""The jobs that refresh what is due, organization by organization.

Threads ask the vendor, without a database; the worker's own thread claims and settles what has
arrived, many at once. A job's turn is short, so that no organization takes all hands.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, Final

from django.conf import settings
from django.db import connections as databases

from connections import registry
from connections.flows import (
    breaker,
    keeping,
    refreshing,
    spares,
    spool,
    vendors,
)
from connections.flows.due import WAITS_FOR_A_PERSON
from connections.flows.refreshing import Asked, Claimed, EndpointBook, Outcome
from portal import clock, roles, tenancy, work

log = logging.getLogger(__name__)

TURN_SECONDS: Final = 20.0
SLOW_SECONDS: Final = 1.0  # a vendor slower than this gets no more claims than can be sent at once
DEPTH: Final = 4  # claims in hand for each thread, of a vendor that answers fast
GRANTS_PER_HAND, MOST_HANDS = 1000, 4
BUDGET_SECONDS: Final = 0.25  # how soon a budget that granted nothing is asked again
NO_BUDGET_SECONDS: Final = (5.0, 15.0)  # and by a sweep that cannot wait
SPARES_KEPT_FOR = timedelta(days=30)
NOT_INSTALLED_WAITS: Final = timedelta(hours=1)

_DUE = """
SELECT o.id, due.count
  FROM portal_organization o CROSS JOIN LATERAL (
       SELECT count(*), min(refresh_due_at) AS since FROM (
           SELECT c.refresh_due_at FROM connections_credential c
            WHERE c.organization_id = o.id AND c.refresh_due_at <= %(now)s
              AND (c.lease_until IS NULL OR c.lease_until <= %(now)s)
              AND c.quarantined_at IS NULL
            ORDER BY c.refresh_due_at LIMIT %(most)s) first) due
 WHERE due.count > 0
   AND NOT EXISTS (SELECT FROM portal_job j WHERE j.organization_id = o.id
                      AND j.kind = 'refresh_due' AND j.done_at IS NULL)
 ORDER BY due.since LIMIT %(organizations)s
"""

# One join: what Django makes of it nests the credentials once more, seconds for two hundred.
_CLEAR = """
UPDATE connections_credential c SET refresh_due_at = NULL
  FROM connections_connection k
 WHERE k.id = c.connection_id AND k.organization_id = c.organization_id
   AND c.organization_id = %(organization)s AND c.refresh_due_at <= %(now)s
   AND c.intent_version IS NULL AND k.state = ANY(%(states)s)
"""

# What this installation has no connector for keeps no sweep busy, and is looked at again.
_PUT_OFF = """
UPDATE connections_credential c SET refresh_due_at = %(later)s
  FROM connections_connection k
 WHERE k.id = c.connection_id AND k.organization_id = c.organization_id
   AND c.organization_id = %(organization)s AND c.refresh_due_at <= %(now)s
   AND c.intent_version IS NULL AND k.connector <> ALL(%(known)s)
"""


# ── What is due ───────────────────────────────────────────────────────────────────────────────


def start_due() -> None:
    """Organizations with due grants have a job, large ones several. Twice does no harm.

    No more begin than the budgets let refresh until the next time, by how long they wait. What an
    answer waits for on disk is not in doubt, so that is settled first.
    """
    replay_spool()
    budget = settings.REFRESH_PER_SECOND * settings.SWEEP_SECONDS * 2
    asked: dict[str, Any] = {
        "now": clock.now(),
        "most": GRANTS_PER_HAND * MOST_HANDS,
        "organizations": budget,
    }
    with databases["sweeper"].cursor() as cursor:
        cursor.execute(_DUE, asked)
        due = cursor.fetchall()
    for organization_id, count in due:
        hands = min(MOST_HANDS, 1 + (count - 1) // GRANTS_PER_HAND)
        with tenancy.acting_for(organization_id), tenancy.transaction():
            for hand in range(hands):
                named = f"refresh_due:{hand}"
                work.later("refresh_due", priority=work.REFRESH, dedupe=named, hand=hand)


def replay_spool() -> None:
    """What the database could not take is settled, on every machine by its own workers."""
    if spool.folder().is_dir():
        spool.replay()


def perform(claim: work.Claim, *, hand: str = "0") -> None:
    """The organization's due grants are refreshed; raises RetryLater when its turn is over."""
    replay_spool()
    if hand == "0":
        _clear()
    sweep = Sweep(claim)
    try:
        sweep.run()
    except Exception:
        sweep.rescue()
        raise
    finally:
        sweep.end()
    if sweep.is_lost:
        raise work.LeaseLost(str(claim.id))
    if sweep.is_denied:
        seconds = random.uniform(*NO_BUDGET_SECONDS)
        raise work.RetryLater("no_budget", seconds=seconds, free=True)
    if not sweep.is_dry:
        raise work.RetryLater("more_is_due", seconds=0, free=True)


def _clear() -> None:
    """Nothing is due of what waits for a person; spare answers too old to be of use are gone."""
    here, states = tenancy.organization_id(), sorted(map(str, WAITS_FOR_A_PERSON))
    asked: dict[str, Any] = {"organization": here, "now": clock.now(), "states": states}
    asked |= {"known": sorted(registry.connectors()), "later": clock.now() + NOT_INSTALLED_WAITS}
    with tenancy.transaction():
        with roles.connection().cursor() as cursor:
            cursor.execute(_CLEAR, asked)
            cursor.execute(_PUT_OFF, asked)
        spares.forget_old(clock.now() - SPARES_KEPT_FOR)


_waits_for_budget = threading.Semaphore(1)


@cache
def threads(connector: str) -> ThreadPoolExecutor:
    """This process's threads that ask this vendor, shared by all of its jobs.

    Each vendor has its own: a silent one keeps threads for as long as a call may take.
    """
    return ThreadPoolExecutor(settings.REFRESH_CONCURRENCY, thread_name_prefix="refresh")


@dataclass(slots=True)
class Sweep:
    """One turn: claims go out to the threads, outcomes come back and are settled together.

    It ends when nothing is left to claim (`is_dry`), its time is over or the process stops, the
    budget grants nothing and another sweep here waits for that already (`is_denied`), or the job
    was lost.
    """

    claim: work.Claim
    until: float = field(default_factory=lambda: time.monotonic() + TURN_SECONDS)
    endpoints: EndpointBook = field(default_factory=EndpointBook)
    arrived: SimpleQueue[Outcome] = field(default_factory=SimpleQueue)
    out: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)  # how long a vendor took lately
    is_waiting: bool = False
    is_dry: bool = False
    is_denied: bool = False
    is_lost: bool = False

    def run(self) -> None:
        while self._claim_more() or self.out.total():
            if found := self._arrivals():
                self._keep(found)

    def _keep(self, found: list[Outcome]) -> None:
        """What cannot be settled is spooled and logged, and keeps no other grant from its turn."""
        try:
            keeping.keep(found)
            self._progressed()
        except keeping.UNREACHED:
            raise
        except Exception:
            log.exception("refresh.unsettled")

    def _progressed(self) -> None:
        """Workers that died with this job before do not make those wait that are due after it."""
        if self.claim.job.attempts > 1:
            with tenancy.transaction():
                self.claim.progressed()

    def rescue(self) -> None:
        """The turn ends early: what still comes back is spooled."""
        while self.out.total():
            spool.put(self._arrivals())

    def end(self) -> None:
        if self.is_waiting:
            _waits_for_budget.release()

    def _claim_more(self) -> bool:
        """Claim what there is room for; whether more may be claimed later on."""
        if self.is_dry or self.is_denied or self.is_lost or self._is_over():
            return False
        if rooms := self._rooms():
            self._claim(rooms)
        return True

    def _rooms(self) -> dict[str, int]:
        """How many more claims may go to each vendor, where that is worth a statement."""
        found = {}
        for connector in registry.connectors():
            depth = DEPTH if self.seconds.get(connector, SLOW_SECONDS) < SLOW_SECONDS else 1
            room = settings.REFRESH_CONCURRENCY * depth - self.out[connector]
            if room >= min(refreshing.MOST_AT_ONCE, settings.REFRESH_CONCURRENCY):
                found[connector] = min(room, refreshing.MOST_AT_ONCE)
        return found

    def _is_over(self) -> bool:
        return time.monotonic() > self.until or work.stopping.is_set()

    def _claim(self, rooms: dict[str, int]) -> None:
        try:
            self.claim.stay()
        except work.LeaseLost:
            self.is_lost = True
            return
        waiting = refreshing.waiting(max(rooms.values()))
        claimed: list[Claimed] = []
        for asked, count in waiting.items():
            claimed += _within_budget(asked, count, rooms)
        self.is_dry = not waiting
        self.endpoints.learn(claimed)
        for one in claimed:
            threads(one.row.connector).submit(self._ask, one)
            self.out[one.row.connector] += 1
        if waiting and not claimed and {one.connector for one in waiting} <= rooms.keys():
            self._wait_for_budget(waiting)

    def _ask(self, one: Claimed) -> None:
        self.arrived.put(refreshing.ask(one, self.endpoints))

    def _wait_for_budget(self, waiting: Iterable[Asked]) -> None:
        """One sweep of the process waits with its hand; the others give theirs to other work, and
        so does one that waits for servers in trouble only."""
        if not self.is_waiting and not _are_in_trouble(waiting):
            self.is_waiting = _waits_for_budget.acquire(blocking=False)
        if not self.is_waiting:
            self.is_denied = True
        elif not self.out.total():
            time.sleep(BUDGET_SECONDS)

    def _arrivals(self) -> list[Outcome]:
        """What has arrived by now, or in a moment."""
        found: list[Outcome] = []
        with suppress(Empty):
            found.append(self.arrived.get(timeout=BUDGET_SECONDS if self.out.total() else 0.0))
        while not self.arrived.empty():
            found.append(self.arrived.get())
        self.out.subtract(one.claimed.row.connector for one in found)
        self.seconds |= _slowest(found)
        return found


def _within_budget(asked: Asked, count: int, rooms: dict[str, int]) -> list[Claimed]:
    wanted = min(count, rooms.get(asked.connector, 0))
    granted = breaker.take(vendors.at(*asked), wanted)
    if not granted:
        return []
    rooms[asked.connector] -= granted
    return refreshing.claim_due(asked.connector, granted, base_url=asked.base_url)


def _are_in_trouble(waiting: Iterable[Asked]) -> bool:
    with tenancy.transaction():
        return all(one.base_url and breaker.is_open(vendors.at(*one)) for one in waiting)


def _slowest(found: Iterable[Outcome]) -> dict[str, float]:
    """The longest that each of these vendors took to answer."""
    longest: dict[str, float] = {}
    for one in found:
        connector, seconds = one.claimed.row.connector, (one.latency_ms or 0) / 1000
        longest[connector] = max(seconds, longest.get(connector, 0.0))
    return longest
