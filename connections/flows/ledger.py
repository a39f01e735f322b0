"""The ledger of refreshes: one line per attempt, written with the deed itself."""

from __future__ import annotations

import json
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

# All lines arrive as JSON, which costs our side a fraction of a parameter for each value.
_WRITE = """
INSERT INTO connections_refreshattempt
       (organization_id, id, connection_id, credential_id, at, caller, worker, parent_version,
        received_version, spent, received, latency_ms, answer, decision, reference)
SELECT %s, l.id, l.connection_id, l.credential_id, l.at, l.caller, l.worker, l.parent_version,
       l.received_version, l.spent, l.received, l.latency_ms, l.answer, l.decision, l.reference
  FROM json_populate_recordset(NULL::connections_refreshattempt, %s::json) AS l
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
    lines = json.dumps([_line(one) for one in settled])
    with roles.connection().cursor() as cursor:
        cursor.execute(_WRITE, [tenancy.organization_id(), lines])


def _line(one: Settled) -> dict[str, Any]:
    outcome, claimed = one.outcome, one.outcome.claimed
    received = outcome.tokens.refresh_token if outcome.tokens else None
    return {
        "id": str(claimed.attempt_id),
        "connection_id": str(claimed.row.connection_id),
        "credential_id": str(claimed.row.credential_id),
        "at": outcome.received_at.isoformat(),
        "caller": claimed.caller,
        "worker": worker(os.getpid()),
        "parent_version": claimed.row.parent,
        "received_version": one.version,
        "spent": claimed.spent,
        "received": vault.fingerprint(Secret(received)) if received else "",
        "latency_ms": outcome.latency_ms,
        "answer": outcome.answer.value,
        "decision": one.decision.value,
        "reference": (outcome.error.code if outcome.error else "")[:40],
    }


@cache
def worker(process_id: int) -> str:
    """Which process asked."""
    return f"{socket.gethostname()}:{process_id}"[-60:]
