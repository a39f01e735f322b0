"""What a leaked key and an erasure mean for connections: a campaign; tokens withdrawn there."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from connections import high_water
from connections.flows import campaigns, parting, spool
from connections.models import Campaign, Connection, Repository
from portal import clock, erasing, erasure, key_stand, key_upkeep, tenancy
from portal.key_upkeep import Leak
from portal.policy import SYSTEM

WITHIN: Final = timedelta(days=7)


@key_upkeep.on_emergency
def rotate_credentials(leak: Leak) -> None:
    """Every credential of the organization is to be replaced within a week; on record and told.

    Once for each version that leaked. Second factors and the secrets of webhooks are no
    credentials of connections.
    """
    if leak.domain in ("mfa", "webhook"):
        return
    title = f"Replace every credential: the key {leak} leaked"
    with tenancy.transaction():
        live = Connection.objects.exclude(state=Connection.State.REVOKED)
        ids = list(live.values_list("id", flat=True))
        if not ids or Campaign.objects.filter(title=title, started_by_id=None).exists():
            return
        campaigns.start(
            actor=SYSTEM,
            goal="rotate",
            title=title,
            connection_ids=ids,
            due_at=clock.now() + WITHIN,
            because=leak.because,
        )


key_stand.on_outside(spool.under_keys)


@erasure.on_preview
def counted() -> dict[str, int]:
    live = Connection.objects.exclude(state=Connection.State.REVOKED)
    return {
        "connections": live.count(),
        "repositories": Repository.objects.filter(gone_at=None).count(),
    }


erasing.on_parting(parting.withdraw_all)
erasing.on_leaving(parting.left)


@erasing.on_clearing
def lower_marks() -> None:
    """Nothing outside the database misses its connections: they are erased, not lost."""
    high_water.forget(tenancy.organization_id())
