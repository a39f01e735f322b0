"""What changes when more is told than is asked for in time: the longer it waits, the coarser.

What a webhook names is one row however often it is named, so nothing has to be thrown away. After a
minute an object is fetched once a minute at most, and a list is read instead of each of its things
where that takes fewer requests. Operators are told of an inbox that is late (trust.md §6.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from connections.contracts import Level, Stream
from connections.flows import plan, told_kinds
from connections.flows.telling import Named
from connections.models import DirtyTarget, StreamStand, StreamState
from portal import clock, notices, tenancy

LAGS: Final = timedelta(seconds=60)
APART: Final = timedelta(seconds=2)  # one object is fetched once in so long
LAGGING_APART: Final = timedelta(seconds=60)
MOST_LISTS: Final = 50
CAUSE: Final = "inbox_late"

List = tuple[UUID, str]  # a repository and a stream


def apart(received: Iterable[datetime]) -> timedelta:
    """How long after one fetch the next of the same object follows, while these wait."""
    oldest = min(received, default=None)
    return LAGGING_APART if oldest is not None and clock.now() - oldest > LAGS else APART


def is_behind(connection_id: UUID) -> bool:
    """Whether something told of this connection has been due for a minute and nobody has it."""
    return bool(_due(connection_id).filter(due_at__lt=clock.now() - LAGS).exists())


def _due(connection_id: UUID) -> QuerySet[Any]:
    now = clock.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    rows: QuerySet[Any] = DirtyTarget.objects.filter(free, due_at__lte=now)
    return rows.filter(connection_id=connection_id)


def lists(connection_id: UUID, streams: Mapping[str, Stream]) -> list[List]:
    """The lists that take fewer requests than what is due of them one by one.

    A list counts only when it brings all it holds: one that is asked since when shows no approval
    that moved no date.
    """
    whole = [key for key, stream in streams.items() if _brings_all(stream)]
    many = _due(connection_id).filter(stream__in=whole).exclude(repository=None).exclude(key="")
    grouped = many.values_list("repository_id", "stream").annotate(count=Count("id"))
    found = grouped.filter(count__gt=1).order_by("-count")[:MOST_LISTS]
    waiting = {(repository_id, stream): count for repository_id, stream, count in found}
    states = StreamState.objects.filter(
        repository_id__in={repository_id for repository_id, _ in waiting},
        stand__in=(StreamStand.CURRENT, StreamStand.PARTIAL),
    )
    pages = states.values_list("repository_id", "stream", "pages")
    return [(id_, key) for id_, key, asked in pages if 0 < asked < waiting.get((id_, key), 0)]


def _brings_all(stream: Stream) -> bool:
    is_own = stream.level is Level.REPOSITORY and stream.key != plan.COMMITS
    return is_own and not stream.incremental and not stream.by_commit


def tell_operators(late: int) -> None:
    """They know that inboxes are late, and when none is any more. Twice does no harm."""
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        if late:
            notices.tell(
                told_kinds.INBOX_LATE,
                subject=Named(tenancy.PLATFORM, "Webhooks"),
                audience=notices.operators(),
                dedupe=CAUSE,
                url=reverse("platform_webhooks"),
            )
        else:
            notices.recovered(CAUSE, kind=told_kinds.INBOX_WELL)
