"""The body of a delivery as it came, for who manages the connection; each look is on record."""

from __future__ import annotations

from connections.flows import rights
from connections.flows.dead_letters import NO_BODY
from connections.flows.problems import FlowProblem
from connections.models import Connection, Delivery
from portal import audit
from portal.policy import Actor


def fetch(*, actor: Actor, connection: Connection, delivery: Delivery) -> bytes:
    """Its bytes, with nothing hidden; FlowProblem when its days are over."""
    actor = rights.manager(actor, connection)
    if delivery.body is None:
        raise FlowProblem("body_gone", "", NO_BODY)
    audit.record(
        audit.Action.DELIVERY_DOWNLOADED,
        actor=actor,
        subject=connection,
        delivery=delivery.id,
        event=delivery.event_key,
    )
    return bytes(delivery.body)
