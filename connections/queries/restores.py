"""What restored backups left behind: an organization's own, and all of it for operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.urls import reverse

from connections.flows.rights import may_mend
from connections.models import Connection, HeldBack, HeldBackBecause
from portal import roles
from portal.policy import Actor

MOST = 1000


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One connection that was held back; `over_at` when somebody linked it again."""

    name: str
    because: str
    at: datetime
    over_at: datetime | None
    url: str = ""
    relink_url: str = ""
    organization: str = ""


def of_organization(slug: str, actor: Actor) -> list[HeldRow]:
    """The acting organization's, the newest first; what the person may not see is not there.

    `relink_url` is the way out for those who may link it again.
    """
    held = list(HeldBack.objects.all()[:MOST])
    found = Connection.objects.in_bulk([row.connection_id for row in held])
    rows = []
    for row in held:
        connection = found.get(row.connection_id)
        if connection is None and row.because != HeldBackBecause.MISSING:
            continue  # another team's
        rows.append(_row(row, connection, slug, actor))
    return rows


def _row(held: HeldBack, connection: Connection | None, slug: str, actor: Actor) -> HeldRow:
    because = held.get_because_display()
    if connection is None:
        return HeldRow(held.name, because, held.at, None)
    over_at = connection.linked_at if connection.linked_at > held.at else None
    mends = over_at is None and may_mend(actor, connection)
    return HeldRow(
        name=held.name,
        because=because,
        at=held.at,
        over_at=over_at,
        url=reverse("connection", args=[slug, connection.id]),
        relink_url=reverse("connection_relink", args=[slug, connection.id]) if mends else "",
    )


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
