"""What one repository holds, and the questions that its graph of commits answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from integrations.sandbox.code.records import (
    Commit,
    Deployment,
    Environment,
    Pipeline,
    PullRequest,
    Status,
    Tag,
)

SHORTEST_HASH = 7


@dataclass(slots=True)
class Contents:
    """Commits stand in the order of their arrival, parents first, and are never forgotten.

    What no ref reaches any more is still found by its hash, as at Bitbucket before it is collected.
    """

    repository: str
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    statuses: dict[str, dict[str, Status]] = field(default_factory=dict)
    pipelines: list[Pipeline] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    comments: int = 0

    def commit(
        self, *, parents: Iterable[str], raw: str, author: str, message: str, date: str
    ) -> Commit:
        """Add a commit; its hash follows from all of it and its place."""
        ancestors = tuple(parents)
        parts = (self.repository, len(self.commits), *ancestors, raw, message, date)
        mark = hashlib.sha1(repr(parts).encode(), usedforsecurity=False).hexdigest()
        made = self.commits[mark] = Commit(mark, ancestors, raw, author, message, date)
        return made

    def reachable(self, tips: Iterable[str]) -> set[str]:
        """Return the hashes of these commits and of all their ancestors."""
        found: set[str] = set()
        waiting = list(tips)
        while waiting:
            mark = waiting.pop()
            if mark in self.commits and mark not in found:
                found.add(mark)
                waiting.extend(self.commits[mark].parents)
        return found

    def log(self, include: Iterable[str], exclude: Iterable[str] = ()) -> list[Commit]:
        """Return the commits behind `include` and not behind `exclude`, newest first."""
        wanted = self.reachable(include) - self.reachable(exclude)
        return [commit for mark, commit in reversed(self.commits.items()) if mark in wanted]

    def heads(self) -> list[str]:
        return [*self.branches.values(), *(tag.target for tag in self.tags.values())]

    def find(self, revision: str) -> Commit | None:
        """Return the commit that a branch, a tag, a hash or the beginning of one names."""
        if revision in self.branches:
            return self.commits[self.branches[revision]]
        if revision in self.tags:
            return self.commits[self.tags[revision].target]
        if revision in self.commits or len(revision) < SHORTEST_HASH:
            return self.commits.get(revision)
        return next((c for mark, c in self.commits.items() if mark.startswith(revision)), None)

    def status(self, status: Status) -> None:
        """Keep a status in place of an earlier one with its key."""
        self.statuses.setdefault(status.commit, {})[status.key] = status

    def reviewed_in(self, mark: str) -> list[PullRequest]:
        """Return the pull requests that brought a commit, or whose merge it is."""
        return [
            found
            for found in self.pull_requests.values()
            if mark in found.commits or mark == found.merge_commit
        ]
