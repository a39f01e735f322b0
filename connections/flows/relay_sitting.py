"""One worker's turn at a target: the way there, its credential, and the account's budget."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from connections.access import Way
from connections.budgets import Purpose
from connections.contracts import Reach, Relays
from connections.flows import budget, counted, refresh
from connections.flows.chains import workspace_record
from connections.models import Connection, Link
from connections.vendor_api import VendorApi
from portal import tenancy, work
from portal.secret import Secret

SITTING: Final = 30.0  # seconds, then others have their turn
SILENT: Final = 3  # requests in a row without an answer: it is not the events


@dataclass(slots=True)
class Sitting:
    """One worker's turn at a target."""

    claim: work.Claim
    target: Connection
    way: Way
    budget_id: UUID
    silent: int = 0  # requests in a row that nothing came of
    began: float = field(default_factory=time.monotonic)
    _secret: Secret | None = field(default=None, repr=False)
    _api: VendorApi | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.began > SITTING or work.stopping.is_set()

    @property
    def connector(self) -> Relays:
        assert isinstance(self.way.connector, Relays)
        return self.way.connector

    def secret(self) -> Secret:
        """The connection's own credential; raises what `refresh.fresh` raises."""
        if self._secret is None:
            self._secret = refresh.fresh(self.target)
        return self._secret

    def api(self) -> VendorApi:
        """As that credential, for the worker's own thread."""
        if self._api is None:
            self._api = counted.api(self.way, self.secret(), self.target, purpose=Purpose.TOLD)
        return self._api

    def ask_budget(self) -> None:
        """Raises BudgetSpent while the account rests: the vendor refused, or said that it will."""
        with tenancy.transaction():
            hour = budget.stand(self.budget_id)
        if hour is None:
            return
        until = hour.blocked_until if hour.is_blocked else None
        if until is None and hour.said_at is not None:
            until = hour.more_at(Purpose.TOLD) if hour.left == 0 else None
        if until is not None and until > hour.now:
            seconds = (until - hour.now).total_seconds()
            raise budget.BudgetSpent("The account rests.", retry_after_seconds=seconds)

    def renewed(self, refused: Secret) -> bool:
        """This token was refused: whether there is another one by now."""
        if self._secret is refused:
            self._secret = self._api = None
            self._secret = refresh.instead_of(refused, self.target)
        return self._secret is not None

    def reach(self, link: Link, api: VendorApi | None = None) -> Reach:
        return Reach(
            api=api or self.api(),
            destination=workspace_record(link.destination),
            fields=self.target.fields,
            method=self.way.method,
        )
