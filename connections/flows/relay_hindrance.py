"""A target as a whole is in the way: its links wait, and then go on with what is due."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Min

from connections.errors import RateLimited, VendorError
from connections.flows import telling_relay
from connections.models import Link, LinkState, RelayItem
from portal import clock, tenancy, work

SOONEST, LATEST = 5.0, 900.0
LATER: Final = timedelta(minutes=15)  # where somebody has to act first


def unhindered(target_id: UUID) -> list[Link]:
    """Those that may send now, and those that are on their way out."""
    states = (LinkState.ACTIVE, LinkState.REMOVING)
    rows = Link.objects.filter(target_id=target_id, state__in=states)
    rows = rows.select_related("source", "target", "destination").order_by("last_sent_at", "id")
    now = clock.now()
    return [link for link in rows if link.waits_until is None or link.waits_until <= now]


def all_rest(claim: work.Claim, target_id: UUID, error: VendorError) -> None:
    """All links there wait; what happens meanwhile is kept."""
    with tenancy.transaction():
        links = unhindered(target_id)
    for link in links:
        hindered(claim, link, error)


def hindered(claim: work.Claim, link: Link, error: VendorError) -> None:
    """The link waits: for the vendor's hour, longer the longer it is silent, or for somebody."""
    with tenancy.transaction():
        claim.hold()
        link.hold()
        now = clock.now()
        link.last_error, link.last_error_detail = error.code, error.detail[:200]
        link.last_error_at = now
        if not isinstance(error, RateLimited):
            link.failing_since = link.failing_since or now
        link.waits_for, link.waits_until = error.code, now + _rest(link, error, now)
        link.save(
            update_fields=[
                *("last_error", "last_error_detail", "last_error_at"),
                *("failing_since", "waits_for", "waits_until"),
            ]
        )
        telling_relay.out_of_reach(link)


def _rest(link: Link, error: VendorError, now: datetime) -> timedelta:
    if isinstance(error, RateLimited):
        return timedelta(seconds=error.retry_after_seconds or 60.0)
    if not error.retry:
        return LATER
    elapsed = (now - (link.failing_since or now)).total_seconds()
    seconds = min(LATEST, max(SOONEST, elapsed / 3))
    return timedelta(seconds=seconds * random.uniform(0.8, 1.0))


def next_due(link: Link) -> datetime | None:
    """When this link has something to send; None when it has nothing."""
    rows = RelayItem.objects.filter(link_id=link.id, due_at__isnull=False)
    found: datetime | None = rows.aggregate(soonest=Min("due_at"))["soonest"]
    if found is None:
        return None
    return max(found, link.waits_until) if link.waits_until else found
