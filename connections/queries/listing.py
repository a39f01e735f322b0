"""The list of connections: search, filters, sort, one page at a time, fast at 100,000 rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import DateTimeField, IntegerField, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.safestring import SafeString

from connections import registry
from connections.models import Connection
from connections.queries import health, policies, products
from connections.queries.lacks import Lack, last_lack
from portal import cursor as cursors, phrases
from portal.models import Team
from portal.requests import id_in
from portal.templatetags.portal import badge

COUNT_UP_TO = 1000
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
ORDERS = {
    "name": ("name",),
    "-name": ("-name",),
    "created": ("created_at", "id"),
    "-created": ("-created_at", "-id"),
    "trouble": ("trouble_at", "id"),
    "-trouble": ("-trouble_at", "-id"),
}
STATES = ("working", "attention", "broken", "paused", "unverified", "revoked")
STATE_WORDS = {
    "working": "Working",
    "attention": "Attention",
    "broken": "Broken",
    "paused": "Paused",
    "unverified": "Not yet verified",
    "revoked": "Revoked",
}
COLUMNS = (
    "id", "name", "connector", "account_name", "labels", "team_id", "state", "paused_at",
    "suspect_since", "orphaned_at", "last_error", "last_error_at", "last_success_at", "created_at",
    "method", "lack", "found",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for; every value was checked."""

    search: str = ""
    connector: str = ""
    state: str = ""
    team: str = ""
    label: str = ""
    policy: str = ""
    sort: str = "name"

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Wish:
        """Raises BadRequest for a sort or a filter that is not on the list (F15)."""
        wish = cls(
            search=query.get("q", "").strip()[:200],
            connector=query.get("connector", ""),
            state=query.get("state", ""),
            team=query.get("team", ""),
            label=query.get("label", "").strip()[:40],
            policy=query.get("policy", ""),
            sort=query.get("sort", "") or "name",
        )
        if wish.sort not in ORDERS:
            raise BadRequest("This list cannot be sorted that way.")
        if wish.state and wish.state not in STATES:
            raise BadRequest("There is no such state.")
        if wish.policy and wish.policy not in policies.FILTERS:
            raise BadRequest("There is no such choice.")
        if wish.connector and wish.connector not in registry.connectors():
            raise BadRequest("There is no such product.")
        if wish.team not in {"", "none"} and not id_in(wish.team):
            raise BadRequest("There is no such team.")
        return wish

    @property
    def is_filtered(self) -> bool:
        narrowed = (self.search, self.connector, self.state, self.team, self.label, self.policy)
        return any(narrowed)

    def parameters(self) -> dict[str, str]:
        """What stands in the address, without what is empty or usual."""
        named = {"q": self.search, "connector": self.connector, "state": self.state}
        named |= {"team": self.team, "label": self.label, "policy": self.policy}
        named["sort"] = "" if self.sort == "name" else self.sort
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One line of the list, in words that are ready to be shown."""

    id: UUID
    url: str
    name: str
    product: str
    account: str
    labels: list[str]
    team: str
    badge: SafeString
    trouble: str
    trouble_at: str
    trouble_iso: str
    seen: str
    seen_iso: str


@dataclass(frozen=True, slots=True)
class ConnectionList:
    wish: Wish
    rows: list[ConnectionRow]
    previous: str
    next: str
    count: str
    connectors: list[tuple[str, str]]
    states: list[tuple[str, str]] = field(default_factory=list)
    teams: list[tuple[str, str]] = field(default_factory=list)
    is_empty: bool = False


def connection_list(*, slug: str, wish: Wish, cursor: str, details: bool) -> ConnectionList:
    """The page of connections that the wish and the cursor name.

    `details` shows and finds the account; readers of a team's connection see name and state only.
    """
    window = cursors.page(shown(wish, details=details), by=ORDERS[wish.sort], cursor=cursor)
    teams = dict(Team.objects.order_by("name").values_list("id", "name"))
    base = reverse("connections", args=[slug])
    return ConnectionList(
        wish=wish,
        rows=[_row(row, base, teams, details) for row in window.rows],
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        count=_counted(window.rows[0].found, wish, len(window.rows)) if window.rows else "",
        connectors=[("", "Any product"), *products.choices()],
        states=[("", "Any state"), *STATE_WORDS.items()],
        teams=_team_options(teams) if teams else [],
        is_empty=not window.rows and not wish.is_filtered and not cursor,
    )


def _team_options(teams: Mapping[UUID, str]) -> list[tuple[str, str]]:
    return [
        ("", "Any team"),
        ("none", "Whole organization"),
        *((str(key), name) for key, name in teams.items()),
    ]


def wanted(wish: Wish, *, details: bool) -> QuerySet[Any, Any]:
    """The rows that fit, unsorted; search takes `%` and `_` as themselves (X24).

    An account is found only where `details` or the organization's default shows it.
    """
    rows: QuerySet[Any, Any] = Connection.objects.filter(_state(wish.state))
    if wish.search:
        found = Q(name__icontains=wish.search) | Q(labels__contains=[wish.search])
        account = Q(account_name__icontains=wish.search)
        rows = rows.filter(found | (account if details else account & Q(team_id=None)))
    if wish.connector:
        rows = rows.filter(connector=wish.connector)
    if wish.team:
        rows = rows.filter(team_id=None if wish.team == "none" else wish.team)
    if wish.label:
        rows = rows.filter(labels__contains=[wish.label])
    if wish.policy:
        rows = rows.filter(id__in=policies.violating(wish.policy))
    return rows


def shown(wish: Wish, *, details: bool = False) -> QuerySet[Any, Any]:
    """The rows with every column that a line needs, so that a page is one question."""
    rows: QuerySet[Any, Any] = wanted(wish, details=details)
    rows = rows.annotate(
        lack=last_lack(),
        found=_Counted(rows.order_by().values("id")[: COUNT_UP_TO + 1]),
    )
    if wish.sort.endswith("trouble"):
        never = Value(NEVER, output_field=DateTimeField())
        rows = rows.annotate(trouble_at=Coalesce("last_error_at", never))
        return rows.values_list(*COLUMNS, "trouble_at", named=True)
    return rows.values_list(*COLUMNS, named=True)


class _Counted(Subquery):
    """How many rows a query gives, as a column of another one; PostgreSQL counts them once."""

    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def _state(word: str) -> Q:
    if word == "revoked":
        return Q(state=Connection.State.REVOKED)
    present = ~Q(state=Connection.State.REVOKED)
    return present & health.condition(word) if word else present


def _row(row: Any, base: str, teams: Mapping[UUID, str], details: bool) -> ConnectionRow:
    lack = Lack.read(row.lack)
    state = health.word_of(row, lacks=lack is not None)
    product = products.name_of(row.connector)
    trouble = health.trouble_of(row, lack, product=product)
    shows_account = details or row.team_id is None
    return ConnectionRow(
        id=row.id,
        url=f"{base}{row.id}/",
        name=row.name,
        product=product,
        account=row.account_name if shows_account else "",
        labels=row.labels,
        team=teams.get(row.team_id, "") if row.team_id else "",
        badge=_badge(state, "Revoked" if row.state == Connection.State.REVOKED else ""),
        trouble=trouble.title if trouble else "",
        trouble_at=phrases.relative(row.last_error_at) if row.last_error_at else "",
        trouble_iso=row.last_error_at.isoformat(timespec="seconds") if row.last_error_at else "",
        seen=phrases.relative(row.last_success_at) if row.last_success_at else "",
        seen_iso=row.last_success_at.isoformat(timespec="seconds") if row.last_success_at else "",
    )


@cache
def _badge(state: str, word: str) -> SafeString:
    """There are six of them, and a page shows fifty."""
    return SafeString(badge(state, word))


def _counted(found: int, wish: Wish, shown: int) -> str:
    """Counted up to a thousand: more costs more than it tells."""
    words = "connection" if not wish.is_filtered else "match,matches"
    if found > COUNT_UP_TO:
        return f"{phrases.plural(shown, words)} of more than {COUNT_UP_TO:,}"
    return phrases.plural(found, words) if found == shown else f"{shown:,} of {found:,}"


def _address(wish: Wish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}" if cursor else ""
