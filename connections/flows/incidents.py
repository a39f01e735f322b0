"""What people are told of a vendor's incident: operators at once, everybody after six hours.

A breaker may keep quiet for that long, because most incidents pass and nobody can mend them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from connections.flows import breaker, telling
from connections.flows.failures import FAULTS
from connections.models import Breaker, Connection, Consumer
from portal import clock, everybody, roles, tenancy

log = logging.getLogger(__name__)

QUIET_FOR: Final = timedelta(hours=6)

State = Breaker.State
Tell = Callable[[Breaker], None]


def look_after() -> None:
    """Breakers close in their time, and whoever has to know of one is told. Twice does no harm."""
    with tenancy.acting_for(tenancy.PLATFORM):
        rows = breaker.settle_all()
        for row in rows:
            if row.state != State.CLOSED:
                _going_on(row)
            elif row.because:
                _over(row)


def _going_on(row: Breaker) -> None:
    with tenancy.transaction():
        telling.provider_storm(row)
    is_long = row.opened_at is not None and clock.now() - row.opened_at >= QUIET_FOR
    if is_long and row.told_at is None:
        _everybody(row, _storm_here)
        _note(row, told_at=clock.now())


def _storm_here(row: Breaker) -> None:
    """Whose own consumer is what the vendor refuses is told that instead (`stopped.py`)."""
    if row.because == FAULTS and _is_by_own_consumer(row.connector):
        return
    telling.provider_storm_here(row)


def _is_by_own_consumer(connector: str) -> bool:
    own = Consumer.objects.filter(connector=connector).values("id")
    at_fault = Connection.objects.filter(connector=connector, last_error=FAULTS, consumer__in=own)
    return bool(at_fault.exists())


def _over(row: Breaker) -> None:
    """`because` stays until everybody who was told of it knows that it is over."""
    with tenancy.transaction():
        telling.provider_well(row)
    if row.told_at is not None:
        _everybody(row, telling.provider_well_here)
    _note(row, because="", told_at=None)


def _everybody(row: Breaker, tell: Tell) -> None:
    """Every organization that has a live connection to this vendor."""

    def told() -> None:
        with tenancy.transaction():
            theirs = Connection.objects.filter(connector=row.connector)
            if theirs.exclude(state=Connection.State.REVOKED).exists():
                tell(row)

    everybody.for_each(_organizations(), told)


def _organizations() -> list[UUID]:
    with roles.using_role("sweeper"):
        live = Connection.everywhere.exclude(state=Connection.State.REVOKED)
        return list(live.order_by().values_list("organization_id", flat=True).distinct())


def _note(row: Breaker, **facts: object) -> None:
    with tenancy.transaction():
        Breaker.objects.filter(id=row.id, opened_at=row.opened_at).update(**facts)
