"""What a connector reads, from where, and how little of it: streams, containers, questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connections.calls import Api
from connections.records import Page, Record, RepositoryRecord, WorkspaceRecord

Fields = Mapping[str, str]


class Level(StrEnum):
    """What a stream hangs on."""

    WORKSPACE = "workspace"
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True)
class Container:
    """Where a stream is read: a workspace, or one repository in it."""

    workspace: WorkspaceRecord
    repository: RepositoryRecord | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What is wanted of a page.

    `checkpoint` None is the first page. With `since`, only what changed after it, where the stream
    is `incremental`. `etag` is that of the first page as it was held last; an answer that nothing
    changed is a page with `unchanged`. `known` is held already: of commits, those whose ancestors
    are too; of pipelines, the ids of those that ended. `commits` are full hashes: those that a
    stream `by_commit` is about, or the heads from which `commits` goes back, where none stands for
    the main branch's. They stay the same from the first page to the last.
    """

    checkpoint: str | None = None
    since: datetime | None = None
    etag: str = ""
    known: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record, read from each container page by page.

    `page` fetches exactly one page. `capability` is the key of the capability it needs; a
    connection without it skips the stream and says so. `default` streams are chosen unless a person
    chooses otherwise. An `incremental` one leaves out what did not change since `Ask.since`, so
    that absence from it is no evidence; so does one `by_commit`, which reads of each of
    `Ask.commits` alone, and nothing when there are none.
    """

    key: str
    title: str
    capability: str
    record: type[Record]
    page: Callable[[Api, Container, Fields, Ask], Page]
    level: Level = Level.WORKSPACE
    required: bool = False
    incremental: bool = False
    by_commit: bool = False
    default: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """One thing whose present state is wanted: a stream's key, and the record's id in it.

    An empty `key` is the whole stream of that container, as little of it as `Ask` allows.
    """

    stream: str
    key: str = ""
