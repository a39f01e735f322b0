"""What rests on one person's consent: the connections that may end when they leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.urls import reverse

from connections.flows.departure import granted_by
from connections.models import KeyUse, Repository, Workspace
from connections.queries import health, products
from portal import clock

LATELY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Resting:
    """One connection, and what stands on it."""

    name: str
    url: str
    relink_url: str
    product: str
    state: str
    workspaces: int
    repositories: int
    services: list[str]


def resting_on(user_id: UUID, slug: str) -> list[Resting]:
    """By name; services are those that read its token within 30 days."""
    found = list(granted_by(user_id).annotate(word=health.in_sql()).order_by("name"))
    ids = [connection.id for connection in found]
    here = Q(connection_id__in=ids, gone_at=None)
    workspaces = _counted(Workspace.objects.filter(here, selected=True))
    repositories = _counted(Repository.objects.filter(here))
    services = _services(ids)
    return [
        Resting(
            name=connection.name,
            url=reverse("connection", args=[slug, connection.id]),
            relink_url=reverse("connection_relink", args=[slug, connection.id]),
            product=products.name_of(connection.connector),
            state=connection.word,
            workspaces=workspaces.get(connection.id, 0),
            repositories=repositories.get(connection.id, 0),
            services=services.get(connection.id, []),
        )
        for connection in found
    ]


def _counted(rows: Any) -> dict[UUID, int]:
    return dict(rows.values_list("connection_id").annotate(Count("id")).order_by())


def _services(ids: list[UUID]) -> dict[UUID, list[str]]:
    lately = KeyUse.objects.filter(connection_id__in=ids, last_at__gte=clock.now() - LATELY)
    services: dict[UUID, list[str]] = {}
    for connection_id, name in lately.order_by("service_key__name").values_list(
        "connection_id", "service_key__name"
    ):
        services.setdefault(connection_id, []).append(name)
    return services
