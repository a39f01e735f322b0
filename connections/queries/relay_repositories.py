"""A link's repositories: which take part, what came of each, and its last trouble."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from connections.models import Link, LinkRepository, RelayItem
from connections.queries import products
from connections.queries.relay_state import reason
from connections.queries.repositories import LONG_AGO
from portal import cursor as cursors, phrases

# A column that may be empty stands by a value of its own, so that a cursor can name its place.
NEVER: Final = Value(LONG_AGO, output_field=DateTimeField())
SORTS: Final[Mapping[str, tuple[str, Any]]] = {
    "name": ("name", F("repository__full_name")),
    "taken": ("sent", None),
    "sent": ("went", Coalesce("last_sent_at", NEVER)),
    "trouble": ("troubled", Coalesce("last_error_at", NEVER)),
}
SHOWN: Final = 20  # names, before a deed
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
    sort: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> PartWish:
        """Raises BadRequest for a filter or a sort that is not on the list (F15)."""
        state, sort = query.get("state", ""), query.get("sort", "")
        if state not in STATES or (sort and sort.removeprefix("-") not in SORTS):
            raise BadRequest("There is no such state or sort.")
        return cls(query.get("q", "").strip()[:200], state, sort)

    def parameters(self) -> dict[str, str]:
        named = {"q": self.search, "state": self.state, "sort": self.sort}
        return {name: value for name, value in named.items() if value}

    @property
    def is_filtered(self) -> bool:
        return bool(self.search or self.state)


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
    """The page of this link's repositories that wish and cursor name, by name unless asked."""
    column, value = SORTS[wish.sort.removeprefix("-") or "name"]
    rows: QuerySet[Any] = LinkRepository.objects.filter(link_id=link.id)
    rows = rows.filter(STATES[wish.state][1]).annotate(name=F("repository__full_name"))
    if value is not None:
        rows = rows.annotate(**{column: value})
    order = (f"-{column}" if wish.sort.startswith("-") else column, "id")
    if wish.search:
        rows = rows.filter(name__icontains=wish.search)
    window = cursors.page(rows.select_related("repository"), by=order, cursor=cursor)
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


@dataclass(frozen=True, slots=True)
class Erasing:
    """What leaving these out and taking back what was written means, before somebody agrees."""

    parts: list[Part]
    shown: int

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.parts[:SHOWN]]

    @property
    def more(self) -> int:
        return max(0, len(self.parts) - SHOWN)


def erasing(link: Link, ids: Collection[UUID]) -> Erasing:
    """Of these repositories of the link, what the target shows."""
    rows: Any = LinkRepository.objects.filter(link_id=link.id, repository_id__in=list(ids))
    rows = rows.annotate(name=F("repository__full_name")).order_by("name")
    product = products.name_of(link.target.connector)
    return Erasing(
        parts=[_part(row, product) for row in rows.select_related("repository")],
        shown=written(link).filter(repository_id__in=list(ids)).count(),
    )


def written(link: Link) -> Any:
    """What the target shows of this link, as far as it was told."""
    rows = RelayItem.objects.filter(link_id=link.id, sent_sequence__isnull=False)
    return rows.exclude(subjects=[])


def _address(wish: PartWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}#repositories" if cursor else ""
