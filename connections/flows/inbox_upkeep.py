"""Deliveries grow old: after thirty days their bodies go, after ninety what is known of them.

Until then each can be looked at and done again. The sender's longest habit of sending twice is far
shorter, so no duplicate slips through where a row has gone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from connections.models import Delivery, HookEndpoint
from portal import clock, everybody, tenancy, work

BODY: Final = timedelta(days=30)
ROW: Final = timedelta(days=90)
PORTION: Final = 1000


@work.every("deliveries.age", 3600)
def age() -> None:
    """Every organization keeps of its deliveries what their age allows."""
    everybody.for_each(everybody.organizations(), age_here)


def age_here() -> None:
    """The same for the acting organization; outside of transactions."""
    with tenancy.transaction():
        found = list(HookEndpoint.objects.values_list("connection_id", flat=True))
    for connection_id in found:
        while _emptied(connection_id) == PORTION:
            pass
        while _dropped(connection_id) == PORTION:
            pass


def _emptied(connection_id: UUID) -> int:
    with tenancy.transaction():
        rows = _older(connection_id, BODY).filter(body__isnull=False)
        return int(Delivery.objects.filter(id__in=_some(rows)).update(body=None))


def _dropped(connection_id: UUID) -> int:
    with tenancy.transaction():
        rows = _older(connection_id, ROW)
        return int(Delivery.objects.filter(id__in=_some(rows)).delete()[0])


def _older(connection_id: UUID, than: timedelta) -> QuerySet[Delivery]:
    before = clock.now() - than
    found: QuerySet[Delivery] = Delivery.objects.filter(
        connection_id=connection_id, received_at__lt=before
    ).exclude(state=Delivery.State.NEW)
    return found


def _some(rows: QuerySet[Delivery]) -> list[UUID]:
    return list(rows.order_by("received_at").values_list("id", flat=True)[:PORTION])
