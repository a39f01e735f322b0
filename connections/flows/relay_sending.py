"""What is due to a target goes there: taken, packed, sent outside any transaction, settled.

One job for each target. A sitting is short, links take turns in it, and what people see at once
goes before what a back-fill brings; while one link's parcels are on their way (`relay_shipping.py`)
the next one's are made. A worker that dies leaves its items to the next one, which sends them with
the same sequence: a target takes each sequence once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from connections.access import way_of
from connections.contracts import RelayEvent, Relays, RunsCommands
from connections.errors import NotInstalled, VendorError
from connections.flows import (
    budget,
    relay_backfill,
    relay_commands,
    relay_hindrance,
    relay_kinds,
    relay_outbox,
    relay_records,
    relay_removal,
    relay_settling,
)
from connections.flows.relay_outbox import ALONE, FILL, FRESH, LIVE, TRIED, Portion, Taken
from connections.flows.relay_shipping import Shipping
from connections.flows.relay_sitting import Sitting
from connections.models import Connection, Link, LinkState
from portal import clock, tenancy, work
from portal.models import Job
from portal.steps import step

SOON: Final = timedelta(seconds=10)  # later ones are found by the sweep
MOST: Final = 2000  # things in hand at once, of all links together
PORTIONS: Final = (FRESH, TRIED, ALONE)


def perform(claim: work.Claim, *, connection_id: str) -> None:
    """What is due to this target was sent, as far as it takes it now."""
    try:
        sitting = _opened(claim, connection_id)
    except NotInstalled as error:
        relay_hindrance.all_rest(claim, UUID(connection_id), error)
        return
    if sitting is None:
        return
    _sit(sitting)
    with tenancy.transaction():
        claim.hold()
        Job.objects.filter(id=claim.id).update(dedupe=None)  # what comes now asks for its own
        _ask_again(UUID(connection_id))


def _opened(claim: work.Claim, connection_id: str) -> Sitting | None:
    with tenancy.transaction():
        claim.hold()
        rows = Connection.objects.select_related("consumer").filter(id=connection_id)
        target: Connection | None = rows.first()
        if target is None or not target.is_live:
            return None
        way = way_of(target)
    if not isinstance(way.connector, Relays):
        return None
    return Sitting(claim, target, way, budget.of(target))


def _sit(sitting: Sitting) -> None:
    """Links take turns until none has anything that may be sent."""
    while not sitting.is_over:
        with tenancy.transaction():
            links = relay_hindrance.unhindered(sitting.target.id)
        if not _round(sitting, links):
            return


def _round(sitting: Sitting, links: Sequence[Link]) -> bool:
    """One portion of each link is sent; whether there was anything to do."""
    left = MOST
    with Shipping(sitting) as shipping:
        for link in links:
            if sitting.is_over or left <= 0:
                break
            left -= _turn(sitting, link, shipping)
    return left < MOST


def _turn(sitting: Sitting, link: Link, shipping: Shipping) -> int:
    """One portion of one link is on its way; of how many things, none when nothing was to do."""
    sitting.claim.stay()
    try:
        sitting.ask_budget()
        if relay_removal.go_on(sitting.claim, sitting.reach, sitting.connector, link):
            return 1
        if link.state != LinkState.ACTIVE:
            return 0
        return _send(sitting, link, shipping) or _obey(sitting, link)
    except VendorError as error:
        relay_hindrance.hindered(sitting.claim, link, error)
        return 1


def _obey(sitting: Sitting, link: Link) -> bool:
    connector = sitting.way.connector
    if not isinstance(connector, RunsCommands):
        return False
    return relay_commands.go_on(sitting.claim, sitting.reach, connector, link)


# ── One portion ───────────────────────────────────────────────────────────────────────────────


def _send(sitting: Sitting, link: Link, shipping: Shipping) -> int:
    """What is due goes, the most urgent first; how much of it there was."""
    batch = relay_kinds.rules_of(link).batch
    for urgency in (LIVE, FILL) if relay_backfill.may_send(link) else (LIVE,):
        for portion in PORTIONS:
            taken, events = _take(sitting, link, urgency, portion, batch)
            if taken:
                step("relay.taken")
                _deliver(sitting, link, taken, events, shipping, fills=urgency == FILL)
                return len(taken)
    return 0


def _take(
    sitting: Sitting, link: Link, urgency: int, portion: Portion, size: int
) -> tuple[list[Taken], list[RelayEvent]]:
    """Items in hand, and the events that they are: of one moment, so read in one transaction."""
    with tenancy.transaction():
        sitting.claim.hold()
        taken = relay_outbox.take(link, sitting.claim, urgency=urgency, portion=portion, size=size)
        events = relay_records.events(link, taken) if taken else []
        _intend(sitting, link, taken, events)
        if isinstance(sitting.connector, RunsCommands):
            relay_commands.draw(link, sitting.connector, taken, events)
        return taken, events


def _intend(
    sitting: Sitting, link: Link, taken: Sequence[Taken], events: Sequence[RelayEvent]
) -> None:
    kinds, subjects = relay_kinds.travelling(link), sitting.connector.subjects
    pairs = zip(taken, events, strict=True)
    wanted = [(one, subjects(event)) for one, event in pairs if event.kind in kinds]
    relay_outbox.intend(sitting.claim, wanted)


def _deliver(
    sitting: Sitting,
    link: Link,
    taken: Sequence[Taken],
    events: Sequence[RelayEvent],
    shipping: Shipping,
    *,
    fills: bool,
) -> None:
    """Each event travels, or has nothing to; what could not be sent is due again."""
    book = relay_settling.Book.of(sitting.claim, link, taken, events)
    kinds = relay_kinds.travelling(link)
    packing = sitting.connector.pack(
        [event for event in events if event.kind in kinds],
        way=link.way,
        mark=str(link.id),
        options=relay_kinds.options_of(link),
        back_fill=fills,
    )
    book.idle(packing)
    shipping.take(link, book, packing.parcels)


# ── The end ───────────────────────────────────────────────────────────────────────────────────


def _ask_again(target_id: UUID) -> None:
    """One job waits for what is due next, however much comes until then."""
    soonest: datetime | None = None
    for link in Link.objects.filter(target_id=target_id, state=LinkState.ACTIVE):
        due = relay_hindrance.next_due(link)
        if due is not None:
            soonest = due if soonest is None else min(soonest, due)
    if relay_removal.is_wanted(target_id):
        again = clock.now() + relay_removal.LOOK_AGAIN
        soonest = again if soonest is None else min(soonest, again)
    if soonest is not None and soonest <= clock.now() + SOON:
        relay_outbox.ask(target_id, run_at=soonest)
