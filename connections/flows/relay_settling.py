"""What came of each request to a target: on its items, its repositories, its link, and the log.

An answer that concerns the whole target (it is silent, it asks for a pause, it refuses the
credential) makes the link wait and counts against nothing that travels. Where the target took
other things meanwhile, a request that fails is its events' own trouble: they go in smaller company,
at last alone, and end as dead letters.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Min

from connections.contracts import (
    Outcomes,
    Packing,
    Parcel,
    RelayEvent,
    Sent,
    Told,
)
from connections.errors import (
    RateLimited,
    Refused,
    Unavailable,
    UnexpectedResponse,
    VendorError,
)
from connections.flows import relay_backfill, relay_outbox, telling_relay
from connections.flows.relay_outbox import ALONE, FRESH, Settled, Taken
from connections.models import Link, RelayAttempt, RelayItem, RelayState
from portal import clock, roles, tenancy, work

LATELY: Final = timedelta(minutes=1)  # what took something then is not out of reach
LONG: Final = timedelta(minutes=5)  # out of reach so long, one of its events may be to blame
SOONEST, LATEST = 5.0, 900.0
LATER: Final = timedelta(minutes=15)  # where somebody has to act first
TRIES: Final = 10
MOST_KEPT: Final = 300  # items of an attempt that the log names
ACCEPTED: Final = "accepted"
PASSING: Final = (Unavailable.code, "answer_lost", UnexpectedResponse.code)

_COUNT: Final = """
WITH mine AS (
  SELECT r.id, j.* FROM json_to_recordset(%(rows)s::json)
      AS j(repository_id uuid, sent integer, failed integer, unknown integer, error text,
           detail text)
    JOIN connections_linkrepository r ON r.repository_id = j.repository_id
   WHERE r.organization_id = %(organization)s AND r.link_id = %(link)s
   ORDER BY r.id FOR UPDATE OF r)
UPDATE connections_linkrepository r
   SET sent = r.sent + m.sent, failed = r.failed + m.failed,
       unknown_subjects = r.unknown_subjects + m.unknown,
       last_sent_at = CASE WHEN m.sent > 0 THEN %(now)s ELSE r.last_sent_at END,
       last_error = CASE WHEN m.error <> '' THEN m.error ELSE r.last_error END,
       last_error_detail = CASE WHEN m.error <> '' THEN m.detail ELSE r.last_error_detail END,
       last_error_at = CASE WHEN m.error <> '' THEN %(now)s ELSE r.last_error_at END
  FROM mine m WHERE r.id = m.id
"""


# ── One portion ───────────────────────────────────────────────────────────────────────────────

Key = tuple[str, str, str]


def key_of(event: RelayEvent) -> Key:
    return event.repository.remote_id, str(event.kind), event.key


@dataclass(slots=True)
class Book:
    """The items of one portion, each settled as soon as its request has ended."""

    claim: work.Claim
    link: Link
    open: dict[Key, Taken] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        claim: work.Claim,
        link: Link,
        taken: Sequence[Taken],
        events: Sequence[RelayEvent],
    ) -> Book:
        pairs = zip(taken, events, strict=True)
        return cls(claim, link, {key_of(event): one for one, event in pairs})

    def idle(self, packing: Packing) -> None:
        """What is in no parcel names no subject, or is of a kind that does not travel."""
        carried = {key_of(event) for parcel in packing.parcels for event in parcel.events}
        left = [self.open.pop(key) for key in list(self.open) if key not in carried]
        if left:
            self._keep([Settled(one, RelayState.NOTHING) for one in left])

    def arrived(self, parcel: Parcel, sent: Sent, began: datetime) -> None:
        """The target's word on each event is on its item, and the request in the log."""
        told = [(self.open.pop(key_of(one.event), None), one) for one in sent.told]
        known = [(taken, one) for taken, one in told if taken is not None]
        attempt = self._attempt(parcel, began, answer=ACCEPTED, told=known)
        attempt.request, attempt.latency_ms = sent.request[:60], int(sent.latency_seconds * 1000)
        self._keep([_settled(taken, one) for taken, one in known], attempt=attempt, told=known)

    def failed(self, parcel: Parcel, error: VendorError, began: datetime) -> None:
        """Nothing of it arrived: it is due again, later each time where it is itself to blame."""
        keys = [key_of(event) for event in parcel.events]
        taken = [self.open.pop(key) for key in keys if key in self.open]
        blamed = self.is_to_blame(error)
        settled = [self._failed(one, error, blamed, len(parcel.events) == 1) for one in taken]
        attempt = self._attempt(parcel, began, answer=error.code, told=[])
        attempt.failed = len(taken)
        attempt.detail = error.detail[:200]
        attempt.request = (error.request or attempt.request)[:60]
        attempt.latency_ms = int((error.latency_seconds or 0) * 1000)
        attempt.items = [_line(one, error.code, error.detail) for one in taken][:MOST_KEPT]
        self._keep(settled, attempt=attempt)

    def is_to_blame(self, error: VendorError) -> bool:
        """Whether these events are why it failed, and not the target as a whole."""
        if isinstance(error, Refused):
            return True
        at = self.link.last_sent_at
        passing = isinstance(error, Unavailable | UnexpectedResponse)
        return passing and at is not None and at > clock.now() - LATELY

    def _failed(self, taken: Taken, error: VendorError, blamed: bool, alone: bool) -> Settled:
        facts: dict[str, Any] = {"error": error.code, "detail": error.detail}
        now, attempts = clock.now(), taken.attempts
        if not blamed:
            since = self.link.failing_since
            is_long = since is not None and since < now - LONG
            tried = attempts if is_long else min(attempts, FRESH.most)
            return Settled(taken, RelayState.WAITING, due_at=now, attempts=tried, **facts)
        if attempts >= TRIES or (alone and isinstance(error, Refused)):
            return Settled(taken, RelayState.DEAD, attempts=attempts, **facts)
        if isinstance(error, Refused):  # it is not taken in this company
            alone_at = max(attempts, ALONE.least)
            return Settled(taken, RelayState.WAITING, due_at=now, attempts=alone_at, **facts)
        due_at = now + timedelta(seconds=work.backoff_seconds(attempts))
        return Settled(taken, RelayState.WAITING, due_at=due_at, attempts=attempts, **facts)

    def put_back(self) -> None:
        """What was not tried is due as before."""
        left, self.open = list(self.open.values()), {}
        if left:
            with tenancy.transaction():
                relay_outbox.put_back(self.claim, left)

    def _attempt(
        self,
        parcel: Parcel,
        began: datetime,
        *,
        answer: str,
        told: Sequence[tuple[Taken, Told]],
    ) -> RelayAttempt:
        outcomes = Counter(one.outcome for _, one in told)
        unknown = {name for _, one in told for name in one.unknown}
        return RelayAttempt(
            organization_id=self.link.organization_id,
            link_id=self.link.id,
            at=began,
            request=f"{parcel.verb} {parcel.path}"[:60],
            answer=answer,
            events=dict(Counter(str(event.kind) for event in parcel.events)),
            accepted=outcomes[Outcomes.ACCEPTED] + outcomes[Outcomes.WITHDRAWN],
            failed=outcomes[Outcomes.REFUSED],
            unknown_subjects=[name[:255] for name in sorted(unknown)][:100],
            items=[_line(taken, one.outcome, one.detail) for taken, one in told][:MOST_KEPT],
        )

    def _keep(
        self,
        settled: Sequence[Settled],
        *,
        attempt: RelayAttempt | None = None,
        told: Sequence[tuple[Taken, Told]] = (),
    ) -> None:
        """One commit: link, repositories, items, the log. In that order, see `relay_outbox`."""
        with tenancy.transaction():
            self.claim.hold()
            if told:
                _well(self.link)
            _count(self.link, settled, told)
            relay_outbox.settle(self.claim, settled)
            relay_backfill.note(self.link)
            if attempt is not None:
                attempt.save(force_insert=True)
            self.claim.progressed()


def _line(taken: Taken, outcome: str, detail: str) -> list[str]:
    return [str(taken.id), taken.kind, taken.key, str(outcome), detail[:200]]


def _settled(taken: Taken, told: Told) -> Settled:
    """The item as the target's word leaves it."""
    if told.outcome is Outcomes.ACCEPTED:
        return Settled(taken, RelayState.SENT, is_sent=True, subjects=told.subjects)
    if told.outcome is Outcomes.WITHDRAWN:
        return Settled(taken, RelayState.NOTHING, is_sent=True)
    if told.outcome is Outcomes.UNKNOWN_SUBJECT:
        named = ", ".join(told.unknown[:10])
        return Settled(taken, RelayState.NOTHING, error=str(told.outcome), detail=named)
    return Settled(
        taken, RelayState.DEAD, error=str(told.outcome), detail=told.detail, attempts=taken.attempts
    )


def _well(link: Link) -> None:
    """The target takes things: what was held up for its sake goes on at once."""
    link.hold()
    now, was_failing = clock.now(), link.failing_since
    link.last_sent_at, link.failing_since = now, None
    link.waits_for, link.waits_until = "", None
    link.save(update_fields=["last_sent_at", "failing_since", "waits_for", "waits_until"])
    if was_failing is not None:
        rows = RelayItem.objects.filter(link_id=link.id, due_at__isnull=False, lease_until=None)
        rows.filter(attempts__gt=0, error__in=PASSING).update(attempts=0, due_at=now)
        telling_relay.recovered(link)


def _count(link: Link, settled: Sequence[Settled], told: Sequence[tuple[Taken, Told]]) -> None:
    """What came of each repository is counted on its row."""
    rows: dict[str, dict[str, Any]] = {}
    for one in settled:
        found = rows.setdefault(
            str(one.taken.repository_id),
            {"sent": 0, "failed": 0, "unknown": 0, "error": "", "detail": ""},
        )
        found["sent"] += one.is_sent
        found["failed"] += one.state == RelayState.DEAD
        found["unknown"] += one.error == Outcomes.UNKNOWN_SUBJECT
        if one.error and one.error != Outcomes.UNKNOWN_SUBJECT:
            found |= {"error": one.error[:40], "detail": one.detail[:200]}
    said = [{"repository_id": id_, **row} for id_, row in sorted(rows.items()) if any(row.values())]
    if not said:
        return
    facts: dict[str, Any] = {
        "rows": json.dumps(said),
        "organization": tenancy.organization_id(),
        "link": link.id,
        "now": clock.now(),
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_COUNT, facts)


# ── The whole target ──────────────────────────────────────────────────────────────────────────


def hindered(claim: work.Claim, link: Link, error: VendorError) -> None:
    """The link waits: for the vendor's hour, longer the longer it is silent, or for somebody."""
    with tenancy.transaction():
        claim.hold()
        link.hold()
        now = clock.now()
        link.last_error, link.last_error_detail = error.code, error.detail[:200]
        link.last_error_at = now
        if not isinstance(error, RateLimited):
            link.failing_since = link.failing_since or now
        link.waits_for, link.waits_until = error.code, now + _rest(link, error, now)
        link.save(
            update_fields=[
                *("last_error", "last_error_detail", "last_error_at"),
                *("failing_since", "waits_for", "waits_until"),
            ]
        )
        telling_relay.out_of_reach(link)


def _rest(link: Link, error: VendorError, now: datetime) -> timedelta:
    if isinstance(error, RateLimited):
        return timedelta(seconds=error.retry_after_seconds or 60.0)
    if not error.retry:
        return LATER
    elapsed = (now - (link.failing_since or now)).total_seconds()
    seconds = min(LATEST, max(SOONEST, elapsed / 3))
    return timedelta(seconds=seconds * random.uniform(0.8, 1.0))


def next_due(link: Link) -> datetime | None:
    """When this link has something to send; None when it has nothing."""
    rows = RelayItem.objects.filter(link_id=link.id, due_at__isnull=False)
    found: datetime | None = rows.aggregate(soonest=Min("due_at"))["soonest"]
    if found is None:
        return None
    return max(found, link.waits_until) if link.waits_until else found
