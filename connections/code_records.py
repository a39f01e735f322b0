"""Records of code and what happens to it: branches, commits, reviews, builds, deployments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the vendor knows them; `remote_id` is empty where only a commit names them."""

    remote_id: str = ""
    name: str = ""
    email: str = ""
    url: str = ""


NOBODY = Person()


@dataclass(frozen=True, slots=True)
class BranchRecord:
    """A branch or a tag, and the commit it stands at; `remote_id` is kind and name.

    `is_main` where a list of branches is what tells the main one.
    """

    remote_id: str
    kind: str  # "branch" or "tag"
    name: str
    target: str
    committed_at: datetime | None = None
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """A commit; `remote_id` is its full hash. `author` may be nobody that the vendor knows.

    `committer` is nobody where the vendor does not tell who that was.
    """

    remote_id: str
    parents: tuple[str, ...] = ()
    message: str = ""
    author: Person = NOBODY
    committed_at: datetime | None = None
    url: str = ""
    committer: Person = NOBODY


class PullsSaid(StrEnum):
    """What the vendor answers when asked which pull requests a commit came by."""

    KNOWN = "known"
    INDEXING = "indexing"  # it looks; ask again later
    ABSENT = "absent"  # it does not keep this for that repository


@dataclass(frozen=True, slots=True)
class CommitPullsRecord:
    """The pull requests that brought a commit; `remote_id` is its full hash.

    Without `said` known, `numbers` is empty and nothing is known.
    """

    remote_id: str
    said: PullsSaid
    numbers: tuple[int, ...] = ()


class Verdict(StrEnum):
    """What a reviewer says of a pull request now."""

    NONE = ""
    APPROVED = "approved"
    CHANGES = "changes_requested"


@dataclass(frozen=True, slots=True)
class Participation:
    """One person's part in a pull request; `at` is when they said so, where the vendor tells."""

    person: Person
    reviewer: bool = False
    verdict: Verdict = Verdict.NONE
    at: datetime | None = None


class PullState(StrEnum):
    OPEN = "open"
    MERGED = "merged"
    DECLINED = "declined"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class PullRequestRecord:
    """A pull request as it stands; `remote_id` is its number, `version` grows where there is one.

    `closed_by` merged or declined it. Hashes may be shortened, as the vendor gives them.
    `comments` is how many there are.
    """

    remote_id: str
    number: int
    title: str
    state: PullState
    author: Person = NOBODY
    closed_by: Person = NOBODY
    participants: tuple[Participation, ...] = ()
    draft: bool = False
    source_branch: str = ""
    source_hash: str = ""
    source_repository: str = ""
    destination_branch: str = ""
    destination_hash: str = ""
    merge_hash: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    closed_at: datetime | None = None
    version: int = 0
    comments: int = 0
    url: str = ""


class BuildState(StrEnum):
    """What a build, pipeline or deployment came to, in words that every vendor's fit."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What some build system says of a commit; `remote_id` is the commit's hash and the key."""

    remote_id: str
    commit: str
    key: str
    name: str
    state: BuildState
    url: str = ""
    refname: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    name: str
    state: BuildState
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class PipelineRecord:
    """A run of the vendor's own build system.

    Steps cost a request each time: none are here when they were not asked for.
    """

    remote_id: str
    number: int
    state: BuildState
    commit: str = ""
    refname: str = ""
    trigger: str = ""
    creator: Person = NOBODY
    steps: tuple[StepRecord, ...] = ()
    created_at: datetime | None = None
    completed_at: datetime | None = None
    seconds: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """What went to which environment, and how it ended."""

    remote_id: str
    environment: str
    state: BuildState
    environment_kind: str = ""
    commit: str = ""
    pipeline_remote_id: str = ""
    by: Person = NOBODY
    started_at: datetime | None = None
    completed_at: datetime | None = None
    updated_at: datetime | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A group of people at the vendor, with its permission on the workspace where it says so."""

    remote_id: str
    name: str
    permission: str = ""


@dataclass(frozen=True, slots=True)
class PermissionRecord:
    """Who may do what with one repository; `remote_id` is the subject's kind and id."""

    remote_id: str
    subject_kind: str  # "user" or "group"
    subject_remote_id: str
    subject_name: str
    permission: str
