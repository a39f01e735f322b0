"""What ends or comes due, with its moment: for the calendar's page and for feeds of it.

Somebody sees what they may read the details of: managers and auditors everything, others what they
administer or granted themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Q
from django.urls import reverse

from connections.contracts import VendorChange
from connections.flows import policies
from connections.flows.telling_campaigns import moment
from connections.models import Campaign, CampaignItem, Connection, RotationPolicy, ServiceKey
from connections.queries import changes, products
from portal.phrases import plural
from portal.policy import Actor, Permission, allows

ICONS: Final = {
    "expires": "clock",
    "rotate": "refresh",
    "key": "key",
    "campaign": "list-check",
    "exception": "hourglass",
    "change": "world",
}
MOST: Final = 300  # of one kind, at once
PAST: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `id` stays the same for as long as it is about the same thing; `is_day` has no
    hour. `title` says it whole, `name` what it is about."""

    id: str
    kind: str
    at: datetime
    title: str
    name: str
    url: str
    detail: str = ""
    owner: str = ""
    owner_id: UUID | None = None
    team_id: UUID | None = None
    is_day: bool = False
    has_passed: bool = False

    @property
    def icon(self) -> str:
        return ICONS[self.kind]


@dataclass(frozen=True, slots=True)
class Span:
    """For whom and of which time the entries are; `kind`, `team` ("none" for none) and `owner`
    leave some of them. What belongs to no team or nobody fits no such filter."""

    slug: str
    actor: Actor
    since: datetime
    until: datetime
    now: datetime
    kind: str = ""
    team: str = ""
    owner: str = ""

    def page(self, name: str, *ids: UUID) -> str:
        return reverse(name, args=[self.slug, *ids])


@dataclass(frozen=True, slots=True)
class Listed:
    """What is listed of one kind: its rows by their moments, and a row's entry."""

    rows: Any
    by: str
    entry: Callable[[Any], Entry]


@dataclass(frozen=True, slots=True)
class Entries:
    """What was found, in order of time; `is_cut` when there is more of some kind."""

    found: list[Entry]
    is_cut: bool


def entries(span: Span, *, most: int = MOST) -> Entries:
    """What this person may read in that span: the first so many of each kind."""
    found, is_cut = list(_changes(span)), False
    for listed in _listed(span):
        rows = list(listed.rows.order_by(listed.by, "id")[: most + 1])
        is_cut = is_cut or len(rows) > most
        found += map(listed.entry, rows[:most])
    ordered = sorted(found, key=lambda entry: (entry.at, entry.kind, entry.name, entry.id))
    return Entries(ordered, is_cut)


def count(span: Span) -> int:
    """How many of them there are, vendors' changes left out."""
    return sum(listed.rows.count() for listed in _listed(span))


def _listed(span: Span) -> list[Listed]:
    """Of every kind that fits the filters."""
    of_connections = {"expires": _expiring, "rotate": _rotating, "exception": _exceptions}
    of_nobodys_team = {"key": _keys, "campaign": _campaigns}
    made = of_connections if span.team else of_connections | of_nobodys_team
    return [make(span) for kind, make in made.items() if span.kind in ("", kind)]


def _fitting(span: Span, owner: str, team: str = "") -> Q:
    """The filters on the columns that name a row's owner and its team."""
    found = Q(**{owner: span.owner}) if span.owner else Q()
    if team and span.team:
        found &= Q(**({f"{team}__isnull": True} if span.team == "none" else {team: span.team}))
    return found


def readable(actor: Actor, prefix: str = "") -> Q:
    """The connections whose details this person reads; `actor` knows their teams."""
    if allows(actor, Permission.CONNECTION_MANAGE) or allows(actor, Permission.AUDIT_VIEW):
        return Q()
    mine = Q(**{f"{prefix}team_id__in": actor.teams_administered})
    if allows(actor, Permission.CONNECTION_LINK):
        mine |= Q(**{f"{prefix}granted_by_id": actor.id})
    return mine


def _credentials(span: Span) -> Any:
    found = policies.current().filter(
        readable(span.actor, "connection__"),
        _fitting(span, "connection__granted_by_id", "connection__team_id"),
    )
    return found.select_related("connection")


def _expiring(span: Span) -> Listed:
    found = _credentials(span).filter(
        refreshable=False, expires_at__gte=span.since, expires_at__lt=span.until
    )

    def entry(row: Any) -> Entry:
        verb = "expired" if row.expires_at <= span.now else "expires"
        return _of_credential(span, row, "expires", row.expires_at, f"{row.connection} {verb}")

    return Listed(found, "expires_at", entry)


def _rotating(span: Span) -> Listed:
    """Not what ends before: that is the day that counts."""
    found = policies.with_due(_credentials(span))
    found = found.filter(due_at__gte=span.since, due_at__lt=span.until)
    ends_before = Q(refreshable=False, expires_at__lte=F("due_at"))

    def entry(row: Any) -> Entry:
        title = f"Replace the credential of {row.connection}"
        return _of_credential(span, row, "rotate", row.due_at, title)

    return Listed(found.exclude(ends_before), "due_at", entry)


def _of_credential(span: Span, row: Any, kind: str, at: datetime, title: str) -> Entry:
    connection: Connection = row.connection
    return Entry(
        id=f"{kind}-{row.id}",
        kind=kind,
        at=at,
        title=title,
        name=connection.name,
        url=span.page("connection_credential", connection.id),
        detail=products.name_of(connection.connector)
        + (f" · •••• {row.last_four}" if row.last_four else ""),
        owner=connection.granted_by_name,
        owner_id=connection.granted_by_id,
        team_id=connection.team_id,
        has_passed=at <= span.now,
    )


def _keys(span: Span) -> Listed:
    since = max(span.since, span.now - PAST)
    found = ServiceKey.objects.filter(
        _fitting(span, "created_by_id"),
        revoked_at=None,
        expires_at__gte=since,
        expires_at__lt=span.until,
    )
    may_see = allows(span.actor, Permission.SERVICE_KEY_VIEW)
    return Listed(found if may_see else found.none(), "expires_at", partial(_of_key, span))


def _of_key(span: Span, key: Any) -> Entry:
    verb = "expired" if key.expires_at <= span.now else "expires"
    return Entry(
        id=f"key-{key.id}",
        kind="key",
        at=key.expires_at,
        title=f"The service key {key} {verb}",
        name=key.name,
        url=span.page("service_key", key.id),
        detail="Service key",
        owner=key.created_by_name,
        owner_id=key.created_by_id,
        has_passed=key.expires_at <= span.now,
    )


def _campaigns(span: Span) -> Listed:
    """Of open campaigns those in which this person sees something that is left."""
    items = CampaignItem.objects.filter(readable(span.actor, "connection__"), done_at=None)
    seen = items.filter(excluded_at=None, connection__isnull=False).values("campaign_id")
    found = Campaign.objects.filter(
        _fitting(span, "started_by_id"),
        id__in=seen,
        ended_at=None,
        cancelled_at=None,
        due_at__gte=span.since,
        due_at__lt=span.until,
    )
    return Listed(found, "due_at", partial(_of_campaign, span))


def _of_campaign(span: Span, row: Any) -> Entry:
    return Entry(
        id=f"campaign-{row.id}",
        kind="campaign",
        at=row.due_at,
        title=f"{row} is due",
        name=row.title,
        url=span.page("campaign", row.id),
        detail=moment(row.due_at, row.zone),
        owner=row.started_by_name,
        owner_id=row.started_by_id,
        has_passed=row.due_at <= span.now,
    )


def _exceptions(span: Span) -> Listed:
    found = RotationPolicy.objects.select_related("connection").filter(
        readable(span.actor, "connection__"),
        _fitting(span, "connection__granted_by_id", "connection__team_id"),
        connection__isnull=False,
        connection__name__isnull=False,
        excepted_until__gte=max(span.since, span.now),
        excepted_until__lt=span.until,
    )
    return Listed(found, "excepted_until", partial(_of_exception, span))


def _of_exception(span: Span, row: Any) -> Entry:
    return Entry(
        id=f"exception-{row.id}",
        kind="exception",
        at=row.excepted_until,
        title=f"The exception of {row.connection} ends",
        name=row.connection.name,
        url=span.page("connection_credential", row.connection_id),
        detail="The rotation policy holds again",
        owner=row.connection.granted_by_name,
        owner_id=row.connection.granted_by_id,
        team_id=row.connection.team_id,
    )


def _changes(span: Span) -> Iterator[Entry]:
    """Of the products that are linked here."""
    if span.team or span.owner or span.kind not in ("", "change"):
        return
    slugs = changes.linked()
    for slug, change in changes.every():
        at = datetime.combine(change.on, time(), UTC)
        if slug in slugs and span.since <= at < span.until:
            yield _of_change(span, slug, change, at)


def _of_change(span: Span, slug: str, change: VendorChange, at: datetime) -> Entry:
    hit = changes.hit(slug, change).filter(readable(span.actor)).count()
    return Entry(
        id=f"change-{slug}-{change.key}",
        kind="change",
        at=at,
        title=f"{products.name_of(slug)}: {change.title}",
        name=change.title,
        url=span.page("changes") + f"#{slug}-{change.key}",
        detail=f"{products.name_of(slug)} · hits {plural(hit, 'connection') if hit else 'none'}",
        is_day=True,
        has_passed=at <= span.now,
    )
