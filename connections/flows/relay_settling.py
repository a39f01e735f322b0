"""What came of each request to a target: on its items, its repositories, its link, and the log.

An answer that concerns the whole target (it is silent, it asks for a pause, it refuses the
credential) makes the link wait and counts against nothing that travels. Where the target took
other things meanwhile, a request that fails is its events' own trouble: they go in smaller company,
at last alone, and end as dead letters.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from connections.contracts import (
    Outcomes,
    Packing,
    Parcel,
    RelayEvent,
    Sent,
    Told,
)
from connections.errors import (
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
    held_at: float = field(default_factory=time.monotonic)

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

    def has(self, parcel: Parcel) -> bool:
        """Whether some of it is still to be sent by this worker; leases that wear on are extended.

        What another worker has taken meanwhile is its own: this one knows an older state.
        """
        if time.monotonic() - self.held_at > settings.LEASE_SECONDS / 3:
            with tenancy.transaction():
                self.claim.hold()
                mine = relay_outbox.extend(self.claim, self.open.values())
            self.open = {key: one for key, one in self.open.items() if one.id in mine}
            self.held_at = time.monotonic()
        return any(key_of(event) in self.open for event in parcel.events)

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
        on = told.subjects
        return Settled(taken, RelayState.SENT, is_sent=True, is_known=True, subjects=on)
    if told.outcome is Outcomes.WITHDRAWN:
        return Settled(taken, RelayState.NOTHING, is_sent=True, is_known=True)
    if told.outcome is Outcomes.UNKNOWN_SUBJECT:
        named = ", ".join(told.unknown[:10])
        error = str(told.outcome)
        return Settled(taken, RelayState.NOTHING, is_known=True, error=error, detail=named)
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
