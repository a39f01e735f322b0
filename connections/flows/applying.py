"""What came in by webhook is read, and what it names is marked to be fetched.

A delivery is only a reason to look (trust.md §6.2): its body decides nothing but what is asked of
the vendor. Some hundred are read at a time; who has them in hand is committed before the first is
looked at (`inbox_claims.py`), so that one that kills its worker ends as a dead letter, and what was
tried before goes alone, so that it takes no other along. A sitting is short, so that organizations
take turns.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import DataError

from connections.flows import delivery_hours, inbox_claims, overload, pushes
from connections.flows.inbox_claims import FRESH, PICK, TRIED, Batch
from connections.flows.meanings import Known, Outcome, Place, Row, again
from connections.flows.pauses import Pauses
from connections.receiving import handover
from portal import clock, roles, tenancy, work
from portal.steps import step

log = logging.getLogger(__name__)

BATCH: Final = 400  # with fewer, the statements around a batch cost as much as the batch
BATCHES: Final = 10  # of a sitting
ALONE: Final = 10  # of a sitting, after those
FETCH: Final = "fetch_told"
REMEMBERED: Final = 20  # deliveries that learn what came of one object

_pauses = Pauses(0.1)

# What this worker no longer has in hand is left as it is.
_SETTLE = """
WITH mine AS (DELETE FROM connections_deliveryclaim WHERE id = %(claim)s RETURNING id)
UPDATE connections_delivery d
   SET state = j.state, error = j.error, error_detail = j.detail, effect = j.effect,
       next_at = j.next_at, applied_at = %(now)s, attempts = j.attempts,
       repository_id = coalesce(j.repository_id, d.repository_id),
       tries = CASE WHEN (j.error = '' AND j.attempts = 1) OR jsonb_array_length(d.tries) >= 50
                    THEN d.tries
                    ELSE d.tries || jsonb_build_object('at', %(now)s::timestamptz, 'state', j.state,
                                                       'error', j.error, 'detail', j.detail) END
  FROM json_to_recordset(%(rows)s::json)
       AS j(id uuid, state text, error text, detail text, effect jsonb, next_at timestamptz,
            attempts smallint, repository_id uuid)
 WHERE d.id = j.id AND EXISTS (SELECT FROM mine)
"""

# What is due already, or waits for its next attempt, keeps its time; a lease is left alone.
_MARK = """
INSERT INTO connections_dirtytarget AS t (id, organization_id, connection_id, workspace_id,
       repository_id, stream, key, told_at, told, told_by, due_at, attempts, error, error_detail)
SELECT gen_random_uuid(), %(organization)s, j.connection_id, j.workspace_id, j.repository_id,
       j.stream, j.key, %(now)s, cardinality(j.told_by), j.told_by, %(now)s, 0, '', ''
  FROM json_to_recordset(%(rows)s::json) AS j(connection_id uuid, workspace_id uuid,
       repository_id uuid, stream text, key text, told_by uuid[])
ON CONFLICT ON CONSTRAINT dirty_target_once DO UPDATE
   SET told_at = %(now)s, told = t.told + EXCLUDED.told,
       told_by = (t.told_by || EXCLUDED.told_by)
                 [cardinality(t.told_by) + cardinality(EXCLUDED.told_by) - {last} :],
       attempts = CASE WHEN t.due_at IS NULL THEN 0 ELSE t.attempts END,
       due_at = coalesce(t.due_at, greatest(%(now)s, t.fetched_at + %(apart)s))
""".replace("{last}", str(REMEMBERED - 1))

Came = Sequence[tuple[Row, Outcome]]


def perform(claim: work.Claim) -> None:
    """Deliveries of the acting organization that are due were read, and have their outcomes."""
    here = str(claim.organization_id)
    _pauses.keep(here)
    handover.take(claim)
    sitting = Sitting(claim)
    sitting.begin()
    sitting.work(FRESH, BATCH, BATCHES, ahead=True)
    sitting.work(TRIED, 1, ALONE)
    sitting.end()
    if not sitting.leaves_some:
        _pauses.note(here)


@dataclass(slots=True)
class Sitting:
    """One worker's turn at an inbox. `told` are the connections that have something to fetch."""

    claim: work.Claim
    known: Known = field(default_factory=Known)
    told: set[str] = field(default_factory=set)
    has_settled: bool = False
    leaves_some: bool = False

    def begin(self) -> None:
        """What workers that died had in hand may be claimed again."""
        with tenancy.transaction():
            self.claim.hold()
            inbox_claims.give_back_ended()

    def work(self, which: str, size: int, most: int, *, ahead: bool = False) -> None:
        """So many batches were read and settled, fewer when no more are due.

        With `ahead` the next one is claimed before, and read while the database is at work.
        """
        nothing = inbox_claims.none()
        batch = self._turn(nothing, nothing, which, size)
        if not batch.rows:
            return
        following = nothing
        if ahead and most > 1 and not batch.is_last:
            following = self._turn(nothing, batch, which, size)
        else:
            self._read(batch)
        while batch.rows:
            most -= 1
            step("deliveries.claimed")
            # Where none follow nobody would read them: what came just now has a job of its own.
            is_more = most > 1 and following.rows if ahead else most > 0
            claimed = self._turn(batch, following, which, size if is_more else 0)
            if not ahead:
                self._read(claimed)
            batch, following = (following, claimed) if ahead else (claimed, nothing)
        self.leaves_some |= most <= 0

    def _read(self, batch: Batch) -> None:
        batch.read = [(row, self.known.read(row)) for row in batch.rows]

    def end(self) -> None:
        """What follows has its jobs."""
        if not self.has_settled:
            return
        with tenancy.transaction():
            self.claim.hold()
            delivery_hours.ask()
            for connection_id in sorted(self.told):
                ask_to_fetch(UUID(connection_id))
            if self.leaves_some:
                ask_to_apply()

    def _turn(self, batch: Batch, following: Batch, which: str, size: int) -> Batch:
        """What was read has its outcome and more are claimed: one wait for the disk for both.

        Those that follow are read meanwhile. When the outcomes cannot be kept, their rows go alone,
        and the one that is to blame is tried again later.
        """
        ends_at = inbox_claims.until()
        try:
            with tenancy.transaction():
                self.claim.hold()
                came = self.known.outcomes(batch.read)
                picked = self._at_once(batch, came, following, which, size)
                claimed = inbox_claims.take(picked, which, ends_at)
                claimed.is_last = not inbox_claims.may_leave_some(picked, size)
                self.known.meet(claimed.rows)
                if batch.rows and self.claim.job.attempts > 1:
                    self.claim.progressed()
        except DataError as error:
            if not batch.rows:
                raise
            because = type(error).__name__  # no more of it: it may quote what was in them
            log.error("deliveries.not_kept", extra={"count": len(batch.rows), "error": because})
            self._set_apart(batch, because)
            return self._turn(inbox_claims.none(), following, which, size)
        self.has_settled |= bool(batch.rows)
        return claimed

    def _at_once(
        self, batch: Batch, came: Came, following: Batch, which: str, size: int
    ) -> list[Row]:
        """The database does one thing after the other, and is asked only at the end what came."""
        database = roles.connection()
        with database.wrap_database_errors, database.connection.pipeline():
            if came:
                self.told |= mark(came)
                pushes.keep(one.pushed for _, one in came if one.pushed is not None)
                write(batch.id, came)
                delivery_hours.mark((row.connection_id, row.received_at) for row, _ in came)
            with database.connection.cursor(binary=True) as cursor:  # bodies are bytes
                if size:
                    cursor.execute(PICK.format(which=which), inbox_claims.wish(size))
                self._read(following)
                found = cursor.fetchall() if size else []
        return [Row(*each) for each in found]

    def _set_apart(self, batch: Batch, because: str) -> None:
        with tenancy.transaction():
            self.claim.hold()
            if len(batch.rows) > 1:
                inbox_claims.give_back(batch)
                return
            (row,) = batch.rows
            write(batch.id, [(row, again(row.attempts, "not_kept", because))])
            delivery_hours.mark([(row.connection_id, row.received_at)])


def ask_to_apply() -> None:
    """A worker reads what is due of the acting organization's inbox."""
    work.later(handover.KIND, priority=work.NORMAL, dedupe=handover.KIND)


def ask_to_fetch(connection_id: UUID, *, run_at: datetime | None = None) -> None:
    """A worker fetches what is due of this connection."""
    work.later(
        FETCH,
        priority=work.NORMAL,
        dedupe=f"told:{connection_id}",
        run_at=run_at,
        connection_id=connection_id,
    )


# ── Writing ───────────────────────────────────────────────────────────────────────────────────


def mark(came: Came) -> set[str]:
    """What was told is due to be fetched, each thing once; the connections that it is of."""
    told: dict[tuple[str, Place], list[str]] = {}
    for row, one in came:
        for place in one.places:
            told.setdefault((row.connection_id, place), []).append(row.id)
    if not told:
        return set()
    rows = [
        {
            "connection_id": connection_id,
            "workspace_id": place.workspace_id,
            "repository_id": place.repository_id or None,
            "stream": place.stream,
            "key": place.key,
            "told_by": by,
        }
        for (connection_id, place), by in sorted(told.items())  # in one order of locks
    ]
    facts: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "rows": json.dumps(rows),
        "now": clock.now(),
        "apart": overload.apart(row.received_at for row, _ in came if row.attempts == 1),
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_MARK, facts)
    return {connection_id for connection_id, _ in told}


def write(claim_id: UUID, came: Came) -> None:
    """The rows that this worker still has in hand say what they came to, and are in no hand."""
    rows = [
        {
            "id": row.id,
            "state": one.state,
            "error": one.error,
            "detail": one.detail[:200],
            "effect": one.effect,
            "next_at": one.next_at and one.next_at.isoformat(),
            "attempts": row.attempts,
            "repository_id": one.repository_id,
        }
        for row, one in came
    ]
    facts: dict[str, Any] = {"rows": json.dumps(rows), "now": clock.now(), "claim": claim_id}
    with roles.connection().cursor() as cursor:
        cursor.execute(_SETTLE, facts)
