"""Who leased what, when and why: the leases of a key or of a connection, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest

from connections.models import Connection, Lease, LeaseOutcome, ServiceKey
from portal import cursor as cursors
from portal.requests import id_in

ORDER = ("-at", "-id")


@dataclass(frozen=True, slots=True)
class LeaseLine:
    """One ask; `connection` and `service` are their names now."""

    lease: Lease
    connection: str
    service: str
    outcome: str


@dataclass(frozen=True, slots=True)
class LeasePage:
    """A page of leases; `only` is the id that the other side is narrowed to."""

    lines: list[LeaseLine]
    previous: str
    next: str
    outcome: str
    outcomes: list[tuple[str, str]]
    only: str

    @property
    def is_filtered(self) -> bool:
        return bool(self.outcome or self.only)


def of_key(request: HttpRequest, key: ServiceKey) -> LeasePage:
    """What this key asked for, newest first; BadRequest for a filter that there is not."""
    found = Lease.objects.filter(service_key_id=key.id)
    return _page(request, found, "connection", "connection_id")


def of_connection(request: HttpRequest, connection: Connection) -> LeasePage:
    """Who asked for this connection's token, newest first; BadRequest as above."""
    found = Lease.objects.filter(connection_id=connection.id)
    return _page(request, found, "service", "service_key_id")


def _page(request: HttpRequest, found: QuerySet[Lease], name: str, column: str) -> LeasePage:
    outcome, only = request.GET.get("outcome", ""), request.GET.get(name, "")
    if outcome:
        if outcome not in LeaseOutcome.values:
            raise BadRequest("There is no such outcome.")
        found = found.filter(outcome=outcome)
    if only:
        if id_in(only) is None:
            raise BadRequest(f"There is no such {name}.")
        found = found.filter(**{column: only})
    page = cursors.page(found, by=ORDER, cursor=request.GET.get("cursor", ""))
    return LeasePage(
        lines=_lines(page.rows),
        previous=cursors.link(request, page.previous, anchor="leases"),
        next=cursors.link(request, page.next, anchor="leases"),
        outcome=outcome,
        outcomes=[("", "Any outcome"), *LeaseOutcome.choices],
        only=only,
    )


def _lines(rows: list[Lease]) -> list[LeaseLine]:
    connections = names(Connection, {row.connection_id for row in rows})
    services = names(ServiceKey, {row.service_key_id for row in rows})
    return [
        LeaseLine(
            lease=row,
            connection=connections.get(row.connection_id) or f"Unknown: {row.asked}",
            service=services.get(row.service_key_id, ""),
            outcome=row.get_outcome_display(),
        )
        for row in rows
    ]


def names(model: Any, ids: set[Any]) -> Mapping[Any, str]:
    """The names of these rows that this organization has."""
    return dict(model.objects.filter(id__in=ids - {None}).values_list("id", "name"))
