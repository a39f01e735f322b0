"""What an organization's pages of webhooks show: accounts, what waits, and the dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, Min
from django.urls import reverse

from connections.budgets import Hour, Purpose
from connections.flows import budget, deciding
from connections.flows.deciding import Choice
from connections.models import (
    Connection,
    Delivery,
    HookEndpoint,
)
from connections.queries import products
from connections.queries.connection import Tab
from connections.queries.deliveries import (
    LIST_FIELDS,
    ORDER,
    DeliveryRow,
    counted,
    reason_of,
    rows_of,
)
from portal import cursor as cursors

TABS: Final = (
    ("Activity", "activity"),
    ("Missed events", "activity_missed"),
    ("Failed deliveries", "dead_letters"),
)


def tabs(slug: str, here: str) -> list[Tab]:
    return [Tab(label, reverse(name, args=[slug]), name == here) for label, name in TABS]


def connection_ids() -> list[UUID]:
    """The connections that take webhooks, or took them."""
    return list(HookEndpoint.objects.values_list("connection_id", flat=True))


def reason_words(code: str) -> str:
    return reason_of(code)


# ── Accounts ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Account:
    """What one upstream account asked in the last hour, and for which connections."""

    names: list[tuple[UUID, str]]
    product: str
    used: int
    per_hour: int
    left: int
    blocked_until: datetime | None


def accounts() -> list[Account]:
    """The accounts that asked anything lately, the fullest first."""
    live = Connection.objects.exclude(state=Connection.State.REVOKED).exclude(budget_id=None)
    shared: dict[UUID, list[Connection]] = {}
    for connection in live.only("id", "name", "connector", "budget_id").order_by("name"):
        shared.setdefault(connection.budget_id, []).append(connection)
    found = [_account(hour, shared[id_]) for id_, hour in budget.stands(shared).items()]
    return sorted(found, key=lambda one: -one.used / max(1, one.per_hour))


def _account(hour: Hour, theirs: Sequence[Connection]) -> Account:
    return Account(
        names=[(one.id, one.name) for one in theirs],
        product=products.name_of(theirs[0].connector),
        used=hour.used(),
        per_hour=hour.per_hour,
        left=hour.allows(Purpose.FULL, hour.per_hour),
        blocked_until=hour.blocked_until if hour.is_blocked else None,
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """What wants somebody's eye."""

    dead: int
    waiting: int
    oldest: datetime | None
    addresses: int


def counts() -> Counts:
    rows = Delivery.objects.filter(state=Delivery.State.NEW)
    found = rows.aggregate(count=Count("id"), oldest=Min("received_at"))
    return Counts(
        dead=Delivery.objects.filter(state=Delivery.State.DEAD).count(),
        waiting=found["count"],
        oldest=found["oldest"],
        addresses=HookEndpoint.objects.filter(disabled_at=None).count(),
    )


# ── Dead letters ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, with its first error where that was another than the last."""

    row: DeliveryRow
    connection_id: UUID
    connection: str
    last: str
    first: str


@dataclass(frozen=True, slots=True)
class LetterList:
    choice: Choice
    letters: list[Letter]
    previous: str
    next: str
    count: str
    connections: list[tuple[str, str]]
    events: list[tuple[str, str]]
    reasons: list[tuple[str, str]]
    query: str

    @property
    def is_filtered(self) -> bool:
        return bool(self.choice.event_key or self.choice.error or self.choice.connection)

    @property
    def chosen_connection(self) -> str:
        return str(self.choice.connection.id) if self.choice.connection else ""


def letter_list(*, choice: Choice, cursor: str) -> LetterList:
    """The page of dead letters that choice and cursor name, the latest first."""
    rows = deciding.matching(choice)
    window = cursors.page(rows.only(*LIST_FIELDS, "tries"), by=ORDER, cursor=cursor)
    every = deciding.matching(Choice(choice.connection)).order_by()
    ids = every.values_list("connection_id", flat=True).distinct()
    names = dict(Connection.objects.filter(id__in=ids).values_list("id", "name"))
    kept = _query(choice)
    return LetterList(
        choice=choice,
        letters=_letters(window.rows, names),
        previous=_address(kept, window.previous),
        next=_address(kept, window.next),
        count=counted(rows) if window.rows else "",
        connections=[("", "Any connection"), *sorted((str(i), n) for i, n in names.items())],
        events=[("", "Any event"), *_named(every, "event_key", str)],
        reasons=[("", "Any reason"), *_named(every, "error", reason_of)],
        query=urlencode({name: value for name, value in kept.items() if value}),
    )


def _query(choice: Choice) -> dict[str, str]:
    connection = str(choice.connection.id) if choice.connection else ""
    return {"connection": connection, "event": choice.event_key, "reason": choice.error}


def _named(rows: Any, field: str, words: Any) -> list[tuple[str, str]]:
    """The values that occur, each with how often."""
    found = rows.values_list(field).annotate(count=Count("id")).order_by("-count", field)[:50]
    return [(value, f"{words(value)} ({count:,})") for value, count in found if value]


def _letters(found: Sequence[Delivery], names: Mapping[UUID, str]) -> list[Letter]:
    rows = rows_of(found, {})
    return [
        Letter(
            row=row,
            connection_id=one.connection_id,
            connection=names.get(one.connection_id, ""),
            last=_said(one.error, one.error_detail),
            first=_first(one),
        )
        for one, row in zip(found, rows, strict=True)
    ]


def _first(one: Delivery) -> str:
    first = one.tries[0] if one.tries else {}
    said = _said(str(first.get("error", "")), str(first.get("detail", "")))
    return "" if said == _said(one.error, one.error_detail) else said


def _said(code: str, detail: str) -> str:
    return ": ".join(filter(None, (reason_of(code), detail)))


def _address(kept: Mapping[str, str], cursor: str) -> str:
    named = {name: value for name, value in kept.items() if value}
    return f"?{urlencode(named | {'cursor': cursor})}" if cursor else ""
