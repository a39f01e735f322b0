"""The ledger of refreshes: one line per attempt, written with the deed itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from connections.flows.refreshing import Outcome
from connections.lineage import Decision
from portal import roles, tenancy, vault
from portal.secret import Secret

_WRITE = """
INSERT INTO connections_refreshattempt
       (organization_id, id, connection_id, credential_id, at, caller, worker, parent_version,
        received_version, spent, received, latency_ms, answer, decision, reference)
SELECT %s, line.* FROM unnest(
       %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::int[],
       %s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[]) AS line
    ON CONFLICT (id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided about an outcome; `version` is the one it became, if it did."""

    outcome: Outcome
    decision: Decision
    version: int | None = None


def write(settled: Sequence[Settled]) -> None:
    """A line for each. Inside the transaction that carries out what was decided."""
    if not settled:
        return
    columns = zip(*map(_line, settled), strict=True)
    with roles.connection().cursor() as cursor:
        cursor.execute(_WRITE, [tenancy.organization_id(), *map(list, columns)])


def _line(one: Settled) -> tuple[Any, ...]:
    outcome, claimed = one.outcome, one.outcome.claimed
    received = outcome.tokens.refresh_token if outcome.tokens else None
    return (
        claimed.attempt_id,
        claimed.row.connection_id,
        claimed.row.credential_id,
        outcome.received_at,
        claimed.caller,
        worker(os.getpid()),
        claimed.row.parent,
        one.version,
        claimed.spent,
        vault.fingerprint(Secret(received)) if received else "",
        outcome.latency_ms,
        outcome.answer.value,
        one.decision.value,
        (outcome.error.code if outcome.error else "")[:40],
    )


@cache
def worker(process_id: int) -> str:
    """Which process asked."""
    return f"{socket.gethostname()}:{process_id}"[-60:]
