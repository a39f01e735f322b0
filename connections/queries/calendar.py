"""The calendar's page: months of what ends or comes due, and what is overdue above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from django.core.exceptions import BadRequest

from connections.models import Campaign, Connection
from connections.queries.due import Entries, Entry, Span, count, entries, readable
from portal import clock
from portal.models import Team
from portal.policy import Actor, present
from portal.requests import id_in

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
EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)  # what is overdue was due at any time before
MOST_OVERDUE: Final = 50  # of one kind


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
            if value not in known and not id_in(value):
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
    overdue_more: int
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
    def overdue_count(self) -> int:
        """All that is overdue, listed or not."""
        return len(self.overdue) + self.overdue_more

    @property
    def is_filtered(self) -> bool:
        return bool(self.wish.kind or self.wish.team or self.wish.owner)


def calendar(*, slug: str, actor: Actor, wish: Wish) -> Calendar:
    """Three months from the wish's on; of this month on, what is overdue stands above them."""
    actor, now = present(actor), clock.now()
    owner = str(actor.id) if wish.owner == "me" else wish.owner
    span = Span(slug, actor, wish.start, wish.end, now, wish.kind, wish.team, owner)
    coming = entries(replace(span, since=now) if wish.is_now else span)
    before = replace(span, since=EVER, until=now)
    late = entries(before, most=MOST_OVERDUE) if wish.is_now else Entries([], is_cut=False)
    passed = [e for e in late.found if e.kind == "change" and e.at >= wish.start]
    overdue = [e for e in late.found if e.kind != "change"]
    return Calendar(
        wish=wish,
        overdue=overdue,
        overdue_more=count(before) - len(overdue) if late.is_cut else 0,
        months=_months([*passed, *coming.found]),
        previous=wish.address(_later(wish.start, -MONTHS)),
        next=wish.address(wish.end),
        kinds=list(KINDS.items()),
        teams=_teams(),
        owners=_owners(actor),
        is_cut=coming.is_cut,
    )


def _months(found: Iterable[Entry]) -> list[Month]:
    return [
        Month(
            start=start,
            days=[(day, list(of_day)) for day, of_day in groupby(of_month, lambda e: _day(e.at))],
        )
        for start, of_month in groupby(found, lambda e: _first(e.at))
    ]


def _teams() -> list[tuple[str, str]]:
    found = Team.objects.order_by("name").values_list("id", "name")
    options = [(str(key), name) for key, name in found]
    return [("", "Any team"), ("none", "Whole organization"), *options] if options else []


def _owners(actor: Actor) -> list[tuple[str, str]]:
    """Those who granted a connection that lives here and may be read, or started a campaign."""
    live = Connection.objects.filter(readable(actor)).exclude(state=Connection.State.REVOKED)
    named: dict[str, str] = {}
    for rows, of in ((Campaign.objects.all(), "started_by"), (live, "granted_by")):
        found = rows.exclude(**{of: None}).order_by().values_list(f"{of}_id", f"{of}_name")
        named |= {str(key): name for key, name in found.distinct()}
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
