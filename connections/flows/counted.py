"""The few requests that are made whatever the hour has left: they count, and are not held back.

Whose a credential is and what it may do is asked by a dozen requests at most, often while a person
waits. A refusal among them rests the account for everybody, as any other does. Vendor calls lie
outside transactions, and so does this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from connections.access import Way
from connections.budgets import Purpose
from connections.contracts import BASE_URL, Answer
from connections.errors import RateLimited
from connections.flows import budget
from connections.models import Connection
from connections.vendor_api import VendorApi
from portal import tenancy
from portal.secret import Secret


def api(
    way: Way,
    secret: Secret,
    connection: Connection,
    on_answer: Callable[[Answer], None] | None = None,
    *,
    purpose: Purpose = Purpose.WAITING,
) -> VendorApi:
    """An Api whose requests count for the account that this connection acts as."""
    budget_id = budget.of(connection)

    def see(answer: Answer) -> None:
        note(way, budget_id, answer)
        if on_answer is not None:
            on_answer(answer)

    return way.api(secret, on_answer=see, on_send=lambda: budget.count(budget_id, purpose))


def note(way: Way, budget_id: UUID, answer: Answer) -> None:
    """A refusal rests the account; what another answer says of the hour is known."""
    error = way.connector.judge(answer)
    if isinstance(error, RateLimited):
        budget.refused(budget_id, error.retry_after_seconds)
        return
    rate = way.connector.rate(answer)
    if rate.limit or rate.remaining is not None:
        budget.said(budget_id, rate)


@dataclass(slots=True)
class Noted:
    """What a thread asks and hears: written down by the worker's own, which has the database."""

    made: int = 0
    answers: list[Answer] = field(default_factory=list, repr=False)

    def send(self) -> None:
        self.made += 1

    def settle(self, way: Way, budget_id: UUID, purpose: Purpose) -> None:
        """They count, and what was answered is known."""
        budget.count(budget_id, purpose, self.made)
        for answer in self.answers:
            note(way, budget_id, answer)


def rest_of(connection: Connection, purpose: Purpose = Purpose.REFRESH) -> timedelta:
    """For how long the account's hour has nothing for this, when nobody waits; nothing when it has.

    A refusal of the vendor's is waited out too.
    """
    budget_id = budget.of(connection)
    with tenancy.transaction():
        hour = budget.stand(budget_id)
    return timedelta() if hour is None else hour.more_at(purpose) - hour.now


@dataclass(slots=True)
class Tally:
    """Requests of an account that is not known until the vendor has said whose it is."""

    made: int = 0

    def send(self) -> None:
        self.made += 1

    def charge(self, way: Way, account_id: str) -> None:
        """They count for this account from now on."""
        budget.charge({account_at(way, account_id): self.taken()}, Purpose.WAITING)

    def taken(self) -> int:
        """How many there were; none is left to be charged."""
        made, self.made = self.made, 0
        return made


def account_at(way: Way, account_id: str) -> budget.Account:
    """The account as budgets know it."""
    return way.manifest.slug, way.fields.get(BASE_URL, ""), account_id
