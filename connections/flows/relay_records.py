"""Rows become what travels: events of the latest state, with commits, people and mentions.

Call it inside the transaction that took the items, so that what is sent is what was put down.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from django.db.models import Q

from connections import registry
from connections.contracts import (
    CodeLinks,
    CommitRecord,
    Person,
    RelayEvent,
    RelayKind,
    RelayRecord,
)
from connections.flows import relay_deployed, relay_people, relay_rows
from connections.models import (
    Branch,
    Build,
    Commit,
    Deployment,
    Link,
    Pipeline,
    PullRequest,
    Repository,
    StreamState,
)
from connections.relay_events import NO_LINKS, carried_key

FULL: Final = 40
MOST_MENTIONS: Final = 20
BRANCHES, PIPELINES = "branches", "pipelines"  # streams
OWN_RUN: Final = re.compile(r"/pipelines/.*results/\d+/?$")  # a vendor's own, told as a pipeline


class Wanted(Protocol):
    """What an event is made of: an item of the outbox, or a row that would become one."""

    @property
    def repository_id(self) -> UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def subjects(self) -> tuple[str, ...]: ...
    @property
    def changed_at(self) -> datetime: ...


def events(link: Link, wanted: Sequence[Wanted]) -> list[RelayEvent]:
    """An event for each of these, in their order."""
    by_repository: dict[UUID, list[Wanted]] = defaultdict(list)
    for one in wanted:
        by_repository[one.repository_id].append(one)
    rows = Repository.objects.filter(id__in=list(by_repository)).select_related(
        "workspace", "connection"
    )
    made: dict[tuple[UUID, str, str], RelayEvent] = {}
    drafts = [
        _Draft(one, row, shelf)
        for row in rows
        for shelf in [_Shelf.filled(row, by_repository[row.id])]
        for one in by_repository[row.id]
    ]
    people = relay_people.carried(link, (each for draft in drafts for each in draft.people()))
    links = links_of(link)
    for draft in drafts:
        one = draft.wanted
        made[one.repository_id, one.kind, one.key] = draft.event(people, links)
    return [made[key] for one in wanted if (key := (one.repository_id, one.kind, one.key)) in made]


def links_of(link: Link) -> CodeLinks:
    """Where the source shows code to people."""
    connector = registry.connectors().get(link.source.connector)
    return connector.manifest.code_links if connector is not None else NO_LINKS


# ── What is known of one repository ───────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Shelf:
    """The rows that the events of one repository are made of."""

    repository: Repository
    commits: dict[str, Any] = field(default_factory=dict)
    branches: dict[str, Any] = field(default_factory=dict)
    by_name: dict[str, Any] = field(default_factory=dict)
    pulls: dict[str, Any] = field(default_factory=dict)
    builds: dict[str, Any] = field(default_factory=dict)
    pipelines: dict[str, Any] = field(default_factory=dict)
    deployments: dict[str, Any] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)  # deployments that a later one stands for
    brought: dict[str, list[str]] = field(default_factory=dict)  # by deployment
    reads: set[str] = field(default_factory=set)  # streams
    numbers: dict[str, int] = field(default_factory=dict)
    titles: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    merged: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def filled(cls, repository: Repository, wanted: Iterable[Wanted]) -> _Shelf:
        keys: dict[str, list[str]] = defaultdict(list)
        for one in wanted:
            keys[one.kind].append(one.key)
        shelf = cls(repository)
        shelf._fill(keys)
        return shelf

    def _fill(self, keys: dict[str, list[str]]) -> None:
        self.branches = self._rows(Branch, keys[RelayKind.BRANCH])
        self.pulls = self._rows(PullRequest, keys[RelayKind.PULL_REQUEST])
        self.builds = self._rows(Build, keys[RelayKind.BUILD])
        self.pipelines = self._rows(Pipeline, keys[RelayKind.BUILD])
        self.deployments = self._rows(Deployment, keys[RelayKind.DEPLOYMENT])
        self._find_heads()
        built = (*self.builds.values(), *self.pipelines.values(), *self.deployments.values())
        hashes = {row.target for row in self.by_name.values()} | {row.commit for row in built}
        hashes |= {row.target for row in self.branches.values()}
        self.brought = {k: relay_deployed.brought(row) for k, row in self.deployments.items()}
        hashes.update(*self.brought.values())
        self.commits = self._rows(Commit, [*keys[RelayKind.COMMIT], *sorted(hashes - {""})])
        if self.deployments:
            runs = [row.pipeline_remote_id for row in self.deployments.values()]
            found = self._rows(Pipeline, sorted(set(runs) - {""}))
            self.numbers = {key: row.number for key, row in found.items()}
            self.repeated = relay_deployed.repeated(self.repository.id, list(found))
        if self.builds or self.pulls:
            states = StreamState.objects.filter(repository_id=self.repository.id)
            self.reads = set(states.values_list("stream", flat=True))
        names = {row.name for row in self.branches.values()}
        self._find_titles(names | {row.source_branch for row in self.pulls.values()} - {""}, built)

    def _rows(self, model: type[Any], keys: Sequence[str]) -> dict[str, Any]:
        if not keys:
            return {}
        rows = model.objects.filter(repository_id=self.repository.id, gone_at=None)
        return {row.remote_id: row for row in rows.filter(remote_id__in=list(keys))}

    def _find_heads(self) -> None:
        names = [row.source_branch for row in self.pulls.values() if row.source_branch]
        if names:
            rows = Branch.objects.filter(repository_id=self.repository.id, kind="branch")
            self.by_name = {row.name: row for row in rows.filter(name__in=names)}

    def _find_titles(self, names: set[str], built: Iterable[Any]) -> None:
        """The titles of pull requests: those of a branch of ours, and those that brought a commit.
        A fork's branch may be named like it, such as main."""
        pulls = PullRequest.objects.filter(repository_id=self.repository.id, gone_at=None)
        if names:
            ours = Q(source_repository__iexact=self.repository.full_name) | Q(source_repository="")
            found = pulls.filter(ours, source_branch__in=names).order_by("-number")
            for name, title in found.values_list("source_branch", "title")[:500]:
                self.titles[name].append(title)
        hashes = {row.commit for row in built} & self.commits.keys()
        numbers = {number for each in hashes for number in self.commits[each].pulls or ()}
        if numbers:
            titles = dict(pulls.filter(number__in=numbers).values_list("number", "title"))
            for each in hashes:
                own = self.commits[each].pulls or ()
                self.merged[each] = [titles[n] for n in own if n in titles]

    def head_of(self, pull: Any) -> CommitRecord | None:
        """The commit that a pull request's source stands at; its own hash may be shortened."""
        branch: Any = self.by_name.get(pull.source_branch)
        stands = branch is not None and branch.gone_at is None
        if not stands or not branch.target.startswith(pull.source_hash or branch.target):
            return None
        return self.commit(branch.target)

    def commit(self, remote_id: str) -> CommitRecord | None:
        row = self.commits.get(remote_id)
        return None if row is None else relay_rows.commit(row)


@dataclass(frozen=True, slots=True)
class _Draft:
    """One event before it is known who its people are."""

    wanted: Wanted
    repository: Repository
    shelf: _Shelf

    def people(self) -> Iterator[Person]:
        for one in (self.record(), self.head(), *self.commits()):
            yield from relay_people.named(one)

    def record(self) -> RelayRecord | None:
        shelf, key = self.shelf, self.wanted.key
        match self.wanted.kind:
            case RelayKind.COMMIT:
                return shelf.commit(key)
            case RelayKind.BRANCH:
                return relay_rows.branch(shelf.branches.get(key), self.repository)
            case RelayKind.PULL_REQUEST:
                return relay_rows.pull(shelf.pulls.get(key))
            case RelayKind.DEPLOYMENT:
                found = None if key in shelf.repeated else shelf.deployments.get(key)
                return relay_rows.deployment(found)
        if key in shelf.pipelines:
            return relay_rows.pipeline(shelf.pipelines[key])
        built = shelf.builds.get(key)
        # The vendor's own pipeline says the same of itself, and more.
        if built is None or (PIPELINES in shelf.reads and OWN_RUN.search(built.url)):
            return None
        return relay_rows.build(built)

    def head(self) -> CommitRecord | None:
        shelf, key = self.shelf, self.wanted.key
        if self.wanted.kind == RelayKind.BRANCH and key in shelf.branches:
            return shelf.commit(shelf.branches[key].target)
        if self.wanted.kind == RelayKind.PULL_REQUEST and key in shelf.pulls:
            return shelf.head_of(shelf.pulls[key])
        return None

    def commits(self) -> tuple[CommitRecord, ...]:
        row = self._built()
        hashes = self.shelf.brought.get(self.wanted.key, ()) if row is not None else ()
        named = hashes or ([row.commit] if row is not None else [])
        return tuple(found for each in named if (found := self.shelf.commit(each)))

    def _built(self) -> Any:
        shelf, key = self.shelf, self.wanted.key
        if self.wanted.kind == RelayKind.BUILD:
            return shelf.pipelines.get(key) or shelf.builds.get(key)
        return shelf.deployments.get(key) if self.wanted.kind == RelayKind.DEPLOYMENT else None

    def mentions(self) -> tuple[str, ...]:
        shelf, row = self.shelf, self._built()
        if row is not None:
            refname = getattr(row, "refname", "")
            found = [*shelf.merged.get(row.commit, ()), *([refname] if refname else ())]
        elif self.wanted.kind == RelayKind.BRANCH and self.wanted.key in shelf.branches:
            found = shelf.titles.get(shelf.branches[self.wanted.key].name, [])
        else:
            found = []
        return tuple(dict.fromkeys(found))[:MOST_MENTIONS]

    def beside(self) -> tuple[str, ...]:
        found = self.shelf.titles.get(self._source_branch(), [])
        return tuple(dict.fromkeys(found))[:MOST_MENTIONS]

    def _source_branch(self) -> str:
        """The name of the branch that a pull request is from; "" of all else."""
        is_pull = self.wanted.kind == RelayKind.PULL_REQUEST
        pull = self.shelf.pulls.get(self.wanted.key) if is_pull else None
        return "" if pull is None else pull.source_branch

    def event(self, people: Any, links: CodeLinks) -> RelayEvent:
        record, head, commits = self.record(), self.head(), self.commits()
        name = self._source_branch()
        source = self.shelf.by_name.get(name)
        gone = source.gone_at is not None if source else bool(name) and BRANCHES in self.shelf.reads
        named = {
            carried_key(one)
            for each in (record, head, *commits)
            for one in relay_people.named(each)
        }
        return RelayEvent(
            kind=RelayKind(self.wanted.kind),
            key=self.wanted.key,
            sequence=self.wanted.sequence,
            at=self.wanted.changed_at,
            repository=relay_rows.repository(self.repository, links),
            record=record,
            head=head,
            commits=commits,
            mentions=self.mentions(),
            beside=self.beside(),
            branch_key="" if source is None else source.remote_id,
            branch_gone=gone,
            former=self.wanted.subjects,
            people={key: people[key] for key in named if key in people},
            links=links,
            number=self._number(),
        )

    def _number(self) -> int:
        """The pipeline's, which grows from one to the next; nothing where none is known."""
        row = self._built()
        if isinstance(row, Pipeline):
            return int(row.number)
        if isinstance(row, Deployment):
            return self.shelf.numbers.get(row.pipeline_remote_id, 0)
        return 0
