"""A link's repositories: which take part, what came of each, and its last trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import F, Q, QuerySet

from connections.models import Link, LinkRepository
from connections.queries import products
from connections.queries.relay_state import reason
from portal import cursor as cursors, phrases

ORDER: Final = ("name", "id")
STATES: Final[Mapping[str, tuple[str, Q]]] = {
    "": ("All", Q()),
    "on": ("Taking part", Q(enabled=True)),
    "off": ("Left out", Q(enabled=False)),
    "trouble": ("In trouble", Q(enabled=True) & ~Q(last_error="")),
    "unknown": ("Naming what is not there", Q(unknown_subjects__gt=0)),
}


@dataclass(frozen=True, slots=True)
class PartWish:
    """What the address asks for; every value was checked."""

    search: str = ""
    state: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> PartWish:
        """Raises BadRequest for a filter that is not on the list (F15)."""
        state = query.get("state", "")
        if state not in STATES:
            raise BadRequest("There is no such state.")
        return cls(query.get("q", "").strip()[:200], state)

    def parameters(self) -> dict[str, str]:
        return {k: v for k, v in {"q": self.search, "state": self.state}.items() if v}

    @property
    def is_filtered(self) -> bool:
        return bool(self.parameters())


@dataclass(frozen=True, slots=True)
class Part:
    """One repository's line."""

    repository_id: UUID
    name: str
    enabled: bool
    is_gone: bool
    erasing: bool
    sent: int
    failed: int
    unknown: int
    sent_at: datetime | None
    trouble: str
    detail: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class PartList:
    wish: PartWish
    rows: list[Part]
    previous: str
    next: str
    count: str

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in STATES.items()]


def part_list(link: Link, *, wish: PartWish, cursor: str) -> PartList:
    """The page of this link's repositories that wish and cursor name, by name."""
    rows: QuerySet[Any] = LinkRepository.objects.filter(link_id=link.id)
    rows = rows.filter(STATES[wish.state][1]).annotate(name=F("repository__full_name"))
    if wish.search:
        rows = rows.filter(name__icontains=wish.search)
    window = cursors.page(rows.select_related("repository"), by=ORDER, cursor=cursor)
    product = products.name_of(link.target.connector)
    return PartList(
        wish=wish,
        rows=[_part(row, product) for row in window.rows],
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        count=phrases.plural(rows.order_by().count(), "repository,repositories"),
    )


def _part(row: Any, product: str) -> Part:
    return Part(
        repository_id=row.repository_id,
        name=row.name,
        enabled=row.enabled,
        is_gone=row.repository.gone_at is not None,
        erasing=row.erasing,
        sent=row.sent,
        failed=row.failed,
        unknown=row.unknown_subjects,
        sent_at=row.last_sent_at,
        trouble=reason(row.last_error, product=product).title if row.last_error else "",
        detail=row.last_error_detail,
        since=row.last_error_at,
    )


def _address(wish: PartWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}#repositories" if cursor else ""
