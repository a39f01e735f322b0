"""The overview: what needs this person, how everything is, what expires, what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from connections.explain import CURES_ITSELF, Explanation, explain
from connections.flows.rights import may_mend
from connections.models import (
    Connection,
    ConnectionState,
    Credential,
)
from connections.queries import health, needs, products, relay_needs
from connections.queries.connection import rights_now
from connections.queries.lacks import Lack, last_lack
from connections.queries.needs import MOST as NEEDS, Need
from connections.queries.record import Happening, news
from portal.policy import Actor, Permission, allows, present

SQUARES = 300
EXPIRING = 8
_SQUARE = (
    *("id", "name", "connector", "method"),
    *("state", "paused_at", "suspect_since", "orphaned_at", "last_error"),
)


@dataclass(frozen=True, slots=True)
class Square:
    label: str
    url: str
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Expiring:
    name: str
    url: str
    product: str
    at: datetime
    has_passed: bool
    tail: str


@dataclass(frozen=True, slots=True)
class Overview:
    needs: list[Need]
    more_needs: int
    squares: list[Square]
    counts: list[tuple[str, int]]
    total: int
    expiring: list[Expiring]
    news: list[Happening]

    @property
    def is_empty(self) -> bool:
        return self.total == 0

    @property
    def says_overdue(self) -> bool:
        """Whether what should have been replaced by now is among the needs."""
        return any(need.title == needs.OVERDUE for need in self.needs)


def overview(*, slug: str, actor: Actor) -> Overview:
    """Everything the first page says; buttons are offered to those who may press them."""
    may_manage = allows(actor, Permission.CONNECTION_MANAGE)
    reads_record = allows(actor, Permission.AUDIT_VIEW)
    if not may_manage:
        actor = present(actor)
    counts = _counts()
    found = [*_troubled(slug, actor), *needs.held_back(slug), *_lacking(slug, actor)]
    found += relay_needs.of_links(slug, actor)
    found += [*needs.overdue(slug), *needs.without_workspaces(slug)]
    return Overview(
        needs=found[:NEEDS],
        more_needs=max(0, len(found) - NEEDS),
        squares=_squares(slug),
        counts=[(word, counts[word]) for word in health.WORST_FIRST if counts.get(word)],
        total=sum(counts.values()),
        expiring=_expiring(slug) if reads_record or may_manage else [],
        news=news() if reads_record else [],
    )


def _present() -> QuerySet[Any, Any]:
    return Connection.objects.exclude(state=ConnectionState.REVOKED)


def _counts() -> dict[str, int]:
    rows = _present().annotate(word=health.in_sql()).values_list("word").annotate(Count("id"))
    return dict(rows.order_by())


def _troubled(slug: str, actor: Actor) -> list[Need]:
    """Broken ones first, then the oldest trouble; what cures itself is told after six hours."""
    rows = _present().annotate(word=health.in_sql())
    broken = rows.filter(word="broken").order_by("last_error_at")[: NEEDS * 2]
    attention = rows.filter(word="attention").exclude(
        last_error="", suspect_since=None, orphaned_at=None
    )
    quiet = Q(
        last_error__in=sorted(CURES_ITSELF), last_error_at__gte=timezone.now() - needs.SILENCE
    )
    attention = attention.exclude(quiet).order_by("last_error_at")[: NEEDS * 2]
    incidents = health.incidents()
    return [_need(row, slug, actor, incidents) for row in [*broken, *attention]]


def _need(row: Any, slug: str, actor: Actor, incidents: health.Incidents) -> Need:
    product = products.name_of(row.connector)
    code = health.trouble_code(row, None, incidents)
    trouble = health.named(row, explain(code, product=product))
    label, url, post = _way_out(row, trouble, slug, actor)
    return Need(
        state=row.word,
        name=row.name,
        url=reverse("connection", args=[slug, row.id]),
        title=trouble.title,
        why=trouble.remedy,
        since=row.last_error_at,
        button=label,
        button_url=url,
        post=post,
    )


def _way_out(
    row: Connection, trouble: Explanation, slug: str, actor: Actor
) -> tuple[str, str, bool]:
    mends = may_mend(actor, row)
    if mends and trouble.button == "replace":
        return "Replace it", reverse("connection_replace", args=[slug, row.id]), False
    if mends and (trouble.button == "link_again" or row.state == "needs_reauthorization"):
        return "Link again", reverse("connection_relink", args=[slug, row.id]), True
    if mends and trouble.button == "verify":
        return "Verify now", reverse("connection_verify", args=[slug, row.id]), True
    if trouble.button == "consumers" and allows(actor, Permission.CONSUMER_EDIT):
        return "OAuth consumers", reverse("consumers", args=[slug]), False
    return "Look", reverse("connection", args=[slug, row.id]), False


def _lacking(slug: str, actor: Actor) -> list[Need]:
    """Verified lately, and not everything that was asked for is possible."""
    quiet = {"last_error": "", "suspect_since": None, "orphaned_at": None}
    rows = _present().filter(id__in=health.lacking(), **quiet)
    rows = rows.filter(paused_at=None).exclude(state=ConnectionState.NEEDS_REAUTHORIZATION)
    rows = rows.annotate(lack=last_lack()).order_by("name")
    return [_lack(row, slug, actor) for row in rows[:NEEDS]]


def _lack(row: Any, slug: str, actor: Actor) -> Need:
    lack = Lack.read(row.lack)
    trouble = health.trouble_of(row, lack, product=products.name_of(row.connector))
    details = rights_now(actor, row).details
    is_missing = lack is not None and lack.code == "scope_missing"
    return Need(
        state="attention",
        name=row.name,
        url=reverse("connection", args=[slug, row.id]),
        title=trouble.title if trouble else "Something that was asked for is not possible",
        why=trouble.remedy if trouble else "The scope matrix names what is missing.",
        since=row.last_success_at,
        button="See what is missing" if details and is_missing else "Look",
        button_url=reverse(
            "connection_verification" if details else "connection", args=[slug, row.id]
        ),
    )


def _squares(slug: str) -> list[Square]:
    """Worst first, then by name, as many as one can look at."""
    squares: list[Square] = []
    for word in health.WORST_FIRST:
        left = SQUARES - len(squares)
        if left > 0:
            squares += [_square(row, word, slug) for row in _of_state(word)[:left]]
    return squares


def _of_state(word: str) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = _present().filter(health.condition(word)).order_by("name")
    rows = rows.annotate(lack=last_lack())
    return rows.values_list(*_SQUARE, "lack", named=True)


def _square(row: Any, state: str, slug: str) -> Square:
    words = {"working": "working", "paused": "paused", "unverified": "not yet verified"}.get(state)
    trouble = health.trouble_of(row, Lack.read(row.lack), product=products.name_of(row.connector))
    return Square(
        label=row.name,
        url=reverse("connection", args=[slug, row.id]),
        state=state,
        words=words or (trouble.title if trouble else "in trouble"),
    )


def _expiring(slug: str) -> list[Expiring]:
    now = timezone.now()
    rows: Sequence[Any] = (
        Credential.objects.filter(
            replaced_at=None, refreshable=False, expires_at__lte=now + health.EXPIRES_SOON
        )
        .exclude(connection__state=ConnectionState.REVOKED)
        .annotate(name=F("connection__name"), connector=F("connection__connector"))
        .order_by("expires_at")[:EXPIRING]
    )
    return [_expiry(row, slug, row.connection_id, now) for row in rows]


def _expiry(row: Any, slug: str, connection_id: UUID, now: datetime) -> Expiring:
    return Expiring(
        name=row.name,
        url=reverse("connection_credential", args=[slug, connection_id]),
        product=products.name_of(row.connector),
        at=row.expires_at,
        has_passed=row.expires_at <= now,
        tail=row.last_four,
    )
