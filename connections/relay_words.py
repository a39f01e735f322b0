"""What travels from a linked connection to a target, and what a connector does to take it there.

`contracts` hands these words on: rooms import them from there. No Django here. The core knows
events, keys and outcomes; the vendor's limits, ids and bodies are the connector's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable
from urllib.parse import quote

from connections.calls import Api
from connections.code_records import (
    BranchRecord,
    BuildRecord,
    CommitRecord,
    DeploymentRecord,
    Person,
    PipelineRecord,
    PullRequestRecord,
)
from connections.methods import Method
from connections.records import HookRecord, RepositoryRecord, WorkspaceRecord


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


# ── What the source says ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class CodeLinks:
    """Where a source shows things to people, as templates; empty where there is no such page.

    {repository} is the repository's address without `ending`, {root} what `root` matches of it,
    the product's own address; {branch}, {hash}, {number}, {issue} and {summary} are filled in
    percent-encoded.
    """

    branch: str = ""
    commit: str = ""
    pull_request: str = ""
    new_pull_request: str = ""
    new_branch: str = ""  # for a person who stands at an issue
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
    `sequence` grows with each change. `former` are the subjects it was last sent with.

    `head` is the commit a branch or a pull request's source stands at, where it is known, and
    `commits` are those that a build or a deployment is of. `mentions` are other texts that may name
    subjects: the titles of a branch's pull requests, the title of the one that was built.
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
    former: tuple[str, ...] = ()
    people: Mapping[str, Carried] = field(default_factory=dict)
    links: CodeLinks = NO_LINKS
    number: int = 0
    files: tuple[ChangedFile, ...] = ()
    file_count: int = 0
    comment_count: int = 0

    def carried(self, person: Person) -> Carried:
        """The person with all that is known of them."""
        known = self.people.get(carried_key(person))
        return known or Carried(person, email=person.email)


def carried_key(person: Person) -> str:
    """What tells a person from others in `RelayEvent.people`."""
    return person.remote_id or person.email.casefold()


# ── What a target's manifest says ─────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RelayWay:
    """One way of writing to the target; the first whose capability a connection has is taken.

    `loses` says in a sentence what a person does not get by this way. Where `obeys`, the target
    itself runs the commands that it finds in commits, so that we must not. `by_mark` ways erase
    all of a link at once.
    """

    key: str
    title: str
    capability: str
    kinds: tuple[RelayKind, ...]
    loses: str = ""
    obeys: bool = False
    by_mark: bool = True


@dataclass(frozen=True, slots=True)
class RelayOption:
    """A switch of a link; the core leaves `kinds` out when it is off."""

    key: str
    title: str
    help: str = ""
    default: bool = True
    kinds: tuple[RelayKind, ...] = ()


@dataclass(frozen=True, slots=True)
class RelayRules:
    """That a connector is a target, and of what. `batch` events at once give the fewest requests.

    `subject` is what an event hangs on over there, such as an issue, and `container` where it
    lives. `pattern` finds a subject's name in a text, for pages only. `commands` is the key of the
    capability that commands in commits need, empty where the target takes none, and
    `commands_option` the option that turns them on.
    """

    ways: tuple[RelayWay, ...]
    options: tuple[RelayOption, ...] = ()
    subject: str = "issue"
    subjects: str = "issues"
    pattern: str = ""
    batch: int = 100
    commands: str = ""
    commands_option: str = ""

    def way(self, key: str) -> RelayWay:
        """The way with this key; KeyError when there is none."""
        for way in self.ways:
            if way.key == key:
                return way
        raise KeyError(key)


# ── What a connector makes of it ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Reach:
    """A target as it is reached: an authorised client, and where in it."""

    api: Api
    destination: WorkspaceRecord
    fields: Mapping[str, str]
    method: Method


@dataclass(frozen=True, slots=True)
class Parcel:
    """Events that travel in one request; `name` says in words what it asks of the target.

    `verb`, `path` and `body` are the request as it would be sent, for a dry run and for tests.
    """

    name: str
    events: tuple[RelayEvent, ...]
    verb: str
    path: str
    body: object = field(default=None, repr=False)
    withdraws: bool = False


@dataclass(frozen=True, slots=True)
class Packing:
    """All that is to be sent, in its order, and the events of which nothing has to be."""

    parcels: tuple[Parcel, ...]
    idle: tuple[RelayEvent, ...] = ()

    @property
    def requests(self) -> int:
        return len(self.parcels)


class Outcomes(StrEnum):
    """What became of one event at the target."""

    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"
    UNKNOWN_SUBJECT = "unknown_subject"  # none of its subjects is known there
    REFUSED = "refused"  # for good; `detail` says why


@dataclass(frozen=True, slots=True)
class Told:
    """The target's word on one event: `subjects` it now hangs on, `unknown` ones it named."""

    event: RelayEvent
    outcome: Outcomes
    detail: str = ""
    subjects: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a parcel: one word for each of its events, and what it cost.

    It may have taken more `requests` than one, where the target refused it for its size or for
    one of its events. `request` is the last one, without query.
    """

    told: tuple[Told, ...]
    status: int
    request: str
    latency_seconds: float = 0.0
    requests: int = 1


@runtime_checkable
class Relays(Protocol):
    """A connector that things travel to. `subjects` and `pack` are pure.

    `mark` is the link's own and goes with all that is written, so that `erase` finds it. `options`
    are the keys of options that are on. `back_fill` keeps the target from acting on what is long
    past. `send`, `erase` and `remains` raise what `judge` names, when nothing at all was taken.
    """

    def subjects(self, event: RelayEvent) -> tuple[str, ...]:
        """What the event hangs on at the target; none when it names none or is gone."""
        ...

    def pack(
        self,
        events: Sequence[RelayEvent],
        *,
        way: str,
        mark: str,
        options: frozenset[str] = frozenset(),
        back_fill: bool = False,
    ) -> Packing:
        """The fewest requests that bring these; of two with one kind and key, the later counts.

        An event without subjects that was sent `former`ly is taken back.
        """
        ...

    def send(self, reach: Reach, parcel: Parcel) -> Sent: ...

    def erase(self, reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()) -> None:
        """The target is told to forget all that bears the mark.

        `known` are the sent events, whose `former` subjects tell where they hang. They are looked
        at only where the way cannot erase by mark.
        """
        ...

    def remains(
        self, reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()
    ) -> bool:
        """Whether anything that bears the mark is still there."""
        ...

    def preview(
        self, events: Sequence[RelayEvent], *, destination: WorkspaceRecord
    ) -> tuple[SubjectPanel, ...]:
        """What people will see at each subject of these events, newest subject first."""
        ...


# ── What people would see at the target ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One line; `state` is the target's word, `tone` plain, good, warning or danger."""

    kind: RelayKind
    name: str
    title: str
    url: str = ""
    state: str = ""
    tone: str = "plain"
    who: str = ""
    at: datetime | None = None
    repository: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PanelSection:
    """What the target shows closed, such as "2 commits", and open: its rows, newest first."""

    kind: RelayKind
    summary: str
    rows: tuple[PanelRow, ...]
    note: str = ""  # beside the summary, such as "1 day ago" is at Jira: a state or nothing
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SubjectPanel:
    """One subject with all that would show there; `new_branch` begins a branch for it."""

    subject: str
    url: str
    sections: tuple[PanelSection, ...]
    new_branch: str = ""


# ── Commands in commits ───────────────────────────────────────────────────────────────────────


class CommandKind(StrEnum):
    COMMENT = "comment"
    WORKLOG = "worklog"
    TRANSITION = "transition"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a commit's message for one subject.

    `index` is its place among all of the message: with the commit's hash it says that a command
    was run. `word` is as it was written, `text` all that follows it.
    """

    index: int
    subject: str
    kind: CommandKind
    word: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """A command to be run, with the commit it stands in and who wrote that.

    `again` says that an earlier run was cut off: what it may have done is looked for first.
    """

    command: Command
    commit: CommitRecord
    author: Carried
    again: bool = False


@dataclass(frozen=True, slots=True)
class Deed:
    """What came of a command; `detail` is a sentence for the author when it was not done."""

    done: bool
    detail: str = ""


@runtime_checkable
class RunsCommands(Protocol):
    """A target that takes commands from commits' messages. `commands` is pure.

    `run` raises what `judge` names where it may be tried again.
    """

    def commands(self, message: str) -> tuple[Command, ...]: ...

    def run(self, reach: Reach, order: Order) -> Deed: ...


@runtime_checkable
class FindsDoubles(Protocol):
    """A target that the source's vendor may write to by itself."""

    def doubles(
        self, destination: WorkspaceRecord, hooks: Iterable[HookRecord]
    ) -> tuple[HookRecord, ...]:
        """Those of a repository's or a workspace's hooks that bring the same there already."""
        ...
