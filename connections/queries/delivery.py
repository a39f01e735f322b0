"""One delivery as a person may see it: what it says, each attempt, and what was fetched for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from connections import redaction
from connections.explain import explain
from connections.flows import fetching
from connections.flows.inbox_upkeep import BODY
from connections.models import Connection, Delivery, DeliveryState, DirtyTarget, InboxDeed
from connections.queries import trail_words
from connections.queries.deliveries import BECAUSE, WORDS, names_of, reason_of, titles_of
from connections.queries.runs import stream_titles
from portal import clock

WAITING, TOGETHER = "waiting", "together"
WAITS: Final = "Waits to be fetched"
# What `told.py` answers, and what the rows say; anything else is the code of an error.
CAME: Final = {
    WAITING: (WAITS, "plain"),
    TOGETHER: ("Fetched together with later ones", "plain"),
    "changed": ("Fetched, and it had changed", "good"),
    "nothing_new": ("Fetched, and it was as we had it", "good"),
    "gone": ("It is gone at the vendor", "plain"),
    "absent": ("It is not there", "plain"),
    "left_to_sync": ("Left to a sync, which reads the whole list", "plain"),
    fetching.UNKNOWN: ("Nobody chose to sync this", "plain"),
}
YOUNG: Final = timedelta(hours=1)  # for so long a page looks again by itself
MOST_TOUCHED: Final = 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at applying it."""

    number: int
    at: datetime | None
    word: str
    icon: str
    tone: str
    why: str


@dataclass(frozen=True, slots=True)
class Touched:
    """A thing that it named, and what came of fetching it."""

    title: str
    key: str
    word: str
    tone: str
    why: str
    trail: str = ""  # what finds its trail


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """What its page shows. `body` is None when its days are over."""

    delivery: Delivery
    title: str
    says: str
    repository: str
    word: str
    icon: str
    tone: str
    because: str
    headers: list[tuple[str, str]]
    body: redaction.Shown | None
    body_until: datetime
    attempts: list[Attempt]
    touched: list[Touched]
    decided: InboxDeed | None

    @property
    def is_open(self) -> bool:
        """Whether something is still to come of it."""
        is_young = clock.now() - self.delivery.received_at < YOUNG
        waits = is_young and any(each.word == WAITS for each in self.touched)
        return self.delivery.state == DeliveryState.NEW or waits

    @property
    def may_replay(self) -> bool:
        return self.delivery.state != DeliveryState.NEW and self.body is not None


def delivery_page(connection: Connection, delivery: Delivery, product: str) -> DeliveryPage:
    """Everything that is known of this delivery, with what is secret hidden."""
    effect: dict[str, Any] = delivery.effect
    icon, tone = WORDS[delivery.state]
    repository = delivery.repository_id
    because = reason_of(delivery.error) or BECAUSE.get(str(effect.get("because", "")), "")
    return DeliveryPage(
        delivery=delivery,
        title=titles_of(connection.connector).get(delivery.event_key, ""),
        says=str(effect.get("says", "")),
        repository=names_of({repository}).get(repository, "") if repository else "",
        word=DeliveryState(delivery.state).label,
        icon=icon,
        tone=tone,
        because=because,
        headers=redaction.headers(delivery.headers),
        body=None if delivery.body is None else redaction.body(bytes(delivery.body)),
        body_until=delivery.received_at + BODY,
        attempts=_attempts(delivery),
        touched=_touched(connection, delivery, product),
        decided=InboxDeed.objects.filter(id=delivery.deed_id).first() if delivery.deed_id else None,
    )


def _attempts(delivery: Delivery) -> list[Attempt]:
    """Those with a note of their own, and the first if it went well without one."""
    found = [_attempt(i + 1, one) for i, one in enumerate(delivery.tries)]
    if not found and delivery.applied_at and delivery.state != DeliveryState.NEW:
        icon, tone = WORDS[delivery.state]
        word = DeliveryState(delivery.state).label
        found = [Attempt(1, delivery.applied_at, word, icon, tone, reason_of(delivery.error))]
    return found


def _attempt(number: int, one: dict[str, Any]) -> Attempt:
    state = str(one.get("state", ""))
    again = state == DeliveryState.NEW
    icon, tone = ("refresh", "warning") if again else WORDS.get(state, ("circle-x", "danger"))
    word = "Failed, tried again" if again else dict(DeliveryState.choices).get(state, state)
    detail = str(one.get("detail", ""))
    why = ": ".join(filter(None, (reason_of(str(one.get("error", ""))), detail)))
    return Attempt(number, parse_datetime(str(one.get("at", ""))), str(word), icon, tone, why)


# ── What was fetched ──────────────────────────────────────────────────────────────────────────


def _touched(connection: Connection, delivery: Delivery, product: str) -> list[Touched]:
    """What it named, with what the fetch after it found."""
    held = delivery.repository_id
    repository = names_of({held}).get(held, "") if held else ""
    named = [(str(one[0]), str(one[1])) for one in delivery.effect.get("touches", ())]
    titles, came = stream_titles(connection.connector), _came(delivery, named[:MOST_TOUCHED])
    found = []
    for (stream, key), said in came.items():
        one = _touch(titles.get(stream, stream), key, said, product)
        found.append(replace(one, trail=trail_words.asked_for(stream, key, repository)))
    return found


def _came(delivery: Delivery, named: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The word of each thing; only the last deliveries that named one are told what came."""
    told = delivery.effect.get("came", {})
    found = {one: str(told.get(" ".join(one).strip(), "")) for one in named}
    untold = [one for one, word in found.items() if not word]
    return found | (_untold(delivery, untold) if untold else {})


def _untold(delivery: Delivery, named: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What was fetched since says so itself, and what is forgotten was fetched long ago."""
    rows = DirtyTarget.objects.filter(
        Q(repository_id=delivery.repository_id) | Q(repository=None),
        connection_id=delivery.connection_id,
        stream__in={stream for stream, _ in named},
        key__in={key for _, key in named},
    )
    found = dict.fromkeys(named, TOGETHER)
    for row in rows:
        if (row.stream, row.key) in found and found[row.stream, row.key] != WAITING:
            found[row.stream, row.key] = _word_of(row, delivery)
    return found


def _word_of(row: DirtyTarget, delivery: Delivery) -> str:
    is_older = row.fetched_at is None or row.fetched_at <= (delivery.applied_at or clock.now())
    if row.due_at is not None and (is_older or delivery.id in row.told_by):
        return WAITING
    return str(row.error) or TOGETHER


def _touch(title: str, key: str, came: str, product: str) -> Touched:
    shown = key.partition(":")[2] if ":" in key else key
    if came in CAME:
        return Touched(title, shown, *CAME[came], "")
    why = explain(came, product=product).title
    return Touched(title, shown, "Could not be fetched", "danger", why)
