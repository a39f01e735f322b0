"""What the overview asks a person to do, where no connection is in trouble."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Min
from django.urls import reverse
from django.utils import timezone

from connections.flows import plan, policies
from connections.models import LIVE, Connection, ConnectionState, RunState, SyncRun, Workspace
from connections.queries import health, products
from portal.phrases import plural

MOST = 8
OVERDUE = "Overdue for replacement"
SILENCE: Final = timedelta(hours=6)  # what cures itself is told after so long


@dataclass(frozen=True, slots=True)
class Need:
    """Something a person has to do. `post` marks a button that acts at once."""

    state: str
    name: str
    url: str
    title: str
    why: str
    since: datetime | None
    button: str
    button_url: str
    post: bool = False


def held_back(slug: str) -> list[Need]:
    """What the latest run of a connection holds back; an older one is over with the next run."""
    ended = SyncRun.objects.exclude(state__in=LIVE).exclude(
        connection__state=ConnectionState.REVOKED
    )
    latest = ended.order_by("connection_id", "-created_at").distinct("connection_id")
    held = SyncRun.objects.filter(id__in=latest.values("id"), state=RunState.QUARANTINED)
    return [
        Need(
            state="attention",
            name=run.connection.name,
            url=reverse("connection", args=[slug, run.connection_id]),
            title="A listing shrank sharply, and removals are held back",
            why="Look at what would go, and agree if it is right.",
            since=run.finished_at,
            button="Look at it",
            button_url=reverse("connection_sync", args=[slug, run.connection_id]),
        )
        for run in held.select_related("connection").order_by("finished_at")[:MOST]
    ]


def overdue(slug: str) -> list[Need]:
    """Credentials that a policy or a mark wants replaced by now, as one line."""
    late = policies.with_due(policies.current()).filter(due_at__lte=timezone.now())
    found = late.aggregate(count=Count("id"), since=Min("due_at"))
    if not found["count"]:
        return []
    return [
        Need(
            state="attention",
            name=plural(found["count"], "credential,credentials"),
            url=reverse("calendar", args=[slug]),
            title=OVERDUE,
            why="The rotation policy, or an import, asked for a replacement by now.",
            since=found["since"],
            button="Open the calendar",
            button_url=reverse("calendar", args=[slug]),
        )
    ]


def without_workspaces(slug: str) -> list[Need]:
    """Linked, and nobody has said yet what is to be read."""
    chosen = Workspace.objects.filter(selected=True).values("connection_id")
    reached = Workspace.objects.filter(gone_at=None).values("connection_id")
    rows = (
        Connection.objects.exclude(state=ConnectionState.REVOKED)
        .filter(paused_at=None, id__in=reached)
        .exclude(id__in=chosen)
    )
    rows = rows.annotate(word=health.in_sql())
    return [
        Need(
            state=row.word,
            name=row.name,
            url=reverse("connection", args=[slug, row.id]),
            title=f"No {products.container_word(row.connector)} is chosen yet",
            why="Choose what to read, and the first sync starts.",
            since=row.linked_at,
            button=f"Choose {products.container_word(row.connector)}s",
            button_url=reverse("connection_workspaces", args=[slug, row.id]),
        )
        for row in rows.order_by("-linked_at")[:MOST]
        if plan.streams_of(row)
    ]
