"""What restored backups left behind: an organization's own, and all of it for operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.urls import reverse

from connections.models import Connection, HeldBack, HeldBackBecause
from portal import roles

MOST = 1000


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One connection that was held back; `over_at` when somebody linked it again."""

    name: str
    because: str
    at: datetime
    over_at: datetime | None
    url: str = ""
    organization: str = ""


def of_organization(slug: str) -> list[HeldRow]:
    """The acting organization's, the newest first; what the person may not see is not there."""
    held = list(HeldBack.objects.all()[:MOST])
    found = Connection.objects.in_bulk([row.connection_id for row in held])
    rows = []
    for row in held:
        connection = found.get(row.connection_id)
        if connection is None and row.because != HeldBackBecause.MISSING:
            continue  # another team's
        over_at = connection.linked_at if connection and connection.linked_at > row.at else None
        url = reverse("connection", args=[slug, connection.id]) if connection else ""
        rows.append(HeldRow(row.name, row.get_because_display(), row.at, over_at, url))
    return rows


def of_platform(asker: UUID) -> list[HeldRow]:
    """Every organization's; empty when the asker is no operator."""
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT slug, name, because, at, linked_at FROM connections_held_back(%s)", [asker]
        )
        return [
            HeldRow(name, HeldBackBecause(because).label, at, over_at, organization=slug)
            for slug, name, because, at, over_at in cursor.fetchall()
        ]
