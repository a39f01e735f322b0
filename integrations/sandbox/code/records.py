"""What a repository holds, one record for each thing; people stand in it by their uuid."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Commit:
    """`raw` is the author as git has it; `author` is empty when no account has that address."""

    hash: str
    parents: tuple[str, ...]
    raw: str
    author: str
    message: str
    date: str


@dataclass(slots=True)
class Tag:
    """An annotated tag has a message, a tagger and a date of its own."""

    name: str
    target: str
    message: str | None = None
    tagger: str = ""
    date: str | None = None


@dataclass(slots=True)
class Participant:
    user: str
    role: str
    approved: bool = False
    state: str | None = None  # approved, changes_requested or nothing
    participated_on: str | None = None


@dataclass(slots=True)
class Comment:
    id: int
    user: str
    raw: str
    created_on: str
    updated_on: str


@dataclass(slots=True)
class Happening:
    """One line of a pull request's activity: update, approval, changes_requested or comment.

    `comment` is the comment's number; `state` and `title` are those that an update left behind.
    """

    kind: str
    user: str
    date: str
    state: str = ""
    title: str = ""
    reason: str = ""
    source_hash: str = ""
    comment: int = 0


@dataclass(slots=True)
class PullRequest:
    """`commits` are those of the source that the destination lacked, newest first."""

    id: int
    title: str
    description: str
    state: str
    draft: bool
    author: str
    source: str
    source_hash: str
    destination: str
    destination_hash: str
    commits: list[str]
    created_on: str
    updated_on: str
    reviewers: list[str] = field(default_factory=list)
    participants: list[Participant] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    activity: list[Happening] = field(default_factory=list)
    merge_commit: str = ""
    closed_by: str = ""
    reason: str = ""
    close_source_branch: bool = True
    task_count: int = 0


@dataclass(slots=True)
class Status:
    """A build's word on one commit; the same key again overwrites it."""

    commit: str
    key: str
    state: str
    name: str
    description: str
    url: str
    refname: str | None
    created_on: str
    updated_on: str


@dataclass(slots=True)
class Step:
    uuid: str
    name: str
    state: str
    result: str
    started_on: str
    completed_on: str


@dataclass(slots=True)
class Pipeline:
    """`state` is PENDING, IN_PROGRESS or COMPLETED; a completed one has a `result`."""

    uuid: str
    build_number: int
    creator: str
    ref_type: str
    ref_name: str
    commit: str
    trigger: str
    state: str
    result: str
    created_on: str
    completed_on: str
    seconds: int
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Environment:
    uuid: str
    name: str
    kind: str


@dataclass(slots=True)
class Deployment:
    """What was brought where, by which pipeline, and how that went."""

    uuid: str
    number: int
    environment: str
    pipeline: str
    step: str
    commit: str
    release: str
    state: str
    status: str
    deployer: str
    started_on: str
    completed_on: str


@dataclass(slots=True)
class Hook:
    """A webhook subscription. `secret` leaves this process as a signature only."""

    uuid: str
    url: str
    description: str
    active: bool
    events: list[str]
    secret: str
    created_at: str
