"""The calendar's page: months of what ends or comes due, and what is overdue above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest

from connections.queries.due import MOST, Entry, entries
from portal import clock
from portal.models import Team
from portal.policy import Actor, present

KINDS: Final = {
    "": "Everything",
    "expires": "Credentials that end",
    "rotate": "Credentials to replace",
    "key": "Service keys that end",
    "campaign": "Campaigns",
    "exception": "Exceptions that end",
    "change": "Changes at vendors",
}
MONTHS: Final = 3  # on one page


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for; every value was checked. `start` is a month."""

    start: datetime
    kind: str = ""
    team: str = ""
    owner: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Wish:
        """Raises BadRequest for a kind, team, owner or month there is not (F15)."""
        wish = cls(
            start=_month(query.get("from", "")),
            kind=query.get("kind", ""),
            team=query.get("team", ""),
            owner=query.get("owner", ""),
        )
        if wish.kind not in KINDS:
            raise BadRequest("There is no such kind.")
        for value, known in ((wish.team, {"", "none"}), (wish.owner, {"", "me"})):
            if value not in known and not _is_uuid(value):
                raise BadRequest("There is no such choice.")
        return wish

    @property
    def is_now(self) -> bool:
        return self.start == _month("")

    @property
    def end(self) -> datetime:
        return _later(self.start, MONTHS)

    def address(self, start: datetime) -> str:
        """The page from another month on, with the same filters."""
        named = {"kind": self.kind, "team": self.team, "owner": self.owner}
        named["from"] = "" if start == _month("") else f"{start:%Y-%m}"
        return "?" + urlencode({name: value for name, value in named.items() if value})


@dataclass(frozen=True, slots=True)
class Month:
    start: datetime
    days: list[tuple[datetime, list[Entry]]]

    @property
    def count(self) -> int:
        return sum(len(entries) for _, entries in self.days)


@dataclass(frozen=True, slots=True)
class Calendar:
    wish: Wish
    overdue: list[Entry]
    months: list[Month]
    previous: str
    next: str
    kinds: list[tuple[str, str]]
    teams: list[tuple[str, str]]
    owners: list[tuple[str, str]]
    is_cut: bool

    @property
    def count(self) -> int:
        return len(self.overdue) + sum(month.count for month in self.months)

    @property
    def is_filtered(self) -> bool:
        return bool(self.wish.kind or self.wish.team or self.wish.owner)


def calendar(*, slug: str, actor: Actor, wish: Wish) -> Calendar:
    """Three months from the wish's on; of this month on, what is overdue stands above them."""
    actor = present(actor)
    everything = list(entries(slug=slug, actor=actor, since=_begin(wish), until=wish.end))
    found = [entry for entry in everything if _fits(entry, wish, actor)]
    late = [e for e in found if wish.is_now and e.has_passed and e.kind != "change"]
    rest = [e for e in found if e not in late and e.at >= wish.start]
    return Calendar(
        wish=wish,
        overdue=late,
        months=_months(rest),
        previous=wish.address(_later(wish.start, -MONTHS)),
        next=wish.address(wish.end),
        kinds=list(KINDS.items()),
        teams=_teams(),
        owners=_owners(everything),
        is_cut=any(sum(e.kind == kind for e in everything) >= MOST for kind in KINDS),
    )


def _begin(wish: Wish) -> datetime:
    """What is overdue was due at any time before."""
    return datetime(2000, 1, 1, tzinfo=UTC) if wish.is_now else wish.start


def _months(found: Iterable[Entry]) -> list[Month]:
    return [
        Month(
            start=start,
            days=[(day, list(of_day)) for day, of_day in groupby(of_month, lambda e: _day(e.at))],
        )
        for start, of_month in groupby(found, lambda e: _first(e.at))
    ]


def _fits(entry: Entry, wish: Wish, actor: Actor) -> bool:
    """A vendor's change belongs to no team and nobody, so these filters leave it out."""
    if wish.kind and entry.kind != wish.kind:
        return False
    if wish.team and (
        entry.kind in ("change", "campaign", "key") or str(entry.team_id or "none") != wish.team
    ):
        return False
    owner = str(actor.id) if wish.owner == "me" else wish.owner
    return not owner or str(entry.owner_id) == owner


def _teams() -> list[tuple[str, str]]:
    found = Team.objects.order_by("name").values_list("id", "name")
    options = [(str(key), name) for key, name in found]
    return [("", "Any team"), ("none", "Whole organization"), *options] if options else []


def _owners(found: Iterable[Entry]) -> list[tuple[str, str]]:
    named = {str(e.owner_id): e.owner for e in found if e.owner_id is not None}
    people = sorted(named.items(), key=lambda pair: pair[1].lower())
    return [("", "Anybody"), ("me", "Me"), *people[:100]]


# ── Months ────────────────────────────────────────────────────────────────────────────────────


def _month(text: str) -> datetime:
    """The first moment of a month such as 2026-11; of this one for an empty text."""
    if not text:
        return _first(clock.now())
    try:
        found = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise BadRequest("There is no such month.") from None
    if not 2000 <= found.year <= 2100:
        raise BadRequest("There is no such month.")
    return found


def _later(start: datetime, months: int) -> datetime:
    years, month = divmod(start.month - 1 + months, 12)
    return start.replace(year=start.year + years, month=month + 1)


def _first(at: datetime) -> datetime:
    return _day(at).replace(day=1)


def _day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
