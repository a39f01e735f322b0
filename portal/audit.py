"""The record: what was done, by whom, to what, in the same transaction as the deed.

Rows are numbered and chained by SHA-256 within each organization. The chain's head is locked last
in a transaction, so that deeds do not queue behind each other for longer than the insert.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from django.utils import timezone

from portal import context_vars, tenancy
from portal.actions import Action as Action
from portal.models import AuditEvent, AuditHead
from portal.policy import Actor

GENESIS = bytes(32)
_CHAINED = (
    "sequence",
    "action",
    "actor_kind",
    "actor_id",
    "actor_name",
    "subject_kind",
    "subject_id",
    "subject_name",
    "details",
    "request_id",
    "address",
)


class Subject(Protocol):
    """Anything with an id; its name on record is its text."""

    @property
    def id(self) -> UUID: ...


def record(action: Action, *, actor: Actor, subject: Subject, **details: Any) -> None:
    """Put the deed on the acting organization's record when this transaction ends.

    `details` are JSON values without secrets; ids and times become text.
    """
    event = AuditEvent(
        organization_id=tenancy.organization_id(),
        at=timezone.now(),
        action=action.value,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name[:200],
        subject_kind=type(subject).__name__.lower(),
        subject_id=subject.id,
        subject_name=str(subject)[:200],
        details=json.loads(json.dumps(details, default=str)),
        request_id=context_vars.request_id.get(),
        address=context_vars.address.get(),
    )
    tenancy.at_end(lambda: _append(event))


def _append(event: AuditEvent) -> None:
    head = _head()
    event.sequence = head.sequence + 1
    event.previous_hash = bytes(head.hash)
    event.hash = chained(event)
    event.save(force_insert=True)
    head.sequence, head.hash = event.sequence, event.hash
    head.save(update_fields=["sequence", "hash"])


def _head() -> AuditHead:
    AuditHead.objects.bulk_create(
        [AuditHead(organization_id=tenancy.organization_id())], ignore_conflicts=True
    )
    found: AuditHead = AuditHead.objects.select_for_update().get()
    return found


def chained(event: AuditEvent) -> bytes:
    """SHA-256 over the previous hash and the row's canonical JSON; `verify` recomputes it."""
    text = json.dumps(row_of(event), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(bytes(event.previous_hash) + text.encode()).digest()


def row_of(event: AuditEvent) -> dict[str, Any]:
    """The row as it is hashed: what an export holds, so that its chain can be checked elsewhere."""
    row = {name: _plain(getattr(event, name)) for name in _CHAINED}
    row["organization"] = str(event.organization_id)
    row["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    return row


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID | datetime) else value


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row of a chain that does not fit, and why."""

    sequence: int
    reason: str


def verify(*, batch: int = 2000) -> tuple[int, Broken | None]:
    """Walk the acting organization's chain: (rows read, the first row that does not fit or None).

    Call it inside `tenancy.transaction()`.
    """
    previous, expected = GENESIS, 1
    events = AuditEvent.objects.order_by("sequence")
    for event in events.iterator(chunk_size=batch):
        if event.sequence != expected:
            return expected - 1, Broken(expected, "a row is missing or out of order")
        if bytes(event.previous_hash) != previous:
            return expected - 1, Broken(expected, "it does not follow the row before it")
        if chained(event) != bytes(event.hash):
            return expected - 1, Broken(expected, "its content was changed")
        previous, expected = bytes(event.hash), expected + 1
    head = AuditHead.objects.first()
    if head and (head.sequence != expected - 1 or bytes(head.hash) != previous):
        return expected - 1, Broken(expected, "rows at the end are missing")
    return expected - 1, None
