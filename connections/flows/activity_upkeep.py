"""What tells how webhooks went grows old: counts and decisions after 400 days, the missed after 90.

And what was missed is looked at again: a webhook may have told of it late.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from connections.flows import missed
from connections.models import DeliveryHour, InboxDeed, MissedEvent
from portal import clock, everybody, tenancy, work

COUNTS: Final = timedelta(days=400)
MISSED: Final = timedelta(days=90)
DEEDS: Final = timedelta(days=400)


@work.every("deliveries.age_counts", 1800)
def age() -> None:
    """Every organization keeps of these what their age allows."""
    everybody.for_each(everybody.organizations(), age_here)


def age_here() -> None:
    """The same for the acting organization; outside of transactions."""
    now = clock.now()
    with tenancy.transaction():
        missed.settle()
        DeliveryHour.objects.filter(hour__lt=now - COUNTS).delete()
        MissedEvent.objects.filter(found_at__lt=now - MISSED).delete()
        ended = InboxDeed.objects.exclude(state=InboxDeed.State.RUNNING)
        ended.filter(created_at__lt=now - DEEDS).delete()
