"""Append-only tables of what happens often, chained to the record in batches (not row by row).

Once an hour each organization's record takes up what its ledgers have grown by: how many rows and
their SHA-256. Whoever then alters, removes or adds an old row breaks the chain, as with any entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Max
from django.utils import timezone

from portal import audit, everybody, roles, schedules, tenancy
from portal.audit import Action
from portal.models import AuditEvent, Organization
from portal.policy import SYSTEM

SETTLED = timedelta(minutes=10)  # no transaction that could still add a row lasts that long
_DIGEST = """
SELECT count(*),
       encode(sha256(convert_to(
           coalesce(string_agg(to_jsonb(t)::text, E'\\n' ORDER BY t.at, t.id), ''), 'UTF8')), 'hex')
  FROM (SELECT {columns} FROM {table}
         WHERE organization_id = %s AND at > %s::timestamptz AND at <= %s::timestamptz) t
"""
BEGINNING = "2020-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Ledger:
    """A table with `organization_id`, `at` and `id`; `columns` never change once chained.

    A column that is added later is no part of the chain; a new ledger may name it.
    """

    name: str
    table: str
    columns: tuple[str, ...]


_ledgers: dict[str, Ledger] = {}


def register(name: str, table: str, columns: Iterable[str]) -> None:
    """The table's rows are chained from now on, under this name."""
    _ledgers[name] = Ledger(name, table, tuple(columns))


@schedules.every("ledgers.chain", 3600)
def chain_all() -> None:
    """Every organization's record has taken up its ledgers."""
    everybody.for_each(everybody.organizations(), chain)


def chain() -> None:
    """The acting organization's ledgers are taken up to ten minutes ago, if they have grown."""
    with tenancy.transaction():
        head = AuditEvent.objects.filter(action=Action.LEDGERS_CHAINED)
        last = head.aggregate(last=Max("sequence"))["last"]
        since = head.get(sequence=last).details["until"] if last else BEGINNING
        until = (timezone.now() - SETTLED).isoformat()
        grown = {name: digest(ledger, since, until) for name, ledger in _ledgers.items()}
        if not any(batch["rows"] for batch in grown.values()):
            return
        audit.record(
            Action.LEDGERS_CHAINED,
            actor=SYSTEM,
            subject=Organization.objects.get(id=tenancy.organization_id()),
            since=since,
            until=until,
            ledgers=grown,
        )


def digest(ledger: Ledger, since: str, until: str) -> dict[str, Any]:
    """How many rows lie after `since` and not after `until`, and the SHA-256 of their JSON."""
    columns = ", ".join(ledger.columns)
    statement = _DIGEST.format(columns=columns, table=ledger.table)
    with roles.connection().cursor() as cursor:
        cursor.execute(statement, [tenancy.organization_id(), since, until])
        rows, sha256 = cursor.fetchone()
    return {"rows": rows, "sha256": sha256}


def fits(event: AuditEvent) -> bool:
    """Whether the rows that this entry took up are as they were; true for any other entry."""
    if event.action != Action.LEDGERS_CHAINED:
        return True
    since, until = event.details["since"], event.details["until"]
    return all(
        digest(_ledgers[name], since, until) == batch
        for name, batch in event.details["ledgers"].items()
        if name in _ledgers
    )


def verify() -> tuple[int, audit.Broken | None]:
    """The acting organization's chain and every batch it took up; as `audit.verify` tells it.

    Call it inside `tenancy.transaction()`.
    """
    proven, broken = audit.verify()
    if broken is not None:
        return proven, broken
    batches = AuditEvent.objects.filter(action=Action.LEDGERS_CHAINED).order_by("sequence")
    for event in batches.iterator(chunk_size=500):
        if not fits(event):
            reason = "a lease or a renewal that it covers was changed, added or removed"
            return event.sequence - 1, audit.Broken(event.sequence, reason)
    return proven, None
