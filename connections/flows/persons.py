"""Whoever a kept record names is known as an identity, so that people can say which member it is.

An identity is what a vendor calls somebody: the account, or where only commits name them, the
address. One that is as it was is not written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import chain
from typing import Any, Final
from uuid import UUID

from connections.contracts import (
    CommitRecord,
    DeploymentRecord,
    MemberRecord,
    PermissionRecord,
    Person,
    PipelineRecord,
    PullRequestRecord,
    Record,
)
from connections.models import VendorIdentity
from portal import clock, roles, tenancy

ACCOUNT, ADDRESS = "account", "address"
_gathered: ContextVar[dict[UUID, list[Person]] | None] = ContextVar("people", default=None)
MOST_EMAILS: Final = 5

_NOTE = """
WITH new AS (
  SELECT c.organization_id, c.connector, c.server, c.id AS connection_id, j.*
    FROM json_to_recordset(%(rows)s::json)
      AS j(kind varchar, key varchar, name varchar, emails varchar[], url varchar)
    JOIN connections_connection c
      ON c.organization_id = %(organization)s AND c.id = %(connection)s)
INSERT INTO connections_vendoridentity AS held (id, organization_id, connector, server, kind, key,
       name, emails, url, connections, first_seen_at, says, said_by)
SELECT gen_random_uuid(), new.organization_id, new.connector, new.server, new.kind, new.key,
       new.name, new.emails, new.url, ARRAY[new.connection_id], %(now)s, '', ''
  FROM new LEFT JOIN connections_vendoridentity old
    USING (organization_id, connector, server, kind, key)
 WHERE old.id IS NULL OR NOT old.connections @> ARRAY[new.connection_id]
    OR (new.name <> '' AND new.name <> old.name AND (new.kind = 'account' OR old.name = ''))
    OR (new.url <> '' AND new.url <> old.url)
    OR (NOT old.emails @> new.emails AND cardinality(old.emails) < %(most)s)
 ORDER BY new.kind, new.key
ON CONFLICT ON CONSTRAINT identity_once DO UPDATE
   SET name = CASE WHEN excluded.name = '' OR (held.kind = 'address' AND held.name <> '')
                   THEN held.name ELSE excluded.name END,
       url = CASE WHEN excluded.url = '' THEN held.url ELSE excluded.url END,
       emails = (held.emails || ARRAY(SELECT e FROM unnest(excluded.emails) AS e
                                       WHERE NOT e = ANY (held.emails)))[1:%(most)s],
       connections = held.connections || ARRAY(SELECT e FROM unnest(excluded.connections) AS e
                                                WHERE NOT e = ANY (held.connections))
"""

_UNSEEN = """
UPDATE connections_vendoridentity SET connections = array_remove(connections, %s)
 WHERE organization_id = %s AND %s = ANY (connections)
"""


def note(connection_id: UUID, records: Iterable[Record]) -> None:
    """All whom these records name are identities that this connection saw."""
    note_people(connection_id, chain.from_iterable(map(_named, records)))


def note_people(connection_id: UUID, people: Iterable[Person]) -> None:
    """The same of these people; inside a transaction."""
    waiting = _gathered.get()
    if waiting is not None:
        waiting.setdefault(connection_id, []).extend(people)
    elif rows := _rows(people):
        _write(connection_id, rows)


@contextmanager
def gathered() -> Iterator[None]:
    """Whoever is noted meanwhile is written at the end, in one order, whatever pages came first.

    Two transactions that write the same people page by page may wait for each other.
    """
    people: dict[UUID, list[Person]] = {}
    token = _gathered.set(people)
    try:
        yield
    finally:
        _gathered.reset(token)
    for connection_id in sorted(people):
        note_people(connection_id, people[connection_id])


def _write(connection_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
    with roles.connection().cursor() as cursor:
        cursor.execute(
            _NOTE,
            {
                "rows": json.dumps(rows),
                "organization": tenancy.organization_id(),
                "connection": connection_id,
                "now": clock.now(),
                "most": MOST_EMAILS,
            },
        )


def forget(connection_id: UUID) -> None:
    """This connection saw nobody any more; of whom no other did, only what people said stays."""
    with roles.connection().cursor() as cursor:
        cursor.execute(_UNSEEN, [connection_id, tenancy.organization_id(), connection_id])
    VendorIdentity.objects.filter(connections=[], says="").delete()


def key_of(remote_id: str, email: str) -> tuple[str, str] | None:
    """Kind and key of an identity; None of somebody who has neither account nor address."""
    if remote_id:
        return ACCOUNT, remote_id[:200]
    return (ADDRESS, email.lower()[:254]) if email else None


def _rows(people: Iterable[Person]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for person in people:
        key = key_of(person.remote_id, person.email)
        if key is None:
            continue
        row = {"kind": key[0], "key": key[1], "name": "", "emails": [], "url": ""}
        row = found.setdefault(key, row)
        row["name"] = person.name[:300] or row["name"]
        row["url"] = person.url[:500] or row["url"]
        email = person.email.lower()[:254]
        if email and email not in row["emails"]:
            row["emails"] = [*row["emails"], email][:MOST_EMAILS]
    return list(found.values())


# ── Whom records name ─────────────────────────────────────────────────────────────────────────


def _named(record: Record) -> Iterator[Person]:
    named = _NAMED.get(type(record))
    if named is not None:
        yield from named(record)


def _of_permission(record: PermissionRecord) -> Sequence[Person]:
    if record.subject_kind != "user":
        return ()
    return (Person(record.subject_remote_id, record.subject_name),)


def _of_pull_request(record: PullRequestRecord) -> Sequence[Person]:
    return (record.author, record.closed_by, *(each.person for each in record.participants))


_NAMED: Mapping[type[Any], Callable[[Any], Sequence[Person]]] = {
    CommitRecord: lambda record: (record.author, record.committer),
    PullRequestRecord: _of_pull_request,
    PipelineRecord: lambda record: (record.creator,),
    DeploymentRecord: lambda record: (record.by,),
    MemberRecord: lambda record: (Person(record.remote_id, record.name, url=record.url),),
    PermissionRecord: _of_permission,
}
