"""Rows of what webhooks named: leased to one worker, settled with what came, their deliveries told.

Call these outside transactions; each is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from connections.contracts import Target
from connections.flows import plan
from connections.flows.overload import APART, List
from connections.models import StreamStand, StreamState
from portal import clock, roles, tenancy, work

MOST: Final = 60
MOST_OF_LISTS: Final = 1000

# Chosen once: joined as it stands, the choice could be made again for each row.
_TAKE = """
WITH due AS MATERIALIZED (
        SELECT id FROM connections_dirtytarget
         WHERE connection_id = %(connection)s AND due_at <= %(now)s
           AND (lease_until IS NULL OR lease_until < %(now)s) AND {which}
         ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
UPDATE connections_dirtytarget t
   SET lease_until = %(until)s, attempts = t.attempts + 1
  FROM due
 WHERE t.id = due.id
RETURNING t.id, t.workspace_id, t.repository_id, t.stream, t.key, t.attempts, t.told, t.told_by
"""

_OF_LISTS: Final = """
key <> '' AND (repository_id, stream) IN (
    SELECT * FROM unnest(%(repositories)s::uuid[], %(streams)s::text[]))
"""

# Whoever named it since it was taken is at the end of `told_by`, and waits for the next time.
_SETTLE = """
UPDATE connections_dirtytarget t
   SET lease_until = NULL, error = j.error, error_detail = j.detail,
       due_at = CASE WHEN j.due_at IS NOT NULL THEN j.due_at
                     WHEN t.told > j.told THEN %(now)s + %(apart)s END,
       fetched_at = CASE WHEN j.due_at IS NULL THEN %(now)s ELSE t.fetched_at END,
       attempts = CASE WHEN j.due_at IS NULL THEN 0 ELSE j.attempts END,
       told_by = CASE WHEN j.due_at IS NOT NULL THEN t.told_by
                      ELSE t.told_by[cardinality(t.told_by) - (t.told - j.told) + 1 :] END
  FROM json_to_recordset(%(rows)s::json) AS j(id uuid, due_at timestamptz, error text, detail text,
       told integer, attempts smallint)
 WHERE t.id = j.id
"""

_ANSWER = """
UPDATE connections_delivery d
   SET effect = d.effect || jsonb_build_object('came', coalesce(d.effect->'came', '{}') || j.came)
  FROM (SELECT r.id, jsonb_object_agg(r.name, r.came) AS came
          FROM json_to_recordset(%(rows)s::json) AS r(id uuid, name text, came text)
         GROUP BY 1 ORDER BY 1) j
 WHERE d.id = j.id
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A told thing as this worker took it, told so often by then, last by these deliveries."""

    id: UUID
    workspace_id: UUID
    repository_id: UUID | None
    target: Target
    attempts: int
    told: int
    told_by: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of it: `word` for its deliveries, or when it is due again.

    `is_left_to_sync` when it was given up, and a sync is to read the list that it is in.
    """

    taken: Taken
    word: str = ""
    due_at: datetime | None = None
    error: str = ""
    detail: str = ""
    was_tried: bool = True
    is_left_to_sync: bool = False


def take(claim: work.Claim, connection_id: str) -> list[Taken]:
    """What is due of this connection, leased and grouped by container."""
    return sorted(_taken(claim, connection_id, "TRUE", MOST), key=group)


def take_all_of(claim: work.Claim, connection_id: str, lists: Sequence[List]) -> list[Taken]:
    """What is due of these lists, leased."""
    named = {"repositories": [id_ for id_, _ in lists], "streams": [key for _, key in lists]}
    return _taken(claim, connection_id, _OF_LISTS, MOST_OF_LISTS, **named)


def _taken(
    claim: work.Claim, connection_id: str, which: str, most: int, **named: Any
) -> list[Taken]:
    now = clock.now()
    wanted: dict[str, Any] = {
        "connection": connection_id,
        "now": now,
        "until": now + timedelta(seconds=2 * settings.LEASE_SECONDS),
        "most": most,
        **named,
    }
    with tenancy.transaction():
        claim.hold()
        with roles.connection().cursor() as cursor:
            cursor.execute(_TAKE.format(which=which), wanted)
            found = cursor.fetchall()
    return [
        Taken(id_, workspace, repository, Target(stream, key), attempts, told, tuple(told_by))
        for id_, workspace, repository, stream, key, attempts, told, told_by in found
    ]


def group(one: Taken) -> tuple[str, str, str]:
    """Container by container, workspaces before repositories; what was tried before goes alone."""
    alone = str(one.id) if one.attempts > 1 else ""
    return str(one.repository_id or ""), str(one.workspace_id), alone


def settle(claim: work.Claim, settled: Sequence[Settled]) -> None:
    """The rows say what came, their deliveries learn it, and a sync reads what did not come."""
    if not settled:
        return
    rows = [
        {
            "id": str(one.taken.id),
            "due_at": one.due_at and one.due_at.isoformat(),
            "error": one.error,
            "detail": one.detail[:200],
            "told": one.taken.told,
            "attempts": one.taken.attempts - (not one.was_tried),
        }
        for one in settled
    ]
    facts: dict[str, Any] = {"rows": json.dumps(rows), "now": clock.now(), "apart": APART}
    with tenancy.transaction():
        claim.hold()
        with roles.connection().cursor() as cursor:
            cursor.execute(_SETTLE, facts)
            if answers := list(_answers(settled)):
                cursor.execute(_ANSWER, {"rows": json.dumps(answers)})
        _leave_to_sync(settled)


def _leave_to_sync(settled: Sequence[Settled]) -> None:
    """The streams of what was given up are due; one that fails waits for its own hour."""
    lost = {
        (one.taken.workspace_id, one.taken.repository_id, one.taken.target.stream)
        for one in settled
        if one.is_left_to_sync
    }
    for workspace_id, repository_id, stream in sorted(lost, key=str):
        rows = StreamState.objects.filter(
            workspace_id=workspace_id, repository_id=repository_id, stream=stream
        )
        plan.want(rows.exclude(stand=StreamStand.FAILING), plan.TOLD)


def _answers(settled: Iterable[Settled]) -> Iterator[dict[str, str]]:
    for one in settled:
        if one.word:
            target = one.taken.target
            name = f"{target.stream} {target.key}".strip()
            for delivery in one.taken.told_by:
                yield {"id": str(delivery), "name": name, "came": one.word}
