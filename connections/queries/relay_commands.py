"""What commits asked of a target in their messages, and what came of each command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet

from connections.models import Link, SmartDeed, SmartState
from portal import cursor as cursors

ORDER: Final = ("-created_at", "id")
STATES: Final[Mapping[str, str]] = {
    "": "Any outcome",
    "done": "Done",
    "failed": "Failed",
    "skipped": "Not run",
    "waiting": "Waiting",
}
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    SmartState.WAITING: ("hourglass", "plain"),
    SmartState.DONE: ("circle-check", "good"),
    SmartState.FAILED: ("circle-x", "danger"),
    SmartState.SKIPPED: ("circle-minus", "plain"),
}


@dataclass(frozen=True, slots=True)
class DeedWish:
    """Which commands the address asks for; every value was checked."""

    search: str = ""
    state: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> DeedWish:
        """Raises BadRequest for a filter that is not on the list (F15)."""
        state = query.get("state", "")
        if state not in STATES:
            raise BadRequest("There is no such outcome.")
        return cls(query.get("q", "").strip()[:200], state)

    def parameters(self) -> dict[str, str]:
        return {k: v for k, v in {"q": self.search, "state": self.state}.items() if v}

    @property
    def is_filtered(self) -> bool:
        return bool(self.parameters())


@dataclass(frozen=True, slots=True)
class DeedRow:
    """One command: which commit asked for it, of what, and how it ended."""

    id: UUID
    at: datetime
    command: str
    subject: str
    commit: str
    repository: str
    repository_id: UUID
    author: str
    word: str
    icon: str
    tone: str
    detail: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeedList:
    wish: DeedWish
    rows: list[DeedRow]
    previous: str
    next: str

    @property
    def states(self) -> list[tuple[str, str]]:
        return list(STATES.items())


def deed_list(link: Link, *, wish: DeedWish, cursor: str) -> DeedList:
    """The page of this link's commands that wish and cursor name, the latest first."""
    rows: QuerySet[Any] = SmartDeed.objects.filter(link_id=link.id).select_related("repository")
    if wish.state:
        rows = rows.filter(state=wish.state)
    if wish.search:
        about = Q(subject__iexact=wish.search) | Q(commit__startswith=wish.search.lower())
        rows = rows.filter(about | Q(author__icontains=wish.search))
    window = cursors.page(rows, by=ORDER, cursor=cursor)
    return DeedList(
        wish=wish,
        rows=[_row(each) for each in window.rows],
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
    )


def _row(deed: SmartDeed) -> DeedRow:
    icon, tone = WORDS[deed.state]
    return DeedRow(
        id=deed.id,
        at=deed.created_at,
        command=deed.command,
        subject=deed.subject,
        commit=deed.commit,
        repository=deed.repository.full_name,
        repository_id=deed.repository_id,
        author=deed.author,
        word=str(SmartState(deed.state).label),
        icon=icon,
        tone=tone,
        detail=deed.detail,
        ended_at=deed.ended_at,
    )


def _address(wish: DeedWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}" if cursor else ""
