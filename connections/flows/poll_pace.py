"""How often a connection is asked what changed: by its own schedule, or as its webhooks allow.

Where webhooks come in, a poll only makes sure of them, every 15 minutes. Where polls find what no
webhook told of and none comes at all, webhooks do not work: until they do, it is asked every two
minutes, as far as its account's requests allow (trust.md §6.3).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from connections.flows import budget, plan
from connections.models import (
    Connection,
    Delivery,
    DeliveryState,
    HookMode,
    MissedCause,
    MissedEvent,
    Workspace,
)
from portal import clock

HEALTHY: Final = 15
UNTOLD: Final = 2
SHARE: Final = 0.10  # of the requests of an hour, for polls that stand in for webhooks
LOOKED_BACK: Final = timedelta(hours=1)


def minutes(connection: Connection) -> int:
    """How long it is from one poll to the next, now."""
    usual: int = connection.sync_every_minutes
    if plan.settings_of(connection).mode != HookMode.HOOKS:
        return usual
    if is_untold(connection):
        return min(usual, max(UNTOLD, _affordable(connection)))
    return min(usual, HEALTHY)


def is_untold(connection: Connection) -> bool:
    """Whether polls of the last hour found what nobody told of, and no webhook was applied since.

    Our own test, and what is not about this connection's workspaces, prove nothing.
    """
    rows = MissedEvent.objects.filter(
        connection_id=connection.id, found_at__gte=clock.now() - LOOKED_BACK, arrived_at=None
    ).exclude(cause=MissedCause.BEFORE_HOOK)
    first = rows.order_by("found_at").values_list("since", flat=True).first()
    if first is None:
        return False
    came = Delivery.objects.filter(connection_id=connection.id, received_at__gte=first)
    return not came.filter(state=DeliveryState.APPLIED).exists()


def _affordable(connection: Connection) -> int:
    """The shortest time between polls of all its workspaces that stays within the share."""
    rows = Workspace.objects.filter(connection_id=connection.id, selected=True, gone_at=None)
    hour = budget.stand(connection.budget_id)
    per_hour = (hour.per_hour if hour else budget.USUAL) * SHARE
    return int(-(-rows.count() * 60 // max(1, int(per_hour))))


def schedule(connection: Connection) -> None:
    """The next poll is due when this says."""
    if not connection.is_live:
        connection.schedule_sync()
        return
    connection.next_sync_at = clock.now() + timedelta(minutes=minutes(connection))
    connection.save(update_fields=["next_sync_at"])
