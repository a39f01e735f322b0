"""Who pushed which commits, as webhooks with a right signature told: no vendor says it later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from connections.contracts import Person, PushedRef
from connections.flows import persons
from portal import roles, tenancy

_KEEP: Final = """
INSERT INTO connections_push (id, organization_id, connection_id, repository_id, delivery_id,
       commit, is_head, ref_kind, ref_name, former, by_remote_id, by_name, pushed_at, received_at)
SELECT gen_random_uuid(), %(organization)s, j.*
  FROM json_to_recordset(%(rows)s::json) AS j(connection_id uuid, repository_id uuid,
       delivery_id uuid, commit text, is_head boolean, ref_kind text, ref_name text, former text,
       by_remote_id text, by_name text, pushed_at timestamptz, received_at timestamptz)
 ORDER BY repository_id, commit, ref_name
ON CONFLICT ON CONSTRAINT push_once DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What one delivery says was pushed to a repository, and by whom."""

    connection_id: UUID
    repository_id: UUID
    delivery_id: UUID
    refs: tuple[PushedRef, ...]
    by: Person
    at: datetime | None
    received_at: datetime


def keep(told: Iterable[Told]) -> None:
    """Each is a row for every commit named, once however often it is told; in a transaction."""
    found = list(told)
    rows = [row for one in found for row in _rows(one)]
    if not rows:
        return
    with roles.connection().cursor() as cursor:
        cursor.execute(_KEEP, {"rows": json.dumps(rows), "organization": tenancy.organization_id()})
    for connection_id in sorted({one.connection_id for one in found}):
        people = [one.by for one in found if one.connection_id == connection_id]
        persons.note_people(connection_id, people)


def _rows(told: Told) -> Iterator[dict[str, Any]]:
    for ref in told.refs:
        for commit in dict.fromkeys((ref.head, *ref.commits)):
            if commit:
                yield {
                    "connection_id": str(told.connection_id),
                    "repository_id": str(told.repository_id),
                    "delivery_id": str(told.delivery_id),
                    "commit": commit,
                    "is_head": commit == ref.head,
                    "ref_kind": ref.kind[:12],
                    "ref_name": ref.name[:300],
                    "former": ref.former,
                    "by_remote_id": told.by.remote_id[:200],
                    "by_name": told.by.name[:300],
                    "pushed_at": told.at and told.at.isoformat(),
                    "received_at": told.received_at.isoformat(),
                }
