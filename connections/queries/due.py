"""What ends or comes due, with its moment: for the calendar's page and for feeds of it.

Somebody sees what they may read the details of: managers and auditors everything, others what they
administer or granted themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Q
from django.urls import reverse

from connections.contracts import VendorChange
from connections.flows import policies
from connections.flows.telling_campaigns import moment
from connections.models import Campaign, CampaignItem, Connection, RotationPolicy, ServiceKey
from connections.queries import changes, products
from portal import clock
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


def entries(*, slug: str, actor: Actor, since: datetime, until: datetime) -> list[Entry]:
    """Everything that this person may read in that span, in order of time."""
    span = Span(slug, actor, since, until, clock.now())
    found = [*_expiring(span), *_rotating(span), *_keys(span), *_campaigns(span)]
    found += [*_exceptions(span), *_changes(span)]
    return sorted(found, key=lambda entry: (entry.at, entry.kind, entry.name, entry.id))


@dataclass(frozen=True, slots=True)
class Span:
    """For whom and of which time the entries are."""

    slug: str
    actor: Actor
    since: datetime
    until: datetime
    now: datetime

    def page(self, name: str, *ids: UUID) -> str:
        return reverse(name, args=[self.slug, *ids])


def readable(actor: Actor, prefix: str = "") -> Q:
    """The connections whose details this person reads; `actor` knows their teams."""
    if allows(actor, Permission.CONNECTION_MANAGE) or allows(actor, Permission.AUDIT_VIEW):
        return Q()
    mine = Q(**{f"{prefix}team_id__in": actor.teams_administered})
    if allows(actor, Permission.CONNECTION_LINK):
        mine |= Q(**{f"{prefix}granted_by_id": actor.id})
    return mine


def _credentials(span: Span) -> Any:
    found = policies.current().filter(readable(span.actor, "connection__"))
    return found.select_related("connection")


def _expiring(span: Span) -> Iterator[Entry]:
    found = _credentials(span).filter(
        refreshable=False, expires_at__gte=span.since, expires_at__lt=span.until
    )
    for row in found.order_by("expires_at")[:MOST]:
        verb = "expired" if row.expires_at <= span.now else "expires"
        yield _of_credential(span, row, "expires", row.expires_at, f"{row.connection} {verb}")


def _rotating(span: Span) -> Iterator[Entry]:
    """Not what ends before: that is the day that counts."""
    found = policies.with_due(_credentials(span))
    found = found.filter(due_at__gte=span.since, due_at__lt=span.until)
    ends_before = Q(refreshable=False, expires_at__lte=F("due_at"))
    for row in found.exclude(ends_before).order_by("due_at")[:MOST]:
        title = f"Replace the credential of {row.connection}"
        yield _of_credential(span, row, "rotate", row.due_at, title)


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


def _keys(span: Span) -> Iterator[Entry]:
    if not allows(span.actor, Permission.SERVICE_KEY_VIEW):
        return
    since = max(span.since, span.now - PAST)
    found = ServiceKey.objects.filter(
        revoked_at=None, expires_at__gte=since, expires_at__lt=span.until
    )
    for key in found.order_by("expires_at")[:MOST]:
        assert key.expires_at is not None
        verb = "expired" if key.expires_at <= span.now else "expires"
        yield Entry(
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


def _campaigns(span: Span) -> Iterator[Entry]:
    """Of open campaigns those in which this person sees something that is left."""
    items = CampaignItem.objects.filter(readable(span.actor, "connection__"), done_at=None)
    seen = items.filter(excluded_at=None, connection__isnull=False).values("campaign_id")
    found = Campaign.objects.filter(
        id__in=seen, ended_at=None, cancelled_at=None, due_at__lt=span.until
    )
    for row in found.filter(due_at__gte=span.since).order_by("due_at")[:MOST]:
        yield Entry(
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


def _exceptions(span: Span) -> Iterator[Entry]:
    since = max(span.since, span.now)
    found = RotationPolicy.objects.select_related("connection").filter(
        readable(span.actor, "connection__"),
        connection__isnull=False,
        connection__name__isnull=False,
        excepted_until__gte=since,
        excepted_until__lt=span.until,
    )
    for row in found.order_by("excepted_until")[:MOST]:
        assert row.connection is not None and row.excepted_until is not None
        yield Entry(
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
