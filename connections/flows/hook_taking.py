"""Which container a worker tends next, as no other job has it in hand, with how it should be.

What was taken is counted before the vendor is asked, and held for a while.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from connections import registry
from connections.budgets import Purpose
from connections.errors import Unavailable, VendorError
from connections.flows import fetching, hook_choice, hook_rounds as rounds, hook_secrets
from connections.flows.asking import Asking
from connections.hook_matching import MISSING, Expected, Found, events_at, title_of
from connections.models import (
    Arrival,
    Connection,
    Hook,
    HookEndpoint,
    HookPlan,
    HookStand,
    HookWanted,
)
from portal import clock, tenancy, work

NOT_KEPT: Final = "hook_secret_not_kept"
SILENT: Final = 5  # so many in a row without an answer are not each its own trouble
HELD: Final = timedelta(minutes=5)  # longer than a container takes
JUST_SEEN: Final = timedelta(minutes=10)  # whether something is there
SEEN: Final = timedelta(days=2)  # that it is ours
TELLING: Final = (*rounds.FIXABLE, HookStand.MISSING, HookStand.SURPLUS)  # what is there


@dataclass(frozen=True, slots=True)
class Taken:
    """A container as this worker took it, with how its hook should be."""

    row: Hook
    expected: Expected
    secret: str = field(repr=False)
    secret_at: datetime | None


@dataclass(slots=True)
class Tender:
    """The connection and its way to the vendor, which is opened for each purpose."""

    claim: work.Claim
    connection: Connection
    which: str
    period: timedelta
    asking: Asking | None = None
    silent: int = 0
    sealed: tuple[datetime | None, str, str] | None = field(default=None, repr=False)

    def at(self, purpose: str) -> Asking:
        """The way to ask, paid for as this; raises LookupError when it is not live any more."""
        if self.asking is not None and self.asking.purpose != purpose:
            self.close()
        if self.asking is None:
            self.asking = fetching.opened(self.connection.id, Purpose(purpose))
        if self.asking is None:
            raise LookupError
        return self.asking

    def note_silence(self, error: VendorError) -> None:
        """Raises the error when so many in a row did not answer that it is an outage."""
        self.silent = self.silent + 1 if isinstance(error, Unavailable) else 0
        if self.silent >= SILENT:
            raise error

    def close(self) -> None:
        asking, self.asking = self.asking, None
        if asking is not None:
            asking.close()


def take(tender: Tender) -> Taken | None:
    """The next container that is due, with its attempt counted; None when there is none.

    Raises LookupError when the connection is not live, RetryLater while its secret is not kept.
    """
    with tenancy.transaction():
        tender.claim.hold()
        connection = Connection.objects.get(id=tender.connection.id)
        if not connection.is_live:
            raise LookupError
        row = _next(connection, tender)
        if row is None:
            return None
        plan = rounds.plan_of(connection)
        secret_at, address, secret = _sealed(tender)
        Hook.objects.filter(id=row.id).update(
            attempts=F("attempts") + 1,
            lease_owner=tender.claim.id,
            lease_until=clock.now() + HELD,
        )
        tender.connection = connection
        return Taken(
            row=row,
            expected=_expected(connection, plan, row, address, secret_at),
            secret=secret,
            secret_at=secret_at,
        )


def due(connection: Connection, purposes: Iterable[str]) -> QuerySet[Any]:
    """Without an address or the right to make hooks, ours are only removed."""
    found = rounds.due(connection, purposes)
    if hook_choice.offer(connection).why_not:
        found = found.filter(wanted=HookWanted.REMOVE)
    return found


def _next(connection: Connection, tender: Tender) -> Hook | None:
    for purpose in rounds.PURPOSES[tender.which]:
        found = due(connection, [purpose]).filter(free(tender))
        locked = found.select_for_update(skip_locked=True, of=("self",), no_key=True)
        rows = locked.select_related("workspace", "repository").order_by("due_at", "id")
        row: Hook | None = rows.first()
        if row is not None:
            return row
    return None


def free(tender: Tender) -> Q:
    """No other job has it in hand; what this one had when its worker died it may take again."""
    ended = Q(lease_until=None) | Q(lease_until__lt=clock.now())
    return ended | Q(lease_owner=tender.claim.id)


def _sealed(tender: Tender) -> tuple[datetime | None, str, str]:
    """The moment of the newest secret, the address, the secret; opened again when it changed."""
    endpoint = HookEndpoint.objects.get(connection_id=tender.connection.id)
    if tender.sealed is None or tender.sealed[0] != endpoint.secret_at:
        try:
            secret = hook_secrets.secret_of(endpoint).reveal()
            tender.sealed = (endpoint.secret_at, hook_secrets.address_of(endpoint), secret)
        except LookupError:
            raise work.RetryLater(NOT_KEPT, seconds=5) from None
    return tender.sealed


def _expected(
    connection: Connection, plan: HookPlan, row: Hook, address: str, secret_at: datetime | None
) -> Expected:
    rules = registry.get(connection.connector).manifest.hooks
    level = hook_choice.LEVELS.get(Arrival(plan.arrival))
    events = events_at(rules, plan.events, level) if rules and level else ()
    return Expected(
        address=address,
        title=title_of(connection.name),
        events=frozenset(events),
        most=rules.most if rules else 0,
        known=row.remote_id,
        has_newest_secret=secret_at is not None and row.secret_at == secret_at,
    )


def known(taken: Taken) -> Found | None:
    """What the row says, where it needs no look; None where it does.

    Of one that refused or failed it says nothing of what is there.
    """
    row = taken.row
    if row.attempts or row.seen_at is None or row.stand not in TELLING:
        return None
    fresh = JUST_SEEN if row.stand == MISSING else SEEN
    if row.seen_at < clock.now() - fresh or (row.stand != MISSING and not row.remote_id):
        return None
    return Found(
        stand=row.stand,
        remote_id=row.remote_id,
        extras=tuple(row.extras),
        events=tuple(row.events),
        strangers=row.strangers,
        lookalikes=row.lookalikes,
        lookalike_host=row.lookalike_host,
    )
