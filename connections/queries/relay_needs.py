"""What links between connections ask a person to do: each link's own line in "Needs you".

A link that only waits for one of its connections has none: that connection has a line already.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, Min, OuterRef, Q
from django.urls import reverse

from connections.explain import CURES_ITSELF
from connections.flows.relay_backfill import UNDER_WAY
from connections.models import Link, LinkState, RelayAttempt, RelayItem, RelayState
from connections.queries import health, products
from connections.queries.needs import MOST, SILENCE, Need
from connections.queries.relay_log import TAKEN
from connections.queries.relay_page import rights_now_of
from connections.queries.relay_state import UNABLE, Outbox, stand_of
from connections.queries.relays import name_of, outboxes, seen
from portal import clock
from portal.phrases import plural
from portal.policy import Actor, present

STILL: Final = timedelta(hours=1)  # a back-fill of which nothing went for so long
LATELY: Final = timedelta(days=1)


def of_links(slug: str, actor: Actor) -> list[Need]:
    """The worst first: what stands still, what failed for good, what is shown nowhere."""
    active = seen().filter(state=LinkState.ACTIVE)
    dead = _dead(active)
    blind = {each.id for each in _shown_nowhere(active)[:MOST]}
    wanted = Q(id__in=[*dead, *blind]) | ~Q(failing_since=None) | _stopped()
    links = list(active.filter(wanted).order_by("failing_since", "last_error_at", "id")[: MOST * 3])
    if not links:
        return []
    boxes, now = outboxes(each.id for each in links), present(actor)
    lines = (_Line(each, boxes.get(each.id, Outbox()), slug, now) for each in links)
    found = [need for line in lines if (need := line.need(dead.get(line.link.id), blind))]
    return sorted(found, key=lambda need: need.state != "broken")


def _dead(active: Any) -> dict[UUID, datetime]:
    """Since when something waits for a decision, by link."""
    rows = RelayItem.objects.filter(state=RelayState.DEAD, link__in=active.order_by().values("id"))
    return dict(rows.order_by().values_list("link_id").annotate(since=Min("changed_at")))


def _shown_nowhere(active: Any) -> Any:
    """Links of which the target took something within a day, and had nothing to show it at."""
    lately = RelayAttempt.objects.filter(
        link_id=OuterRef("id"), at__gte=clock.now() - LATELY, answer=TAKEN
    )
    return active.filter(
        Exists(lately.exclude(unknown_subjects=[])), ~Exists(lately.filter(accepted__gt=0))
    )


def _stopped() -> Q:
    """A back-fill that is under way, and of which nothing went for an hour."""
    before = clock.now() - STILL
    silent = Q(last_sent_at=None) | Q(last_sent_at__lt=before)
    return Q(backfill_stand__in=UNDER_WAY, backfill_began_at__lt=before) & silent


@dataclass(frozen=True, slots=True)
class _Line:
    """One link, and what it has to say to this person."""

    link: Link
    outbox: Outbox
    slug: str
    actor: Actor

    def need(self, dead_since: datetime | None, blind: Collection[UUID]) -> Need | None:
        link = self.link
        if any(health.word_of(end) in UNABLE for end in (link.source, link.target)):
            return None
        if link.failing_since and self._is_long():
            return self._nothing_arrives(link.failing_since)
        if dead_since:
            return self._failed(dead_since)
        if link.id in blind:
            return self._shown_nowhere()
        return None if link.failing_since else self._unfinished()

    def _is_long(self) -> bool:
        """What cures itself is told after some hours, as of connections."""
        before = clock.now() - SILENCE
        cures_itself = self.link.last_error in CURES_ITSELF
        return not cures_itself or bool(
            self.link.failing_since and self.link.failing_since < before
        )

    def _nothing_arrives(self, since: datetime) -> Need:
        stand = stand_of(self.link, self.outbox)
        end = stand.connection
        return self._said(
            f"Nothing arrives: {stand.trouble}",
            stand.remedy,
            since,
            state=stand.state,
            button="Look at the connection" if end else "Look",
            at=reverse("connection", args=[self.slug, end.id]) if end else "",
        )

    def _failed(self, since: datetime) -> Need:
        rights = rights_now_of(self.actor, self.link)
        return self._said(
            f"{plural(self.outbox.dead, 'event')} failed for good",
            f"Send again what {self._product} did not take, or discard it.",
            since,
            button="Decide" if rights.run else "Look",
            at=f"{self._page('relay_outbox')}?part=dead" if rights.details else "",
        )

    def _shown_nowhere(self) -> Need:
        rights = rights_now_of(self.actor, self.link)
        return self._said(
            f"{self._product} shows nothing of what was sent within a day",
            f"It knows none of the names. Look whether {self.link.destination.name} is the right "
            "place, and whether the connection may see what is there.",
            self.link.last_sent_at,
            button="See what was named" if rights.details else "Look",
            at=self._page("relay_log") if rights.details else "",
        )

    def _unfinished(self) -> Need:
        link = self.link
        return self._said(
            f"A back-fill stands still at {link.backfill_done:,} of {link.backfill_total:,}",
            "Nothing of it was sent for an hour. Stop it, and begin another one.",
            link.last_sent_at or link.backfill_began_at,
            button="Look",
        )

    def _said(
        self,
        title: str,
        why: str,
        since: datetime | None,
        *,
        button: str,
        at: str = "",
        state: str = "attention",
    ) -> Need:
        return Need(
            state=state,
            name=name_of(self.link),
            url=self._page("relay"),
            title=title,
            why=why,
            since=since,
            button=button,
            button_url=at or self._page("relay"),
        )

    @property
    def _product(self) -> str:
        return products.name_of(self.link.target.connector)

    def _page(self, name: str) -> str:
        return reverse(name, args=[self.slug, self.link.id])
