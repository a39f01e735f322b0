"""Our hooks go before the credential does, when a connection is revoked: as many as time allows.

What stays at the vendor, because it refuses, does not answer or allows no more requests this hour,
is named on the page of the revoked connection. Nothing is accepted at their address any more.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from connections import registry
from connections.access import way_of
from connections.budgets import Purpose
from connections.contracts import ManagesHooks
from connections.errors import RateLimited, ReauthorizationRequired, VendorError
from connections.flows import budget, hook_choice, hook_secrets
from connections.flows.asking import Asking
from connections.flows.chains import container_of
from connections.flows.hook_mending import AtVendor
from connections.flows.keep import Place
from connections.hook_matching import Expected, title_of
from connections.models import Arrival, Connection, Hook, HookEndpoint, HookPlan
from portal import clock, tenancy, work
from portal.steps import step

log = logging.getLogger(__name__)

PATIENCE: Final = timedelta(minutes=5)
NAMED: Final = 500
ENDS_IT: Final = (RateLimited, ReauthorizationRequired)
NO_TIME: Final = "no_time"


def remove_all(claim: work.Claim, connection_id: str) -> None:
    """As many of this revoked connection's hooks as there is time for are gone at the vendor."""
    until = clock.now() + PATIENCE
    with tenancy.transaction():
        connection = Connection.objects.select_related("consumer").filter(id=connection_id).first()
        if connection is None or not hook_choice.ours_of(connection).exists():
            return
    code = _remove(claim, connection, until)
    with tenancy.transaction():
        claim.hold()
        _name_the_rest(connection, code)
    step("hook.left")


def _remove(claim: work.Claim, connection: Connection, until: datetime) -> str:
    """Why it ended before the last one, empty when it did not."""
    try:
        asking = _opened(connection)
    except LookupError:
        return NO_TIME
    try:
        for row in _ours(connection):
            if clock.now() >= until:
                return NO_TIME
            claim.stay()
            _remove_one(claim, asking, row)
    except ENDS_IT as error:
        return error.code
    except LookupError:  # its secret is gone from here
        return NO_TIME
    finally:
        asking.close()
    return ""


def _opened(connection: Connection) -> Asking:
    if connection.connector not in registry.connectors():
        raise LookupError
    with tenancy.transaction():
        way = way_of(connection)
    return Asking(connection, way, budget.of(connection), Purpose.INCREMENTAL)


def _ours(connection: Connection) -> list[Hook]:
    with tenancy.transaction():
        rows = hook_choice.ours_of(connection).select_related("workspace", "repository")
        return list(rows.order_by("id"))


def _remove_one(claim: work.Claim, asking: Asking, row: Hook) -> None:
    """One container's are gone, or its row says why not; raises what ends all of it."""
    connector, values = asking.way.connector, {"remote_id": "", "extras": [], "error": ""}
    if not isinstance(connector, ManagesHooks):
        raise LookupError
    with tenancy.transaction():
        endpoint = HookEndpoint.objects.get(connection_id=asking.connection.id)
        address = hook_secrets.address_of(endpoint)
    there = AtVendor(
        connector=connector,
        api=asking.api(),
        container=container_of(Place(row.workspace, row.repository)),
        fields=asking.connection.fields,
        expected=Expected(
            address=address,
            title=title_of(asking.connection.name),
            events=frozenset(),
            known=row.remote_id,
        ),
        secret="",
    )
    try:
        there.remove(None)
    except ENDS_IT:
        raise
    except VendorError as error:
        values = {"error": error.code}
    with tenancy.transaction():
        claim.hold()
        Hook.objects.filter(id=row.id).update(**values)


def _name_the_rest(connection: Connection, code: str) -> None:
    """What stays is named where its rows, which go with everything that was read, are no more."""
    rows = hook_choice.ours_of(connection).select_related("workspace", "repository")
    named: list[dict[str, Any]] = [
        {"name": str(row.repository or row.workspace)[:200], "why": row.error or code or NO_TIME}
        for row in rows.order_by("id")[:NAMED]
    ]
    total = rows.count()
    if total > NAMED:
        named.append({"name": "", "more": total - NAMED})
    plans = HookPlan.objects.filter(connection_id=connection.id)
    plans.update(left_behind=named, arrival=Arrival.POLLING, next_at=None)
    if total:
        log.warning("hooks.left_behind", extra={"hooks": total})
