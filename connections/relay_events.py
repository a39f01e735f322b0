"""What travels from a linked connection: its things as they stand, with who did them.

`contracts` hands these words on: rooms import them from there. No Django here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote

from connections.code_records import (
    BranchRecord,
    BuildRecord,
    CommitRecord,
    DeploymentRecord,
    Person,
    PipelineRecord,
    PullRequestRecord,
)
from connections.records import RepositoryRecord


class RelayKind(StrEnum):
    """What can travel. A push is its commits and its branch, a review is in its pull request."""

    COMMIT = "commit"
    BRANCH = "branch"
    PULL_REQUEST = "pull_request"
    BUILD = "build"
    DEPLOYMENT = "deployment"


RelayRecord = (
    CommitRecord
    | BranchRecord
    | PullRequestRecord
    | BuildRecord
    | PipelineRecord
    | DeploymentRecord
)


@dataclass(frozen=True, slots=True)
class CodeLinks:
    """Where a source shows things to people, as templates; empty where there is no such page.

    {repository} is the repository's address without `ending`, {root} what `root` matches of it,
    the product's own address; {branch}, {hash}, {number}, {issue} and {summary} are filled in
    percent-encoded. `new_branch_in` knows {id}, the repository's, {start} and {name} besides.
    """

    repository: str = ""  # by {base}, {workspace} and {slug}, where its record has no address
    branch: str = ""
    commit: str = ""
    pull_request: str = ""
    new_pull_request: str = ""
    new_branch: str = ""  # for a person who stands at an issue
    new_branch_in: str = ""  # the same once a repository is chosen
    ending: str = ""
    root: str = r"https?://[^/?#]+"

    def filled(self, template: str, repository_url: str, **parts: str) -> str:
        """The address; empty without a template or a repository's address to begin with."""
        found = re.match(self.root, repository_url)
        if not template or found is None:
            return ""
        quoted = {name: quote(value, safe="/") for name, value in parts.items()}
        start = repository_url.removesuffix("/").removesuffix(self.ending)
        return template.format(repository=start, root=found[0], **quoted)

    def sibling(self, repository_url: str, full_name: str) -> str:
        """The address of another repository of the same product; empty where it cannot be told."""
        found = re.match(self.root, repository_url)
        workspace, _, slug = full_name.partition("/")
        if not self.repository or found is None or not slug:
            return ""
        names = {"workspace": quote(workspace), "slug": quote(slug)}
        return self.repository.format(base=found[0], **names)


NO_LINKS = CodeLinks()


@dataclass(frozen=True, slots=True)
class Carried:
    """A person as they travel: who they are at the source, their e-mail, their id at the target."""

    person: Person
    email: str = ""
    target_id: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file of a commit; `change` is added, copied, deleted, modified, moved or unknown."""

    path: str
    change: str = "modified"
    added: int = 0
    removed: int = 0
    url: str = ""


@dataclass(frozen=True, slots=True)
class RelayEvent:
    """The latest state of one thing at the source, on its way to one target.

    `key` is the record's remote id, which outlives it: without `record` the thing is gone there.
    `sequence` grows with each change. `former` are the subjects it may hang on by now.

    `head` is the commit a branch or a pull request's source stands at, where it is known, and
    `commits` are those that a build or a deployment is of. `mentions` are other texts that may name
    subjects: the titles of a branch's pull requests, the title of the one that was built. `beside`
    are the titles of all pull requests of the branch that a pull request is from; `branch_key` is
    that branch's own key where it is known here, and `branch_gone` that it is there no more.
    `people` holds what more is known of a person, by `carried_key`. `number` is whole, grows, and
    is a build's own in its repository, where the record has none.
    """

    kind: RelayKind
    key: str
    sequence: int
    at: datetime
    repository: RepositoryRecord
    record: RelayRecord | None = None
    head: CommitRecord | None = None
    commits: tuple[CommitRecord, ...] = ()
    mentions: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    branch_key: str = ""
    branch_gone: bool = False
    former: tuple[str, ...] = ()
    people: Mapping[str, Carried] = field(default_factory=dict)
    links: CodeLinks = NO_LINKS
    number: int = 0
    files: tuple[ChangedFile, ...] = ()
    file_count: int = 0

    def carried(self, person: Person) -> Carried:
        """The person with all that is known of them."""
        known = self.people.get(carried_key(person))
        return known or Carried(person, email=person.email)


def carried_key(person: Person) -> str:
    """What tells a person from others in `RelayEvent.people`."""
    return person.remote_id or person.email.casefold()
