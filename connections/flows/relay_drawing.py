"""A back-fill is drawn from the rows: what names a subject is put down, portion by portion.

Each portion is a transaction with the place where it goes on; sending begins when all is drawn, so
that every request is full.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from connections import registry
from connections.contracts import Relays
from connections.flows import relay_kinds, relay_outbox, relay_records
from connections.flows.relay_backfill import LISTS, repositories, rows_since, save
from connections.flows.relay_outbox import FILL
from connections.models import BackfillStand, Link, RelayItem, RelayState
from portal import clock, roles, tenancy, work
from portal.steps import step

PORTION: Final = 500
_PUT_DOWN: Final = """
INSERT INTO connections_relayitem AS held (id, organization_id, link_id, connection_id,
       repository_id, kind, key, sequence, state, cause, changed_at, due_at, urgency, attempts,
       error, error_detail, subjects)
SELECT gen_random_uuid(), %(organization)s, %(link)s, %(target)s, %(repository)s, %(kind)s, k.key,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 'waiting', 'backfill', %(now)s,
       k.due_at, 1, 0, '', '', '{}'
  FROM json_to_recordset(%(keys)s::json) AS k(key text, due_at timestamptz)
 ORDER BY k.key
ON CONFLICT ON CONSTRAINT relay_item_once DO UPDATE
   SET sequence = greatest(held.sequence + 1, excluded.sequence), state = 'waiting',
       cause = 'backfill', changed_at = excluded.changed_at, due_at = excluded.due_at, urgency = 1,
       attempts = 0, error = '', error_detail = ''
 WHERE held.due_at IS NULL AND held.state <> 'sent'
RETURNING held.id
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A row on its way to be put down; see `relay_records.Wanted`."""

    repository_id: UUID
    kind: str
    key: str
    changed_at: datetime
    sequence: int = 0
    subjects: tuple[str, ...] = ()


def perform(claim: work.Claim, *, link_id: str) -> None:
    """All is put down that is to be sent, or taken up again after somebody stopped it."""
    while True:
        with tenancy.transaction():
            claim.hold()
            rows = Link.objects.select_related("source", "target", "destination")
            link: Link = rows.get(id=link_id)
            link.hold()
            if not _portion(link):
                claim.done()
                return
            claim.progressed()
        step("backfill.drawn")


def _portion(link: Link) -> bool:
    """The next portion; whether there may be another."""
    if link.backfill_stand == BackfillStand.CANCELLED:
        return _take_up(link)
    if link.backfill_stand != BackfillStand.DRAWING:
        return False
    place = _place(link)
    if place is None:
        link.backfill_stand = BackfillStand.SENDING if link.backfill_total else BackfillStand.DONE
        link.backfill_ended_at = None if link.backfill_total else clock.now()
        save(link, "ended_at")
        relay_outbox.ask(link.target_id, hurry=True)
        return False
    repository_id, index, after, before = place
    keys, last, is_last = _next(link, repository_id, index, after)
    turns = _turns(link, repository_id, index, before, len(keys))
    rows = [{"key": key, "due_at": at.isoformat()} for key, at in zip(keys, turns, strict=True)]
    link.backfill_total += _put_down(link, repository_id, str(LISTS[index][0]), rows)
    going = [str(repository_id), index, last, before + len(keys)]
    link.backfill_at = [str(repository_id), index + 1, "", 0] if is_last else going
    save(link, "total", "at")
    return True


def _turns(
    link: Link, repository_id: UUID, index: int, before: int, count: int
) -> Iterator[datetime]:
    """When each goes: list by list, and in a list a share of each repository in turn.

    So that requests are full, though a target takes only so many of one repository at once.
    """
    began = (link.backfill_began_at or clock.now()) - timedelta(days=1)
    share = max(1, relay_kinds.rules_of(link).share)
    place = repositories(link).filter(repository_id__lt=repository_id).count()
    for number in range(before, before + count):
        yield began + timedelta(
            minutes=index, milliseconds=number // share, microseconds=min(place, 999)
        )


def _place(link: Link) -> tuple[UUID, int, str, int] | None:
    """The repository, the list, the row after which it goes on, and how many went before it in
    that list; None at the end."""
    ids = repositories(link)
    if not link.backfill_at:
        first = ids.first()
        return None if first is None else (first, 0, "", 0)
    repository_id = UUID(link.backfill_at[0])
    index, after = int(link.backfill_at[1]), str(link.backfill_at[2])
    if index < len(LISTS):
        return repository_id, index, after, int(link.backfill_at[3])
    following = ids.filter(repository_id__gt=repository_id).first()
    return None if following is None else (following, 0, "", 0)


def _next(link: Link, repository_id: UUID, index: int, after: str) -> tuple[list[str], str, bool]:
    """Keys of the next rows that name a subject, the last row looked at, and whether it ends."""
    kind, model, dated = LISTS[index]
    connector = registry.connectors().get(link.target.connector)
    if kind not in relay_kinds.travelling(link) or not isinstance(connector, Relays):
        return [], "", True
    rows = rows_since(model, dated, link.backfill_since).filter(
        repository_id=repository_id, remote_id__gt=after
    )
    ids = list(rows.order_by("remote_id").values_list("remote_id", flat=True)[:PORTION])
    now = clock.now()
    wanted = [Row(repository_id, str(kind), each, now) for each in ids]
    found = relay_records.events(link, wanted)
    keys = [event.key for event in found if event.record and connector.subjects(event)]
    return keys, ids[-1] if ids else "", len(ids) < PORTION


def _put_down(link: Link, repository_id: UUID, kind: str, rows: Sequence[dict[str, str]]) -> int:
    if not rows:
        return 0
    facts: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "link": link.id,
        "target": link.target_id,
        "repository": repository_id,
        "kind": kind,
        "keys": json.dumps(rows),
        "now": clock.now(),
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_PUT_DOWN, facts)
        return len(cursor.fetchall())


def _take_up(link: Link) -> bool:
    """What was put down and not sent is not sent any more."""
    rows = RelayItem.objects.filter(link_id=link.id, urgency=FILL, due_at__isnull=False)
    ids = list(rows.values_list("id", flat=True)[:PORTION])
    RelayItem.objects.filter(id__in=ids).update(state=RelayState.DISCARDED, due_at=None)
    return bool(ids)
