"""Who uses a connection: the services that leased its token lately, and the portal's own syncs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from connections.models import Connection, KeyUse, Lease, LeaseOutcome, SyncRun
from portal.phrases import plural

RECENT: Final = timedelta(days=30)
COUNT_UP_TO: Final = 2000


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


def used_by(connection_id: UUID, within: timedelta = RECENT) -> list[Using]:
    """The services that asked for its token lately, the last one first."""
    since = timezone.now() - within
    uses = KeyUse.objects.filter(connection_id=connection_id, last_at__gte=since)
    found = uses.order_by("-last_at").values_list("service_key_id", "service_key__name", "last_at")
    counts = counted(Lease.objects.filter(connection_id=connection_id), "service_key_id", within)
    return [Using(key, name, last_at, counts.told(key)) for key, name, last_at in found]


def is_used(connection_id: UUID) -> bool:
    """Whether a service would notice."""
    since = timezone.now() - RECENT
    return KeyUse.objects.filter(connection_id=connection_id, last_at__gte=since).exists()


def blast_of(connection: Connection) -> Blast:
    """What a pause or a revocation takes from others."""
    synced = SyncRun.objects.filter(connection_id=connection.id, finished_at__isnull=False)
    last = synced.order_by("-finished_at").values_list("finished_at", flat=True).first()
    return Blast(used_by(connection.id), last)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tokens each got, of the latest so many; more are not counted."""

    of: Counter[UUID]
    is_cut: bool

    def told(self, who: UUID) -> str:
        """The count in words."""
        words = plural(self.of[who], "token")
        return f"{words} of the last {COUNT_UP_TO:,}" if self.is_cut else words


def counted(leases: QuerySet[Lease], by: str, within: timedelta) -> Counts:
    """How many tokens each of those that `by` names got of these leases."""
    granted = leases.filter(outcome=LeaseOutcome.GRANTED, at__gte=timezone.now() - within)
    found: Sequence[UUID] = list(
        granted.order_by("-at").values_list(by, flat=True)[: COUNT_UP_TO + 1]
    )
    return Counts(Counter(found[:COUNT_UP_TO]), len(found) > COUNT_UP_TO)
