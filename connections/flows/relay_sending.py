"""What is due to a target goes there: taken, packed, sent outside any transaction, settled.

One job for each target. A sitting is short, links take turns in it, and what people see at once
goes before what a back-fill brings. A worker that dies leaves its items to the next one, which
sends them with the same sequence: a target takes each sequence once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from connections.access import Way, way_of
from connections.budgets import Purpose
from connections.contracts import (
    Parcel,
    Reach,
    RelayEvent,
    Relays,
    RunsCommands,
    Sent,
)
from connections.errors import NotInstalled, RateLimited, ReauthorizationRequired, VendorError
from connections.flows import (
    budget,
    counted,
    refresh,
    relay_backfill,
    relay_commands,
    relay_hindrance,
    relay_kinds,
    relay_outbox,
    relay_records,
    relay_removal,
    relay_settling,
)
from connections.flows.chains import workspace_record
from connections.flows.relay_outbox import ALONE, FILL, FRESH, LIVE, TRIED, Portion, Taken
from connections.models import Connection, Link, LinkState
from connections.vendor_api import VendorApi
from portal import clock, tenancy, work
from portal.models import Job
from portal.secret import Secret
from portal.steps import step

log = logging.getLogger(__name__)

SITTING: Final = 30.0  # seconds, then others have their turn
SOON: Final = timedelta(seconds=10)  # later ones are found by the sweep
SILENT: Final = 3  # requests in a row without an answer: it is not the events
PORTIONS: Final = (FRESH, TRIED, ALONE)


@dataclass(slots=True)
class Sitting:
    """One worker's turn at a target."""

    claim: work.Claim
    target: Connection
    way: Way
    silent: int = 0  # requests in a row that nothing came of
    began: float = field(default_factory=time.monotonic)
    _secret: Secret | None = field(default=None, repr=False)
    _api: VendorApi | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.began > SITTING or work.stopping.is_set()

    @property
    def connector(self) -> Relays:
        assert isinstance(self.way.connector, Relays)
        return self.way.connector

    def api(self) -> VendorApi:
        """As the connection's own credential; raises what `refresh.fresh` raises."""
        if self._api is None:
            self._secret = refresh.fresh(self.target)
            self._api = counted.api(self.way, self._secret, self.target, purpose=Purpose.TOLD)
        return self._api

    def ask_budget(self) -> None:
        """Raises BudgetSpent while the account rests: the vendor refused, or said that it will."""
        budget_id = budget.of(self.target)
        with tenancy.transaction():
            hour = budget.stand(budget_id)
        if hour is None:
            return
        until = hour.blocked_until if hour.is_blocked else None
        if until is None and hour.said_at is not None:
            until = hour.more_at(Purpose.TOLD) if hour.left == 0 else None
        if until is not None and until > hour.now:
            seconds = (until - hour.now).total_seconds()
            raise budget.BudgetSpent("The account rests.", retry_after_seconds=seconds)

    def renewed(self) -> bool:
        """The token was refused: whether there is another one by now."""
        refused, self._api = self._secret, None
        if refused is None:
            return False
        found = refresh.instead_of(refused, self.target)
        if found is None:
            return False
        self._secret = found
        self._api = counted.api(self.way, found, self.target, purpose=Purpose.TOLD)
        return True

    def reach(self, link: Link) -> Reach:
        return Reach(
            api=self.api(),
            destination=workspace_record(link.destination),
            fields=self.target.fields,
            method=self.way.method,
        )


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
        return Sitting(claim, target, way) if isinstance(way.connector, Relays) else None


def _sit(sitting: Sitting) -> None:
    """Links take turns until none has anything that may be sent."""
    while not sitting.is_over:
        with tenancy.transaction():
            links = relay_hindrance.unhindered(sitting.target.id)
        if not [link for link in links if not sitting.is_over and _turn(sitting, link)]:
            return


def _turn(sitting: Sitting, link: Link) -> bool:
    """One portion of one link; whether there was anything to do."""
    sitting.claim.stay()
    try:
        sitting.ask_budget()
        if relay_removal.go_on(sitting.claim, sitting.reach, sitting.connector, link):
            return True
        return link.state == LinkState.ACTIVE and (_send(sitting, link) or _obey(sitting, link))
    except VendorError as error:
        relay_hindrance.hindered(sitting.claim, link, error)
        return True


def _obey(sitting: Sitting, link: Link) -> bool:
    connector = sitting.way.connector
    if not isinstance(connector, RunsCommands):
        return False
    return relay_commands.go_on(sitting.claim, sitting.reach, connector, link)


# ── One portion ───────────────────────────────────────────────────────────────────────────────


def _send(sitting: Sitting, link: Link) -> bool:
    """What is due goes, the most urgent first; whether there was any."""
    batch = relay_kinds.rules_of(link).batch
    for urgency in (LIVE, FILL) if relay_backfill.may_send(link) else (LIVE,):
        for portion in PORTIONS:
            taken, events = _take(sitting, link, urgency, portion, batch)
            if taken:
                step("relay.taken")
                _deliver(sitting, link, taken, events, urgency == FILL)
                return True
    return False


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
    try:
        for parcel in packing.parcels:
            sitting.claim.stay()
            if link.state == LinkState.REMOVING:
                return
            if book.has(parcel):
                _ship(sitting, link, book, parcel)
    finally:
        book.put_back()


def _ship(sitting: Sitting, link: Link, book: relay_settling.Book, parcel: Parcel) -> None:
    """One parcel is there, or its events are to blame; raises what concerns the whole target."""
    began = clock.now()
    try:
        sent = _sent(sitting, link, parcel)
    except (RateLimited, ReauthorizationRequired) as error:
        book.failed(parcel, error, began)
        raise
    except VendorError as error:
        is_to_blame = book.is_to_blame(error)
        book.failed(parcel, error, began)
        sitting.silent += error.retry
        if not is_to_blame or sitting.silent >= SILENT:
            raise
        return
    step("relay.sent")
    sitting.silent = 0
    book.arrived(parcel, sent, began)
    step("relay.settled")


def _sent(sitting: Sitting, link: Link, parcel: Parcel) -> Sent:
    """A token that was renewed meanwhile is no reason to fail."""
    try:
        return sitting.connector.send(sitting.reach(link), parcel)
    except ReauthorizationRequired:
        if not sitting.renewed():
            raise
        return sitting.connector.send(sitting.reach(link), parcel)


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
