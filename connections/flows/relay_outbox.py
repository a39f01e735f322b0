"""The rows that wait for a target: leased to one worker, settled with what the target said.

Lock order: the link, its repositories, items, and a job at the very end.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from connections.models import Link, RelayItem, RelayState
from portal import clock, roles, tenancy, work

JOB: Final = "relay_to_target"
LIVE, FILL = 0, 1  # urgencies


@dataclass(frozen=True, slots=True)
class Portion:
    """How much is claimed of what was tried so often: what failed goes in smaller company."""

    least: int
    most: int
    size: int | None = None  # None is what the target takes at once


FRESH, TRIED, ALONE = Portion(0, 2), Portion(3, 5, 10), Portion(6, 999, 1)

# Chosen once: joined as it stands, the choice could be made again for each row.
_TAKE: Final = """
WITH due AS MATERIALIZED (
        SELECT c.id FROM connections_relayitem c
          JOIN connections_linkrepository r ON r.organization_id = c.organization_id
           AND r.link_id = c.link_id AND r.repository_id = c.repository_id AND r.enabled
         WHERE c.organization_id = %(organization)s AND c.link_id = %(link)s
           AND c.urgency = %(urgency)s AND c.due_at <= %(now)s
           AND (c.lease_until IS NULL OR c.lease_until < %(now)s)
           AND c.attempts BETWEEN %(least)s AND %(most)s
         ORDER BY c.due_at LIMIT %(size)s FOR UPDATE OF c SKIP LOCKED)
UPDATE connections_relayitem i
   SET lease_owner = %(owner)s, lease_until = %(until)s, attempts = i.attempts + 1
  FROM due
 WHERE i.id = due.id
RETURNING i.id, i.repository_id, i.kind, i.key, i.sequence, i.sent_sequence, i.subjects, i.cause,
          i.attempts, i.heard_at, i.changed_at
"""
# Where it changed since it was taken, it waits again. What another worker has by now is left alone.
_SETTLE: Final = """
WITH mine AS (
  SELECT id FROM connections_relayitem
   WHERE id IN (SELECT id FROM json_to_recordset(%(rows)s::json) AS j(id uuid))
     AND lease_owner = %(owner)s
   ORDER BY kind, key FOR UPDATE)
UPDATE connections_relayitem i
   SET lease_owner = NULL, lease_until = NULL, attempts = CASE WHEN i.sequence > j.sequence THEN 0
                                                               ELSE j.attempts END,
       state = CASE WHEN i.sequence > j.sequence THEN 'waiting' ELSE j.state END,
       due_at = CASE WHEN i.sequence > j.sequence THEN coalesce(i.due_at, %(now)s)
                     ELSE j.due_at END,
       sent_sequence = CASE WHEN j.sent THEN j.sequence ELSE i.sent_sequence END,
       sent_at = CASE WHEN j.sent THEN %(now)s ELSE i.sent_at END,
       subjects = CASE WHEN j.known THEN j.subjects ELSE i.subjects END,
       error = j.error, error_detail = j.detail
  FROM json_to_recordset(%(rows)s::json) AS j(id uuid, sequence bigint, state text, error text,
       detail text, attempts smallint, due_at timestamptz, sent boolean, known boolean,
       subjects varchar[])
 WHERE i.id = j.id AND i.id IN (SELECT id FROM mine)
"""
_INTEND: Final = """
UPDATE connections_relayitem i SET subjects = j.subjects
  FROM json_to_recordset(%(rows)s::json) AS j(id uuid, subjects varchar[])
 WHERE i.id = j.id AND i.lease_owner = %(owner)s
"""
_EXTEND: Final = """
UPDATE connections_relayitem SET lease_until = %(until)s
 WHERE id = ANY (%(ids)s) AND lease_owner = %(owner)s
RETURNING id
"""
LONGEST_SUBJECT: Final = 255


@dataclass(frozen=True, slots=True)
class Taken:
    """An item as this worker took it: what is sent of it bears this sequence."""

    id: UUID
    repository_id: UUID
    kind: str
    key: str
    sequence: int
    sent_sequence: int | None
    subjects: tuple[str, ...]
    cause: str
    attempts: int
    heard_at: datetime | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of it: the state it is in now, or when it is due again.

    `is_sent` when the target was told. It `is_known` what it hangs on there then: on `subjects`.
    """

    taken: Taken
    state: str
    is_sent: bool = False
    is_known: bool = False
    subjects: tuple[str, ...] = ()
    error: str = ""
    detail: str = ""
    due_at: datetime | None = None
    attempts: int = 0


def ask(target_id: UUID, *, run_at: datetime | None = None, hurry: bool = False) -> None:
    """A worker sends what is due to this target. Last in a transaction.

    With `hurry` it does so now, though another one may wait for a later time.
    """
    name = f"{JOB}:{target_id}" + (":now" if hurry else "")
    work.later(JOB, dedupe=name, run_at=run_at, connection_id=target_id)


def take(
    link: Link, claim: work.Claim, *, urgency: int, portion: Portion, size: int
) -> list[Taken]:
    """What is due of this link, leased; in the caller's transaction."""
    now = clock.now()
    facts: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "link": link.id,
        "owner": claim.owner,
        "until": _until(now),
        "now": now,
        "urgency": urgency,
        "least": portion.least,
        "most": portion.most,
        "size": min(portion.size or size, size),
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_TAKE, facts)
        found = cursor.fetchall()
    return sorted(map(_taken, found), key=lambda one: (one.sequence, one.kind, one.key))


def intend(claim: work.Claim, wanted: Iterable[tuple[Taken, Sequence[str]]]) -> None:
    """What is about to be sent may hang on these, whether an answer comes or none.

    Else what was taken by a target that nobody heard of could never be taken back.
    """
    rows = []
    for one, subjects in wanted:
        fit = (each for each in subjects if len(each) <= LONGEST_SUBJECT)
        all_ = list(dict.fromkeys((*one.subjects, *fit)))
        if len(all_) > len(one.subjects):
            rows.append({"id": str(one.id), "subjects": all_})
    if rows:
        with roles.connection().cursor() as cursor:
            cursor.execute(_INTEND, {"rows": json.dumps(rows), "owner": claim.owner})


def extend(claim: work.Claim, taken: Iterable[Taken]) -> set[UUID]:
    """These stay this worker's; which of them still are."""
    ids = [one.id for one in taken]
    facts: dict[str, Any] = {"ids": ids, "owner": claim.owner, "until": _until(clock.now())}
    with roles.connection().cursor() as cursor:
        cursor.execute(_EXTEND, facts)
        return {row[0] for row in cursor.fetchall()}


def in_hand(link: Link) -> Any:
    """What some worker may be sending now, or was as it died."""
    return RelayItem.objects.filter(link_id=link.id, lease_until__gt=clock.now())


def _until(now: datetime) -> datetime:
    return now + timedelta(seconds=2 * settings.LEASE_SECONDS)


def _taken(row: Sequence[Any]) -> Taken:
    values = list(row)
    values[6] = tuple(values[6])
    return Taken(*values)


def settle(claim: work.Claim, settled: Iterable[Settled]) -> None:
    """The rows say what came of them; in the caller's transaction."""
    rows = [
        {
            "id": str(one.taken.id),
            "sequence": one.taken.sequence,
            "state": one.state,
            "error": one.error[:40],
            "detail": one.detail[:200],
            "attempts": one.attempts,
            "due_at": one.due_at and one.due_at.isoformat(),
            "sent": one.is_sent,
            "known": one.is_known,
            "subjects": list(one.subjects),
        }
        for one in settled
    ]
    if not rows:
        return
    with roles.connection().cursor() as cursor:
        cursor.execute(
            _SETTLE, {"rows": json.dumps(rows), "owner": claim.owner, "now": clock.now()}
        )


def put_back(claim: work.Claim, taken: Sequence[Taken], *, tried: bool = False) -> None:
    """Nothing came of these, by no fault of theirs: they are due as before."""
    now = clock.now()
    settle(
        claim,
        [
            Settled(
                one,
                RelayState.WAITING,
                due_at=now,
                attempts=min(one.attempts, FRESH.most) if tried else one.attempts - 1,
            )
            for one in taken
        ],
    )


def due(link_ids: Collection[UUID], *, now: datetime) -> Any:
    """What of these links may be taken now."""
    rows = RelayItem.objects.filter(link_id__in=list(link_ids), due_at__lte=now)
    return rows.exclude(lease_until__gte=now)


def forget_waiting(link: Link, repository_ids: Sequence[UUID]) -> None:
    """What waits of these repositories is not sent any more."""
    rows = RelayItem.objects.filter(link_id=link.id, repository_id__in=list(repository_ids))
    rows.filter(due_at__isnull=False).update(state=RelayState.DISCARDED, due_at=None)
