"""What the vendor has of ours in each container: a list by state and name, and counts of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from connections.errors import AccessDenied
from connections.explain import Explanation, explain
from connections.flows import hook_rounds as rounds
from connections.models import (
    Connection,
    HookStand,
)
from connections.queries.hook_words import STANDS, StandWords
from portal import cursor as cursors, phrases

ORDER: Final = ("name", "id")
STATES: Final = {"wrong": "Not as it should be", "": "Any state", **dict(HookStand.choices)}


@dataclass(frozen=True, slots=True)
class HookWishList:
    """Which containers the address asks for; every value was checked."""

    search: str = ""
    state: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> HookWishList:
        """Raises BadRequest for a state that is not on the list (F15)."""
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
class HookLine:
    """One container: what is there of ours, what is wrong with it, and who must act."""

    id: UUID
    name: str
    word: str
    icon: str
    tone: str
    says: str
    strangers: int
    lookalikes: int
    lookalike_host: str
    seen: datetime | None
    is_waiting: bool
    may_repair: bool
    trouble: Explanation | None
    detail: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """A page of the containers; `counts` are of all of them: state, word, icon, tone, number."""

    wish: HookWishList
    rows: list[HookLine]
    previous: str
    next: str
    count: str
    counts: list[tuple[str, str, str, str, int]]
    total: int
    right: int
    wrong: int
    lookalikes: int
    seen: datetime | None
    state_options: list[tuple[str, str]]


def inventory(
    connection: Connection, *, product: str, wish: HookWishList, cursor: str
) -> Inventory:
    """The page of this connection's containers that wish and cursor name, and counts of all."""
    here = rounds.rows(connection)
    counted = {
        row["stand"]: row["count"]
        for row in here.order_by().values("stand").annotate(count=Count("id"))
    }
    window = cursors.page(_wanted(here, wish), by=ORDER, cursor=cursor)
    total = _wanted(here, wish).order_by().count() if window.rows else 0
    sums = here.aggregate(alike=Sum("lookalikes"), seen=Max("seen_at"))
    return Inventory(
        wish=wish,
        rows=[_line(row, product) for row in window.rows],
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        count=phrases.plural(total, "place") if total else "",
        counts=[
            (each.value, STANDS[each].word, STANDS[each].icon, STANDS[each].tone, counted[each])
            for each in HookStand
            if counted.get(each)
        ],
        total=sum(counted.values()),
        right=counted.get(HookStand.PRESENT, 0),
        wrong=sum(counted.get(each, 0) for each in rounds.WRONG),
        lookalikes=sums["alike"] or 0,
        seen=sums["seen"],
        state_options=list(STATES.items()),
    )


def _wanted(here: QuerySet[Any], wish: HookWishList) -> QuerySet[Any]:
    found: QuerySet[Any] = here.annotate(
        name=Coalesce(F("repository__full_name"), F("workspace__name"))
    )
    if wish.search:
        found = found.filter(name__icontains=wish.search)
    if wish.state == "wrong":
        found = found.filter(Q(stand__in=rounds.WRONG) | ~Q(extras=[]))
    elif wish.state:
        found = found.filter(stand=wish.state)
    return found


def _line(row: Any, product: str) -> HookLine:
    words = STANDS[HookStand(row.stand)]
    return HookLine(
        id=row.id,
        name=row.name,
        word=words.word,
        icon=words.icon,
        tone=words.tone,
        says=_says(row, words, product)
        + (f" {len(row.extras) + 1} of ours are there: one is enough." if row.extras else ""),
        strangers=row.strangers,
        lookalikes=row.lookalikes,
        lookalike_host=row.lookalike_host,
        seen=row.seen_at,
        is_waiting=row.round_id is not None and row.due_at is not None,
        may_repair=row.stand in rounds.WRONG or bool(row.extras),
        trouble=explain(row.error, product=product) if row.error else None,
        detail="" if row.stand == HookStand.REFUSED else row.error_detail,
    )


def _says(row: Any, words: StandWords, product: str) -> str:
    """What the state means; of a refusal only where it is about the account's own right."""
    if row.stand == HookStand.REFUSED and row.error != AccessDenied.code:
        return ""
    return words.says.format(product=product)


def _address(wish: HookWishList, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}#inventory" if cursor else ""
