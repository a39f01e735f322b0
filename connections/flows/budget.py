"""The request budget of an upstream account, shared by all connections that act as it.

Rows of the platform, found by a keyed hash, so that organizations that share an account share its
hour and learn nothing else of each other (decisions.md 12). A reading takes requests some at a time
and gives back what it did not use; nothing is locked while the vendor is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Condition
from typing import Final
from uuid import UUID

from django.conf import settings

from connections.budgets import HOUR, Hour, Purpose, blocked_for
from connections.contracts import BASE_URL, RateBudget
from connections.errors import RateLimited
from connections.models import Connection, RequestBudget
from portal import clock, tenancy, vault

USUAL: Final = settings.REQUESTS_PER_HOUR  # where the vendor does not say
CHUNK: Final = 25
PATIENCE_SECONDS: Final = 20.0
LEAST_WAIT: Final = 5.0
PURPOSE: Final = "request-budget"

Account = tuple[str, str, str]  # connector, base URL, and the account's id there


class BudgetSpent(RateLimited):
    """Nothing was asked: the account's hour is used up; `retry_after_seconds` says until when."""

    code = "budget_spent"


def of(connection: Connection) -> UUID:
    """The id of the connection's budget, known on the connection from now on. For workers only."""
    place, limit = connection.fields.get(BASE_URL, ""), connection.rate.get("limit")
    found = of_account(connection.connector, place, connection.account_id, per_hour=limit)
    if connection.budget_id != found:
        with tenancy.transaction():
            Connection.objects.filter(id=connection.id).update(budget_id=found)
        connection.budget_id = found
    return found


def of_account(connector: str, place: str, account_id: str, *, per_hour: int | None = None) -> UUID:
    """The id of the budget of this account at this place, whoever acts as it."""
    account = vault.keyed_hash(PURPOSE, "\n".join((connector, place, account_id)))
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        row = RequestBudget.objects.filter(account=account).first()
        if row is None:
            made = [_new(account, connector, per_hour)]
            RequestBudget.objects.bulk_create(made, ignore_conflicts=True)
            row = RequestBudget.objects.get(account=account)
        found: UUID = row.id
        return found


def charge(made: Mapping[Account, int], purpose: Purpose) -> None:
    """So many requests were made as these accounts, whatever their hours had left."""
    counts = {vault.keyed_hash(PURPOSE, "\n".join(who)): (who[0], n) for who, n in made.items()}
    if not counts:
        return
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        new = [_new(account, connector) for account, (connector, _) in counts.items()]
        RequestBudget.objects.bulk_create(new, ignore_conflicts=True)
        there = RequestBudget.objects.filter(account__in=list(counts))
        rows = list(there.order_by("id").select_for_update())
        for row in rows:
            row.spent = hour_of(row).add(purpose, counts[bytes(row.account)][1])
        RequestBudget.objects.bulk_update(rows, ["spent"])


def _new(account: bytes, connector: str, per_hour: int | None = None) -> RequestBudget:
    return RequestBudget(
        organization_id=tenancy.PLATFORM,
        account=account,
        connector=connector,
        per_hour=per_hour or USUAL,
    )


def take(budget_id: UUID, purpose: Purpose, wanted: int) -> int:
    """So many requests may be made now, at most `wanted`; they count from this moment."""
    if wanted <= 0:
        return 0
    with _held(budget_id) as row:
        hour = hour_of(row)
        granted = hour.allows(purpose, wanted)
        if granted:
            row.spent = hour.add(purpose, granted)
        return granted


def count(budget_id: UUID, purpose: Purpose, made: int = 1) -> None:
    """So many requests are made, whatever is left; they count from this moment."""
    if made > 0:
        with _held(budget_id) as row:
            row.spent = hour_of(row).add(purpose, made)


def give_back(budget_id: UUID, purpose: Purpose, unused: int) -> None:
    """What was taken and not asked is there for others."""
    if unused > 0:
        with _held(budget_id) as row:
            row.spent = hour_of(row).add(purpose, -unused)


def said(budget_id: UUID, rate: RateBudget) -> None:
    """What the vendor's last answer told of the hour; it ends a row of refusals, not a rest."""
    with _held(budget_id) as row:
        _note(row, rate)


def _note(row: RequestBudget, rate: RateBudget) -> None:
    if rate.limit:
        row.per_hour = rate.limit
    if rate.remaining is not None:
        row.said_remaining, row.said_at = rate.remaining, _since(rate)
    if row.blocked_until is not None and row.blocked_until <= clock.now():
        row.refusals, row.blocked_until = 0, None


def _since(rate: RateBudget) -> datetime:
    """From when on an hour counts what was said: where nothing is left, the one that ends as the
    vendor says."""
    now = clock.now()
    if rate.remaining or rate.resets_in_seconds is None:
        return now
    return now - HOUR + timedelta(seconds=rate.resets_in_seconds)


def refused(budget_id: UUID, retry_after: float | None) -> timedelta:
    """The vendor answered 429: the account rests; returns how long."""
    with _held(budget_id) as row:
        now = clock.now()
        if row.blocked_until is None or row.blocked_until <= now:
            row.refusals += 1  # of many threads that are refused at once, the first one counts
            row.blocked_until = now + blocked_for(row.refusals, retry_after)
            if retry_after is not None:  # and then there is room, whatever was left before
                row.said_remaining = None
        rest: timedelta = row.blocked_until - now
        return rest


def stand(budget_id: UUID | None) -> Hour | None:
    """The hour as it is now, for pages; None before a worker asked anything."""
    row = RequestBudget.everywhere.filter(organization_id=tenancy.PLATFORM, id=budget_id).first()
    return None if row is None else hour_of(row)


def stands(budget_ids: Iterable[UUID]) -> dict[UUID, Hour]:
    """The same of many, in one statement."""
    rows = RequestBudget.everywhere.filter(organization_id=tenancy.PLATFORM, id__in=budget_ids)
    return {row.id: hour_of(row) for row in rows}


def hour_of(row: RequestBudget) -> Hour:
    """The row as the rules see it."""
    return Hour(
        per_hour=row.per_hour,
        now=clock.now(),
        spent={int(at): counts for at, counts in row.spent.items()},
        said_remaining=row.said_remaining,
        said_at=row.said_at,
        blocked_until=row.blocked_until,
    )


@contextmanager
def _held(budget_id: UUID) -> Iterator[RequestBudget]:
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        row = RequestBudget.objects.select_for_update().get(id=budget_id)
        yield row
        row.save()


@dataclass(slots=True)
class Purse:
    """A worker's share of a budget while it reads: threads spend it, the worker's own fills it.

    Threads use no database, so `spend` waits for `fill`, which the worker's own thread calls when
    `runs_low` told it to. `close` gives back what is left.
    """

    budget_id: UUID
    purpose: Purpose
    runs_low: Callable[[], None] = field(default=lambda: None, repr=False)
    chunk: int = CHUNK
    left: int = 0
    spent: int = 0
    _rate: RateBudget | None = None
    _empty: BudgetSpent | None = None
    _turn: Condition = field(default_factory=Condition, repr=False)

    def spend(self) -> None:
        """One request is about to be made. Raises BudgetSpent when the hour has none for it."""
        with self._turn:
            if self.left in (0, self.chunk // 2):
                self.runs_low()
            self._turn.wait_for(lambda: self.left > 0 or self._empty, timeout=PATIENCE_SECONDS)
            if self.left == 0:
                raise self._empty or BudgetSpent("", retry_after_seconds=PATIENCE_SECONDS)
            self.left -= 1
            self.spent += 1

    def note(self, rate: RateBudget) -> None:
        """The vendor's last word of its budget; `fill` writes it down."""
        if rate.limit or rate.remaining is not None:
            self._rate = rate

    def fill(self) -> None:
        """There is something to spend again, unless the hour is used up. Not for threads."""
        if self.left > self.chunk // 2:
            return
        with _held(self.budget_id) as row:
            self._note(row)
            hour = hour_of(row)
            granted = hour.allows(self.purpose, self.chunk)
            if granted:
                row.spent = hour.add(self.purpose, granted)
        with self._turn:
            self.left += granted
            self._empty = None if granted else _spent_up(hour, self.purpose)
            self._turn.notify_all()

    def _note(self, row: RequestBudget) -> None:
        rate, self._rate = self._rate, None
        if rate is not None:
            _note(row, rate)

    def close(self) -> None:
        """Nobody spends any more; what is left is there for others."""
        with self._turn:
            unused, self.left = self.left, 0
            self._empty = BudgetSpent("The reading has ended.", retry_after_seconds=LEAST_WAIT)
            self._turn.notify_all()
        if unused or self._rate:
            with _held(self.budget_id) as row:
                self._note(row)
                row.spent = hour_of(row).add(self.purpose, -unused)


def _spent_up(hour: Hour, purpose: Purpose) -> BudgetSpent:
    seconds = (hour.more_at(purpose) - hour.now).total_seconds()
    return BudgetSpent(
        "The hour's requests are used up.", retry_after_seconds=max(LEAST_WAIT, seconds)
    )
