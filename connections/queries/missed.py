"""Missed events as a list: what changed without a word, since when, and the likeliest reason."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.core.exceptions import BadRequest

from connections.models import Connection, MissedCause, MissedEvent
from connections.queries import trail_words
from connections.queries.runs import stream_titles
from portal import cursor as cursors


@dataclass(frozen=True, slots=True)
class MissedRow:
    event: MissedEvent
    what: str
    where: str
    cause: str
    trail: str = ""  # what finds its trail


@dataclass(frozen=True, slots=True)
class MissedList:
    rows: list[MissedRow]
    cause: str
    previous: str
    next: str
    causes: list[tuple[str, str]]
    late: int


def missed_list(*, connection: Connection | None, cause: str, cursor: str) -> MissedList:
    """The page of missed events that the address names; those that came late are counted only."""
    if cause and cause not in MissedCause.values:
        raise BadRequest("There is no such cause.")
    rows = MissedEvent.objects.select_related("connection", "workspace", "repository")
    rows = rows.filter(connection_id=connection.id) if connection else rows
    late = rows.exclude(arrived_at=None).count()
    rows = rows.filter(arrived_at=None)
    rows = rows.filter(cause=cause) if cause else rows
    window = cursors.page(rows, by=("-found_at", "id"), cursor=cursor)
    kept = {"cause": cause, "connection": str(connection.id) if connection else ""}
    return MissedList(
        rows=[_missed(row) for row in window.rows],
        cause=cause,
        previous=_address(kept, window.previous),
        next=_address(kept, window.next),
        causes=[("", "Any cause"), *((c.value, c.label) for c in MissedCause)],
        late=late,
    )


def _missed(row: MissedEvent) -> MissedRow:
    titles = stream_titles(row.connection.connector)
    return MissedRow(
        event=row,
        what=titles.get(row.stream, row.stream),
        where=str(row.repository or row.workspace),
        cause=MissedCause(row.cause).label,
        trail=trail_words.asked_for(row.stream, row.remote_id, str(row.repository or "")),
    )


def _address(kept: dict[str, str], cursor: str) -> str:
    named = {name: value for name, value in kept.items() if value}
    return f"?{urlencode(named | {'cursor': cursor})}" if cursor else ""
