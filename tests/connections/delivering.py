"""An inbox with something in it: deliveries planted as a vendor and a worker would leave them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from connections.models import Delivery
from portal import clock, roles, tenancy
from tests.ingesting import Sender

_PLANT = """
INSERT INTO connections_delivery (id, organization_id, endpoint_id, connection_id, received_at,
       sender_id, dedupe, content_hash, possible_replay, conflict, event_key, headers, body, size,
       state, attempts, next_at, error, error_detail, effect, applied_at, tries)
SELECT gen_random_uuid(), %(organization)s, %(endpoint)s, %(connection)s,
       %(now)s::timestamptz - %(age)s - n * %(apart)s, gen_random_uuid()::text,
       sha256((n || ' ' || %(salt)s)::bytea), sha256(n::text::bytea), false, false, %(event)s,
       %(headers)s, %(body)s::bytea, coalesce(length(%(body)s::bytea), 0),
       %(state)s, 6, NULL, %(error)s, %(detail)s, %(effect)s,
       %(now)s::timestamptz - %(age)s - n * %(apart)s, %(tries)s
  FROM generate_series(1, %(count)s) AS n
"""


def planted(vendor: Sender, count: int = 1, **given: Any) -> None:
    """So many deliveries of this connection, dead ones unless said otherwise."""
    facts: dict[str, Any] = {
        "organization": vendor.organization.id,
        "endpoint": vendor.endpoint.id,
        "connection": vendor.connection.id,
        "now": clock.now(),
        "age": timedelta(minutes=1),
        "apart": timedelta(milliseconds=1),
        "salt": clock.now().isoformat(),
        "event": "repo:push",
        "headers": {"x-event-key": "repo:push", "user-agent": "Bitbucket-Webhooks/2.0"},
        "body": b'{"push": {"changes": []}}',
        "state": "dead",
        "error": "reading_failed",
        "detail": "KeyError",
        "effect": {},
        "tries": [],
        "count": count,
    }
    facts |= given
    facts |= {name: json.dumps(facts[name]) for name in ("headers", "effect", "tries")}
    with (
        roles.using_role("owner"),
        tenancy.acting_for(vendor.organization),
        tenancy.transaction(),
        roles.connection().cursor() as cursor,
    ):
        cursor.execute(_PLANT, facts)


def states(vendor: Sender) -> dict[str, int]:
    """How many deliveries there are in each state."""
    found: dict[str, int] = {}
    with vendor.works.inside(vendor.organization):
        rows = Delivery.objects.filter(connection_id=vendor.connection.id)
        for state in rows.values_list("state", flat=True):
            found[state] = found.get(state, 0) + 1
    return found
