"""The hour's requests of a connection's account, and how long a long reading takes with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, F, Sum, Value
from django.db.models.functions import Ceil, Coalesce, Greatest

from connections.budgets import Hour, Purpose
from connections.contracts import Level
from connections.flows import budget, plan
from connections.models import Connection
from portal import phrases

PAGE: Final = 100  # records of a request, at most
WORTH_TELLING: Final = timedelta(minutes=5)  # a shorter reading is over before it is read about


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """`more_at` is when more may be asked, None when something may be now.

    `kept_back` is left as well, for who waits, for renewing tokens and for what changes. `due` are
    the lists that wait. `takes` and `done_at` are the least that they take, empty when they fit
    into what is left: no list is shorter than the vendor said, but some are longer, and other
    connections of the same account read as well.
    """

    per_hour: int
    used: int
    left: int
    kept_back: int
    more_at: datetime | None
    blocked_until: datetime | None
    is_used_elsewhere: bool
    due: int
    takes: str
    done_at: datetime | None


def budget_line(connection: Connection) -> BudgetLine | None:
    """None before anything was asked."""
    hour = budget.stand(connection.budget_id)
    if hour is None:
        return None
    due, requests = _due(connection)
    more_at, needed = hour.more_at(Purpose.FULL), hour.needs(requests)
    left = hour.allows(Purpose.FULL, hour.per_hour)
    is_long = needed > WORTH_TELLING
    return BudgetLine(
        per_hour=hour.per_hour,
        used=hour.used(),
        left=left,
        kept_back=max(0, hour.left - left),
        more_at=more_at if more_at > hour.now else None,
        blocked_until=hour.blocked_until if hour.is_blocked else None,
        is_used_elsewhere=_is_used_elsewhere(hour),
        due=due,
        takes=phrases.span(needed.total_seconds()) if is_long else "",
        done_at=max(more_at, hour.now + needed) if is_long else None,
    )


def _is_used_elsewhere(hour: Hour) -> bool:
    """The vendor says that less is left than our own requests explain."""
    return hour.left < hour.per_hour - hour.used()


def _due(connection: Connection) -> tuple[int, int]:
    """How many lists wait, with those of repositories still to be found; requests at the least.

    How many repositories there are is known when the vendor says it or the listing has ended.
    """
    chosen = plan.chosen(connection)
    pages = Coalesce(Ceil((F("total") - F("read")) / Value(float(PAGE))), 1.0)
    waiting = plan.due(connection, chosen).aggregate(
        lists=Count("id"), requests=Sum(Greatest(pages, 1.0))
    )
    each = sum(stream.level is Level.REPOSITORY for stream in chosen.values())
    listings = plan.states(connection, [plan.REPOSITORIES]).filter(last_full_at=None)
    totals = listings.exclude(total=None).values_list("total", "read")
    coming = each * sum(max(0, total - read) for total, read in totals)
    return waiting["lists"] + coming, int(waiting["requests"] or 0) + coming
