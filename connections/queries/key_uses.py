"""Who uses a connection: the services that leased its token lately, and the portal's own syncs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Count, Exists, IntegerField, Max, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils import timezone

from connections.models import (
    Connection,
    KeyUse,
    Lease,
    LeaseOutcome,
    Link,
    LinkState,
    ServiceKey,
    SyncRun,
)
from connections.queries.leases import names
from portal import cursor as cursors
from portal.phrases import plural

RECENT: Final = timedelta(days=30)
TOUCHED_AT_ONCE: Final = 20  # the leases of the key follow on the same page
COUNT_UP_TO: Final = 1000  # tokens of one connection by one key
GOT: Final = {"": "All it asked for", "token": "Got a token"}


@dataclass(frozen=True, slots=True)
class Using:
    """A service that leased a connection's token lately."""

    key_id: UUID
    name: str
    last_at: datetime
    count: str


@dataclass(frozen=True, slots=True)
class Blast:
    """Who would notice if this connection stopped now."""

    services: list[Using]
    last_sync_at: datetime | None
    links: list[str]  # with other connections, by name


def used_by(connection_id: UUID, within: timedelta = RECENT) -> list[Using]:
    """The services that asked for its token lately, the last one first."""
    since = timezone.now() - within
    uses = KeyUse.objects.filter(connection_id=connection_id, last_at__gte=since)
    found = uses.select_related("service_key").annotate(tokens=_tokens(since))
    return [
        Using(use.service_key_id, use.service_key.name, use.last_at, told(use))
        for use in found.order_by("-last_at")
    ]


def is_used(connection_id: UUID) -> bool:
    """Whether a service would notice."""
    since = timezone.now() - RECENT
    return KeyUse.objects.filter(connection_id=connection_id, last_at__gte=since).exists()


def blast_of(connection: Connection) -> Blast:
    """What a pause or a revocation takes from others."""
    synced = SyncRun.objects.filter(connection_id=connection.id, finished_at__isnull=False)
    last = synced.order_by("-finished_at").values_list("finished_at", flat=True).first()
    ends = Q(source_id=connection.id) | Q(target_id=connection.id)
    links = Link.objects.filter(ends).exclude(state__in=(LinkState.DRAFT, LinkState.REMOVED))
    joined = list(links.order_by("label").values_list("label", flat=True))
    return Blast(used_by(connection.id), last, joined)


# ── What one key touched ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Touched:
    """A connection that a key asked for, with how many tokens of it were handed out."""

    id: UUID
    name: str
    last_at: datetime
    count: str


@dataclass(frozen=True, slots=True)
class TouchedPage:
    """A page of the connections that a key asked for since a moment; `of_all` counts them all.

    `got` is the filter, one of GOT.
    """

    rows: list[Touched]
    previous: str
    next: str
    since: datetime
    of_all: int
    last_at: datetime | None
    got: str


def touched_by(request: HttpRequest, key: ServiceKey, within: timedelta = RECENT) -> TouchedPage:
    """The connections that the key asked for lately, the last one first, by the address's filter.

    Raises BadRequest for a filter that there is not.
    """
    got, since = request.GET.get("got", ""), timezone.now() - within
    if got not in GOT:
        raise BadRequest("There is no such filter.")
    uses = KeyUse.objects.filter(service_key_id=key.id, last_at__gte=since)
    whole = uses.aggregate(number=Count("id"), last_at=Max("last_at"))
    shown = uses.filter(Exists(_granted(since))) if got else uses
    shown = shown.annotate(tokens=_tokens(since))
    where = request.GET.get("uses", "")
    page = cursors.page(shown, by=("-last_at", "id"), cursor=where, size=TOUCHED_AT_ONCE)
    named = names(Connection, {use.connection_id for use in page.rows})
    return TouchedPage(
        rows=[
            Touched(use.connection_id, named.get(use.connection_id, ""), use.last_at, told(use))
            for use in page.rows
        ],
        previous=cursors.link(request, page.previous, "uses", "used"),
        next=cursors.link(request, page.next, "uses", "used"),
        since=since,
        of_all=whole["number"],
        last_at=whole["last_at"],
        got=got,
    )


def told(use: Any) -> str:
    """How many tokens, in words."""
    if use.tokens > COUNT_UP_TO:
        return f"More than {COUNT_UP_TO:,} tokens"
    return plural(use.tokens, "token")


def _granted(since: datetime) -> QuerySet[Lease]:
    """The tokens handed out by the key and of the connection of a use, since then."""
    found: QuerySet[Lease] = Lease.objects.filter(
        ~Exists(Lease.objects.filter(takes_back=OuterRef("id"))),
        connection_id=OuterRef("connection_id"),
        service_key_id=OuterRef("service_key_id"),
        outcome=LeaseOutcome.GRANTED,
        at__gte=since,
    )
    return found


def _tokens(since: datetime) -> RawSQL:
    """A column of uses: how many tokens were handed out since then, counted a little too far."""
    return RawSQL(
        "SELECT count(*) FROM (SELECT FROM connections_lease AS l"
        " WHERE l.organization_id = connections_keyuse.organization_id"
        " AND l.connection_id = connections_keyuse.connection_id"
        " AND l.service_key_id = connections_keyuse.service_key_id"
        " AND l.outcome = %s AND l.at >= %s AND NOT EXISTS (SELECT FROM connections_lease AS b"
        " WHERE b.organization_id = l.organization_id AND b.takes_back = l.id)"
        " LIMIT %s) AS counted",
        [LeaseOutcome.GRANTED.value, since, COUNT_UP_TO + 1],
        output_field=IntegerField(),
    )
