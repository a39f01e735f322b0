"""Commands that people give a target in commits' messages, and who else writes to it.

`contracts` hands these words on: rooms import them from there. No Django here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connections.code_records import CommitRecord
from connections.records import HookRecord, WorkspaceRecord
from connections.relay_events import Carried
from connections.relay_words import Reach


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
