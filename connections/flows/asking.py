"""A worker's way to ask on a connection's behalf, each request paid from the account's budget.

For few requests, one after the other, in the thread that may use the database; a run with many
chains fills its purse itself (`reading.py`). Call it outside transactions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from connections.access import Way
from connections.budgets import Purpose
from connections.contracts import Answer
from connections.errors import RateLimited
from connections.flows import budget, refresh
from connections.models import Connection
from connections.vendor_api import VendorApi

FEW = 5
TOO_MANY = 429


@dataclass(slots=True)
class Asking:
    """`api` is authorised, and raises BudgetSpent when the hour has nothing left for `purpose`."""

    connection: Connection
    way: Way
    budget_id: UUID
    purpose: Purpose
    chunk: int = FEW  # requests that are taken from the hour at once
    _purse: budget.Purse = field(init=False, repr=False)
    _api: VendorApi | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._purse = budget.Purse(self.budget_id, self.purpose, chunk=self.chunk)

    @property
    def spent(self) -> int:
        """How many requests were made."""
        return self._purse.spent

    def api(self) -> VendorApi:
        """As the connection's own credential; raises what `refresh.fresh` raises."""
        if self._api is None:
            secret = refresh.fresh(self.connection)
            self._api = self.way.api(secret, on_answer=self._note, on_send=self._spend)
        return self._api

    def _spend(self) -> None:
        self._purse.fill()
        self._purse.spend()

    def _note(self, answer: Answer) -> None:
        if answer.status != TOO_MANY:
            self._purse.note(self.way.connector.rate(answer))

    def rest(self, error: RateLimited) -> float:
        """For how long nothing may be asked; a refusal of the vendor's rests the account."""
        if isinstance(error, budget.BudgetSpent):
            return error.retry_after_seconds or budget.LEAST_WAIT
        return budget.refused(self.budget_id, error.retry_after_seconds).total_seconds()

    def close(self) -> None:
        """What was taken and not spent is there for others."""
        self._purse.close()
