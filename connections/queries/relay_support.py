"""What support sees of a link: how it is, what waits, and its last requests; nothing of what they
said. Read through the support login role, which may select these columns and change nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.http import Http404

from connections.models import Link, LinkRepository, RelayAttempt, RelayItem, RelayState
from connections.queries import products
from connections.queries.relay_log import TAKEN, events_in_words, outcome
from connections.queries.relay_state import reason
from connections.queries.relays import RelayRow, rows_of, seen
from portal import phrases

LATEST: Final = 20
ATTEMPT: Final = (*("id", "at", "request", "latency_ms", "answer", "events", "accepted", "failed"),)


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the target, without a word of what was in it."""

    at: datetime
    what: str
    request: str
    latency: str
    accepted: int
    failed: int
    word: str
    icon: str
    tone: str
    because: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Why events failed for good, and how many."""

    title: str
    who_acts: str
    count: int


@dataclass(frozen=True, slots=True)
class SupportLink:
    link: Link
    row: RelayRow
    enabled: int
    troubled: int
    causes: list[Cause]
    requests: list[Request]


def support_link(relay_id: UUID, *, slug: str) -> SupportLink:
    """Raises Http404 for a link that is not this organization's."""
    link = seen().filter(id=relay_id).first()
    if link is None:
        raise Http404
    [row] = rows_of([link], slug=slug, page="support_relay")
    parts = LinkRepository.objects.filter(link_id=link.id, enabled=True)
    product = products.name_of(link.target.connector)
    latest = RelayAttempt.objects.filter(link_id=link.id).only(*ATTEMPT).order_by("-at", "id")
    return SupportLink(
        link=link,
        row=row,
        enabled=row.enabled,
        troubled=parts.exclude(last_error="").count(),
        causes=_causes(link, product),
        requests=[_request(each, product) for each in latest[:LATEST]],
    )


def _causes(link: Link, product: str) -> list[Cause]:
    dead = RelayItem.objects.filter(link_id=link.id, state=RelayState.DEAD)
    found = Counter(dead.values_list("error", flat=True)[:10_000])
    said = [(reason(code, product=product), count) for code, count in found.most_common(10)]
    return [Cause(each.title, each.who_acts, count) for each, count in said]


def _request(each: RelayAttempt, product: str) -> Request:
    word, icon, tone = outcome(each)
    return Request(
        at=each.at,
        what=events_in_words(each.events),
        request=each.request,
        latency=phrases.span(each.latency_ms / 1000),
        accepted=each.accepted,
        failed=each.failed,
        word=word,
        icon=icon,
        tone=tone,
        because="" if each.answer == TAKEN else reason(each.answer, product=product).title,
    )
