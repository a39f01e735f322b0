"""The rows a trail is made of: one subject, what it came by, what was built of it and deployed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from connections.flows import persons, plan
from connections.models import (
    Build,
    Commit,
    Connection,
    Deployment,
    HookEndpoint,
    Inquiry,
    Pipeline,
    PullRequest,
    Push,
    StreamState,
    SyncSettings,
)
from connections.queries import identities
from connections.queries.identities import Key, Known
from connections.queries.trail_search import COMMIT, PULL, Subject, starts_with
from portal import roles, tenancy

MOST: Final = 100
SHORTEST: Final = 7
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
STREAMS: Final = ("commits", "pull-requests", "statuses", "pipelines", "deployments")

# A push whose former head is reached by first parents brought all that lies between.
_BROUGHT: Final = """
WITH RECURSIVE candidate AS (
  SELECT id, commit, former, received_at FROM connections_push
   WHERE organization_id = %(organization)s AND repository_id = %(repository)s
     AND is_head AND former <> '' AND received_at >= %(after)s
   ORDER BY received_at LIMIT 10),
path AS (
  SELECT id, commit::text AS hash, former::text, received_at, 0 AS depth FROM candidate
  UNION ALL
  SELECT p.id, c.parents[1]::text, p.former, p.received_at, p.depth + 1
    FROM path p JOIN connections_commit c ON c.organization_id = %(organization)s
     AND c.repository_id = %(repository)s AND c.remote_id = p.hash
   WHERE p.depth < 100 AND p.hash <> p.former AND cardinality(c.parents) > 0)
SELECT id FROM path GROUP BY id, received_at
HAVING bool_or(hash = %(commit)s AND hash <> former) AND bool_or(hash = former)
 ORDER BY received_at LIMIT 1
"""


@dataclass(slots=True)
class Rows:
    """What is kept about a subject; `roles` says of each hash how it belongs to the subject."""

    subject: Subject
    commit: Commit | None = None
    pull: PullRequest | None = None
    pulls: list[PullRequest] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)
    pushes: list[Push] = field(default_factory=list)
    brought_along: bool = False
    builds: list[Build] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    states: dict[str, StreamState] = field(default_factory=dict)
    settings: SyncSettings | None = None
    linked: frozenset[str] = frozenset()
    chosen: frozenset[str] = frozenset()
    endpoint: HookEndpoint | None = None
    inquiry: Inquiry | None = None
    known: dict[Key, Known] = field(default_factory=dict)

    @property
    def connection(self) -> Connection:
        found: Connection = self.subject.repository.connection
        return found

    @property
    def is_kept(self) -> bool:
        """Whether the subject itself is here, and not only what names it."""
        return (self.commit or self.pull) is not None

    def key_of(self, remote_id: str, email: str = "") -> Key | None:
        found = persons.key_of(remote_id, email)
        return found and (self.connection.connector, self.connection.server, *found)


def load(subject: Subject, readable: Iterable[UUID]) -> Rows:
    """Everything, in a fixed number of statements."""
    rows = Rows(subject)
    if subject.kind == PULL:
        rows.pull = _pulls(subject).filter(remote_id=subject.key).first()
        rows.pulls = [rows.pull] if rows.pull else []
    else:
        _of_commit(rows)
    rows.roles = _roles(rows)
    hashes = list(rows.roles)
    of_repository: dict[str, Any] = {"repository_id": subject.repository.id, "commit__in": hashes}
    rows.builds = _newest(Build, of_repository, "remote_updated_at")
    rows.pipelines = _newest(Pipeline, of_repository, "remote_created_at")
    rows.deployments = _newest(Deployment, of_repository, "remote_updated_at")
    rows.pushes = list(Push.objects.filter(**of_repository).order_by("received_at")[:MOST])
    if not rows.pushes and rows.commit is not None:
        _brought(rows, rows.commit)
    _standing(rows)
    rows.known = identities.of_keys(set(_keys(rows)), readable)
    return rows


def _of_commit(rows: Rows) -> None:
    subject = rows.subject
    found = Commit.objects.filter(repository_id=subject.repository.id, remote_id=subject.key)
    rows.commit = found.first()
    spelled = _spelled(subject.key)
    named = Q(merge_hash__in=spelled) | Q(source_hash__in=spelled)
    if rows.commit is not None and rows.commit.pulls:
        named |= Q(number__in=rows.commit.pulls)
    rows.pulls = list(_pulls(subject).filter(named).order_by("number")[:MOST])


def _pulls(subject: Subject) -> Any:
    return PullRequest.objects.filter(repository_id=subject.repository.id)


def _spelled(full: str) -> list[str]:
    """The hash as a vendor may write it, shortened to some length."""
    return [full[:length] for length in range(SHORTEST, len(full) + 1)]


def _roles(rows: Rows) -> dict[str, str]:
    """The subject's own hash, and those of the pull requests' merges, each as it is kept."""
    own = {rows.subject.key: ""} if rows.subject.kind == COMMIT else {}
    wanted = dict(own)
    for pull in rows.pulls:
        if pull.merge_hash:
            wanted.setdefault(pull.merge_hash, f"merge of #{pull.number}")
        if rows.subject.kind == PULL and pull.source_hash:
            wanted.setdefault(pull.source_hash, f"head of #{pull.number}")
    short = [one for one in wanted if len(one) < 40]
    if not short:
        return wanted
    begins = reduce(or_, (starts_with("remote_id", one) for one in short))
    commits = Commit.objects.filter(begins, repository_id=rows.subject.repository.id)
    for full in commits.values_list("remote_id", flat=True)[:MOST]:
        role = next(wanted[one] for one in short if full.startswith(one))
        wanted.setdefault(full, role)
    return wanted


def _newest(model: Any, wanted: dict[str, Any], by: str) -> list[Any]:
    return list(model.objects.filter(**wanted).order_by(f"-{by}", "id")[:MOST])


def _brought(rows: Rows, commit: Commit) -> None:
    """The push that brought this commit along, where it lies between its former and new head."""
    after = commit.committed_at - timedelta(days=1) if commit.committed_at else LONG_AGO
    with roles.connection().cursor() as cursor:
        cursor.execute(
            _BROUGHT,
            {
                "organization": tenancy.organization_id(),
                "repository": commit.repository_id,
                "commit": commit.remote_id,
                "after": after,
            },
        )
        found = cursor.fetchone()
    if found:
        rows.pushes = list(Push.objects.filter(id=found[0]))
        rows.brought_along = True


def _standing(rows: Rows) -> None:
    """How the lists stand that these rows come from, and who is looking now."""
    repository = rows.subject.repository
    states = StreamState.objects.filter(repository_id=repository.id, stream__in=STREAMS)
    rows.states = {state.stream: state for state in states}
    rows.settings = plan.settings_of(rows.connection)
    rows.linked = frozenset(plan.streams_of(rows.connection))
    rows.chosen = frozenset(plan.chosen(rows.connection))
    rows.endpoint = HookEndpoint.objects.filter(connection_id=rows.connection.id).first()
    looks = Inquiry.objects.filter(repository_id=repository.id, kind=rows.subject.kind)
    rows.inquiry = looks.filter(key=rows.subject.key).first()


def _keys(rows: Rows) -> Iterator[Key]:
    """Everybody whom these rows name."""
    named: list[tuple[str, str]] = []
    if rows.commit is not None:
        named.append((rows.commit.author_remote_id, rows.commit.author_email))
        named.append((rows.commit.committer_remote_id, rows.commit.committer_email))
    for pull in rows.pulls:
        named += [(pull.author_remote_id, ""), (pull.closed_by_remote_id, "")]
        named += [(str(each.get("id", "")), "") for each in pull.participants]
    named += [(one.by_remote_id, "") for one in rows.pushes]
    named += [(one.by_remote_id, "") for one in rows.deployments]
    named += [(one.creator_remote_id, "") for one in rows.pipelines]
    for remote_id, email in named:
        if key := rows.key_of(remote_id, email):
            yield key
