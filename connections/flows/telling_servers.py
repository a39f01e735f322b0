"""What people are told of a server that refuses all its connections.

Operators read how many organizations are there, and its own people its name: whose server it is is
nobody else's matter.
"""

from __future__ import annotations

from django.urls import reverse

from connections import registry
from connections.contracts import BASE_URL
from connections.flows import told_kinds as kinds
from connections.flows.telling import Named, page_of, storm_cause
from connections.models import Breaker, Connection
from portal import notices
from portal.phrases import plural
from portal.policy import Permission


def storm(row: Breaker, *, organizations: int) -> None:
    """Operators, at once. Call it acting for the platform."""
    whose = plural(organizations, "organization,organizations")
    notices.tell(
        kinds.STORM_OPERATORS,
        subject=Named(row.id, f"a {_product(row)} server"),
        audience=notices.operators(),
        dedupe=storm_cause(row),
        url=reverse("platform_connectors"),
        body=f"It refuses all connections that were asked lately; {whose} use it. No other server"
        " is concerned. While it is open no connection there is declared dead, and its people are"
        " told after an hour.",
    )


def storm_here(row: Breaker) -> None:
    """The acting organization's people, in one notice. Call it inside its transaction."""
    there = Connection.objects.filter(connector=row.connector, server=row.server)
    live = there.exclude(state=Connection.State.REVOKED).order_by("name")
    address = str(live[0].fields.get(BASE_URL, "")).partition("://")[2]
    count = plural(live.count(), "connection,connections")
    server = Named(row.id, f"{_product(row)} at {address}")
    notices.tell(
        kinds.STORM,
        subject=server,
        audience=notices.who_may(Permission.CONNECTION_MEND),
        dedupe=storm_cause(row),
        url=page_of("connections"),
        title=f"{server} refuses its connections",
        body=f"You have {count} there, and those that were asked are refused for over an hour. Most"
        " likely the server is in trouble: ask who runs it. We go on trying, and nothing needs"
        " linking again when it is well. Only if the credentials were withdrawn there, link again.",
    )


def left(row: Breaker) -> None:
    """Nobody is there any more: what was told of it is over, and nobody is told that."""
    notices.resolve(storm_cause(row))


def _product(row: Breaker) -> str:
    return str(registry.get(row.connector).manifest.name)
