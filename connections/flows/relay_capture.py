"""What is written of a linked repository is put down for each target, in the same transaction.

One row for each thing that changed, however often it does. Workers are asked for after the commit:
a job that is asked for inside would be waited for by whoever asks next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from connections.contracts import RelayKind
from connections.flows import relay_outbox
from connections.models import (
    Branch,
    Build,
    Commit,
    Deployment,
    Pipeline,
    PullRequest,
    RelayCause,
    Repository,
)
from portal import clock, roles, tenancy

KINDS: Final[Mapping[type[Any], RelayKind]] = {
    Commit: RelayKind.COMMIT,
    Branch: RelayKind.BRANCH,
    PullRequest: RelayKind.PULL_REQUEST,
    Build: RelayKind.BUILD,
    Pipeline: RelayKind.BUILD,
    Deployment: RelayKind.DEPLOYMENT,
}
TAG: Final = "tag:"
_asked: ContextVar[set[UUID] | None] = ContextVar("asked", default=None)
_told_by: ContextVar[Sequence[UUID]] = ContextVar("told_by", default=())

# A sequence is the clock's microseconds, or one more than before: it grows though clocks go back,
# and though rows are made anew.
SEQUENCE: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
WAITS: Final = "i.state = 'waiting' AND i.lease_until IS NULL"
_PUT_DOWN: Final = """
INSERT INTO connections_relayitem AS held (id, organization_id, link_id, connection_id,
       repository_id, kind, key, sequence, state, cause, heard_at, changed_at, due_at, urgency,
       attempts, error, error_detail, subjects)
SELECT gen_random_uuid(), l.organization_id, l.id, l.target_id, r.repository_id, %(kind)s, k.key,
       {sequence}, 'waiting', %(cause)s,
       (SELECT min(d.received_at) FROM connections_delivery d WHERE d.id = ANY (%(told_by)s)),
       %(now)s, %(now)s, 0, 0, '', '', '{}'
  FROM connections_linkrepository r
  JOIN connections_link l ON l.organization_id = r.organization_id AND l.id = r.link_id
 CROSS JOIN unnest(%(keys)s::text[]) AS k(key)
 WHERE r.organization_id = %(organization)s AND r.repository_id = %(repository)s AND r.enabled
   AND l.state IN ('active', 'paused')
 ORDER BY l.id, k.key
ON CONFLICT ON CONSTRAINT relay_item_once DO UPDATE
   SET sequence = greatest(held.sequence + 1, excluded.sequence), state = 'waiting',
       cause = excluded.cause, changed_at = excluded.changed_at, due_at = excluded.due_at,
       heard_at = CASE WHEN held.due_at IS NULL OR held.urgency > 0 THEN excluded.heard_at
                       ELSE coalesce(held.heard_at, excluded.heard_at) END,
       urgency = 0, attempts = 0, error = '', error_detail = ''
RETURNING connection_id
""".replace("{sequence}", SEQUENCE)
# A branch hangs on what its pull requests are called, too: it goes again as they change.
_BRANCHES: Final = """
WITH p AS MATERIALIZED (
  SELECT source_branch FROM connections_pullrequest
   WHERE organization_id = %(organization)s AND repository_id = %(repository)s
     AND remote_id = ANY (%(keys)s))
SELECT remote_id FROM connections_branch
 WHERE organization_id = %(organization)s AND repository_id = %(repository)s
   AND kind = 'branch' AND gone_at IS NULL AND name IN (SELECT source_branch FROM p)
"""
# It may name other subjects now that its commit is known, and its pipeline stands for it. What
# waits is written as well: a worker may be taking it just now, and not see this commit yet.
# Each is looked up by its whole key: joined as it stands, all items of the repository are read.
_AGAIN: Final = """
WITH t AS MATERIALIZED (
  SELECT 'branch' AS kind, remote_id AS key FROM connections_branch
   WHERE organization_id = %(organization)s AND repository_id = %(repository)s
     AND target = ANY (%(hashes)s)
  UNION ALL
  SELECT 'build', remote_id FROM connections_build
   WHERE organization_id = %(organization)s AND repository_id = %(repository)s
     AND commit = ANY (%(hashes)s)
  UNION ALL
  SELECT 'build', remote_id FROM connections_pipeline
   WHERE organization_id = %(organization)s AND repository_id = %(repository)s
     AND commit = ANY (%(hashes)s)
  UNION ALL
  SELECT 'deployment', remote_id FROM connections_deployment
   WHERE organization_id = %(organization)s AND repository_id = %(repository)s
     AND commit = ANY (%(hashes)s)),
found AS MATERIALIZED (
  SELECT one.id FROM t
   CROSS JOIN connections_linkrepository r
   CROSS JOIN LATERAL (
         SELECT x.id FROM connections_relayitem x
          WHERE x.organization_id = %(organization)s AND x.link_id = r.link_id
            AND x.repository_id = %(repository)s AND x.kind = t.kind AND x.key = t.key
         OFFSET 0) one
   WHERE r.organization_id = %(organization)s AND r.repository_id = %(repository)s)
UPDATE connections_relayitem i
   SET sequence = greatest(i.sequence + 1, {sequence}), state = 'waiting',
       changed_at = CASE WHEN {waits} THEN i.changed_at ELSE %(now)s END,
       due_at = CASE WHEN {waits} THEN i.due_at ELSE %(now)s END,
       attempts = CASE WHEN {waits} THEN i.attempts ELSE 0 END
 WHERE i.id IN (SELECT id FROM found)
   AND (i.state IN ('waiting', 'nothing', 'sent') OR i.lease_until IS NOT NULL)
RETURNING i.connection_id
""".replace("{sequence}", SEQUENCE).replace("{waits}", WAITS)


@contextmanager
def heard(told_by: Sequence[UUID]) -> Iterator[None]:
    """What is put down meanwhile was told by these deliveries."""
    token = _told_by.set(told_by)
    try:
        yield
    finally:
        _told_by.reset(token)


@contextmanager
def asking_once() -> Iterator[None]:
    """Workers are asked for at the end, once for each target, however much is put down meanwhile.

    Outside of transactions. Whom nobody asks, as this process dies, the sweep finds.
    """
    targets: set[UUID] = set()
    token = _asked.set(targets)
    try:
        yield
    finally:
        _asked.reset(token)
        if targets:
            with tenancy.transaction():
                for target_id in sorted(targets):
                    relay_outbox.ask(target_id)


def note(repository: Repository, model: type[Any], remote_ids: Sequence[str]) -> None:
    """These rows of a repository were written, or are gone: inside the same transaction."""
    kind = KINDS.get(model)
    if repository.relayed_at is None or kind is None:
        return
    keys = [key for key in remote_ids if not (model is Branch and key.startswith(TAG))]
    if not keys:
        return
    now = clock.now()
    told_by = list(_told_by.get())
    facts: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "repository": repository.id,
        "kind": str(kind),
        "keys": keys,
        "told_by": told_by,
        "cause": str(RelayCause.WEBHOOK if told_by else RelayCause.SYNC),
        "now": now,
    }
    targets = _run(_PUT_DOWN, facts)
    if model is Commit:
        targets |= _run(_AGAIN, facts | {"hashes": keys})
    elif model is PullRequest and (names := sorted(_run(_BRANCHES, facts))):
        targets |= _run(_PUT_DOWN, facts | {"kind": str(RelayKind.BRANCH), "keys": names})
    for target_id in targets:
        ask_after_commit(target_id)


def _run(statement: str, facts: Mapping[str, Any]) -> set[Any]:
    with roles.connection().cursor() as cursor:
        cursor.execute(statement, facts)
        return {row[0] for row in cursor.fetchall()}


def ask_after_commit(target_id: UUID) -> None:
    """A worker sends what is due to this target, once the open transaction is committed."""
    waiting = _asked.get()
    if waiting is not None:
        waiting.add(target_id)
        return
    organization_id = tenancy.organization_id()

    def ask() -> None:
        with tenancy.acting_for(organization_id), tenancy.transaction():
            relay_outbox.ask(target_id)

    transaction.on_commit(ask, using=roles.current(), robust=True)
