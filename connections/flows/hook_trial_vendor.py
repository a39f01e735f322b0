"""A test that the vendor sends itself, where it offers that: it has arrived when it came in here.

Some servers do not sign their test. Such a one is refused like everything unsigned, and shows all
the same that the server reaches us.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

from connections import registry
from connections.budgets import Purpose
from connections.contracts import TestsHooks
from connections.errors import VendorError
from connections.flows import fetching, hook_rounds as rounds
from connections.flows.asking import Asking
from connections.flows.chains import container_of
from connections.flows.keep import Place
from connections.models import Connection, Delivery, Hook, HookEndpoint, HookStand
from portal import clock, tenancy

SENT, UNSIGNED, NEVER_CAME, NOT_SENT = "by_vendor", "by_vendor_unsigned", "never_came", "not_asked"
WITHIN: Final = 12.0
BETWEEN: Final = 0.2


def sent(connection: Connection, address: str) -> str | None:
    """What became of the vendor's own test; None where it offers none, or has no hook of ours."""
    connector = registry.get(connection.connector)
    if not isinstance(connector, TestsHooks) or connector.manifest.hooks is None:
        return None
    with tenancy.transaction():
        right = rounds.rows(connection).filter(stand=HookStand.PRESENT)
        row: Hook | None = right.select_related("workspace", "repository").first()
    asking = fetching.opened(connection.id, Purpose.WAITING) if row is not None else None
    if row is None or asking is None:
        return None
    began = clock.now()
    try:
        _order(connector, asking, row, address)
    except VendorError:
        return NOT_SENT
    finally:
        asking.close()
    return _came(connection, connector.manifest.hooks.test_event, began)


def _order(connector: TestsHooks, asking: Asking, row: Hook, address: str) -> None:
    place = container_of(Place(row.workspace, row.repository))
    connector.test_hook(asking.api(), place, asking.connection.fields, row.remote_id, address)


def _came(connection: Connection, event: str, began: datetime) -> str:
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        with tenancy.transaction():
            here = Delivery.objects.filter(connection_id=connection.id, received_at__gte=began)
            if here.filter(event_key=event).exists():
                return SENT
            ours = HookEndpoint.objects.filter(connection_id=connection.id)
            if ours.filter(refused_at__gte=began, refused_because="missing").exists():
                return UNSIGNED
        time.sleep(BETWEEN)
    return NEVER_CAME
