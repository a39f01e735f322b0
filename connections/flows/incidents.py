"""What people are told of a vendor's incident: operators at once, everybody after six hours.

A breaker may keep quiet for that long, because most incidents pass and nobody can mend them. Of a
server that they run themselves people are told after an hour: they can.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from connections import lookups
from connections.flows import breaker, telling, telling_servers
from connections.flows.failures import FAULTS
from connections.models import Breaker, Connection, Consumer
from portal import clock, everybody, roles, tenancy

log = logging.getLogger(__name__)

QUIET_FOR: Final = timedelta(hours=6)
SERVER_QUIET_FOR: Final = timedelta(hours=1)

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
    quiet = SERVER_QUIET_FOR if row.server else QUIET_FOR
    is_long = row.opened_at is not None and clock.now() - row.opened_at >= quiet
    there = lookups.at_server(row.server) if row.server else []
    if row.server and not there and is_long:
        _left(row)
        return
    with tenancy.transaction():
        if row.server:
            telling_servers.storm(row, organizations=len(there))
        else:
            telling.provider_storm(row)
    if is_long and row.told_at is None:
        everybody.for_each(there or _organizations(), lambda: _tell(row, _storm_here))
        _note(row, told_at=clock.now())


def _left(row: Breaker) -> None:
    """Nobody has a connection there any more, so nobody will ever hear how it is."""
    _everywhere(row, telling_servers.left)
    with tenancy.transaction():
        telling_servers.left(row)
    breaker.forget(row)


def _storm_here(row: Breaker) -> None:
    """Whose own consumer is what the vendor refuses is told that instead (`stopped.py`)."""
    if row.server:
        telling_servers.storm_here(row)
        return
    if row.because == FAULTS and _is_by_own_consumer(row.connector):
        return
    telling.provider_storm_here(row)


def _is_by_own_consumer(connector: str) -> bool:
    own = Consumer.objects.filter(connector=connector).values("id")
    at_fault = Connection.objects.filter(connector=connector, last_error=FAULTS, consumer__in=own)
    return bool(at_fault.exists())


def _over(row: Breaker) -> None:
    """`because` stays until everybody who was told of it knows that it is over.

    While another part of that server is in trouble it is not over, and left to that one to tell.
    """
    if not _is_left_to_another_part(row):
        with tenancy.transaction():
            telling.provider_well(row)
        _everywhere(row, telling.provider_well_here)
    _note(row, because="", told_at=None)


def _is_left_to_another_part(row: Breaker) -> bool:
    with tenancy.transaction():
        others = Breaker.objects.filter(connector=row.connector, server=row.server)
        troubled = others.exclude(server="").exclude(id=row.id).exclude(state=State.CLOSED)
        if row.told_at is not None:
            troubled.filter(told_at=None).update(told_at=row.told_at)
        return bool(troubled.exists())


def _tell(row: Breaker, tell: Tell) -> None:
    """The acting organization's people, when it has a live connection to whom the row is about."""
    with tenancy.transaction():
        theirs = Connection.objects.filter(connector=row.connector, server=row.server)
        if theirs.exclude(state=Connection.State.REVOKED).exists():
            tell(row)


def _everywhere(row: Breaker, tell: Tell) -> None:
    """Every organization, because whoever was told may have no connection there any more."""

    def told() -> None:
        with tenancy.transaction():
            tell(row)

    if row.told_at is not None:
        everybody.for_each(everybody.organizations(), told)


def _organizations() -> list[UUID]:
    with roles.using_role("sweeper"):
        live = Connection.everywhere.exclude(state=Connection.State.REVOKED)
        return list(live.order_by().values_list("organization_id", flat=True).distinct())


def _note(row: Breaker, **facts: object) -> None:
    with tenancy.transaction():
        Breaker.objects.filter(id=row.id, opened_at=row.opened_at).update(**facts)
