"""Makes what a repository holds at first from its uuid: the same each time it is asked.

Nothing of it depends on what happens afterwards (people leaving, names, the clock), so that what
nobody has changed may be thrown away and made again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from integrations.sandbox.code import names
from integrations.sandbox.code.contents import Contents
from integrations.sandbox.code.marks import moment
from integrations.sandbox.code.parts import People, Repository, User, Workspace
from integrations.sandbox.code.planting_builds import plant_builds
from integrations.sandbox.code.records import (
    Comment,
    Commit,
    Happening,
    Participant,
    PullRequest,
    Tag,
)

BUSY = 120  # pull requests of a workspace's first repository: more than two pages of fifty
ORDINARY = 22  # others have fewer than this: ten in the middle
RICH = 240  # later repositories have a shorter history, so that ten thousand are soon made
STATES = ("OPEN", "OPEN", "MERGED", "MERGED", "DECLINED", "SUPERSEDED")
STRANGER = "Old laptop <root@localhost.localdomain>"


def plant(world: People, workspace: Workspace, repository: Repository) -> Contents:
    """Return the contents of a repository as they were at the start; none of an empty one."""
    if repository.mainbranch is None:
        return Contents(repository.uuid)
    return Planter(world, workspace, repository, repository.mainbranch).plant()


class Planter:
    """Goes through a repository's history from its beginning."""

    def __init__(
        self, world: People, workspace: Workspace, repository: Repository, main: str
    ) -> None:
        self._contents = Contents(repository.uuid)
        self._number = repository.number
        self._main = main
        self._chance = random.Random(f"{repository.uuid}:contents")
        self._end = datetime.fromisoformat(repository.planted_on)
        found = (world.user(uuid) for uuid in workspace.founders)
        self._people = [user for user in found if user is not None]
        self._count = BUSY if self._number == 0 else self._number % ORDINARY

    def plant(self) -> Contents:
        for age, what, number in sorted(self._timeline(), reverse=True):
            if what == "commit":
                self._contents.branches[self._main] = self._commit(age, self._head()).hash
            elif what == "open":
                self._open(number, age)
            else:
                self._close(self._contents.pull_requests[number], age)
        self._side_branches()
        self._tags()
        builds = (self._number or 12) % (31 if self._number < RICH else 7)
        with_environments = self._number % 3 == 0
        plant_builds(
            self._contents, self._chance, builds, self._main, self._people, with_environments
        )
        return self._contents

    def _timeline(self) -> Iterator[tuple[float, str, int]]:
        """Yield what happened how many days before the end."""
        commits = 15 + self._number % 60 if self._number < RICH else 8 + self._number % 12
        for place in range(commits):
            yield place * 1.5 + 0.25, "commit", 0
        yield self._count + 100.0, "commit", 0  # the first of all
        for number in range(1, self._count + 1):
            age = float(self._count - number)
            yield age + 2.1, "open", number
            if state_of(number) != "OPEN":
                yield age + 0.6, "end", number

    # ── commits ───────────────────────────────────────────────────────────────────────────────

    def _moment(self, age: float) -> str:
        return moment(self._end - timedelta(days=age))

    def _someone(self) -> User:
        return self._chance.choice(self._people)

    def _head(self) -> tuple[str, ...]:
        head = self._contents.branches.get(self._main)
        return () if head is None else (head,)

    def _commit(
        self, age: float, parents: tuple[str, ...], message: str = "", author: User | None = None
    ) -> Commit:
        """Every ninth author or so is nobody whom Bitbucket knows."""
        who = author or self._someone()
        unknown = author is None and self._chance.random() < 0.12
        return self._contents.commit(
            parents=parents,
            raw=STRANGER if unknown else f"{who.display_name} <{who.email}>",
            author="" if unknown else who.uuid,
            message=message or f"{self._chance.choice(names.PULL_REQUESTS)}\n",
            date=self._moment(age),
        )

    def _side_branches(self) -> None:
        for name in names.BRANCHES[: self._number % (len(names.BRANCHES) + 1)]:
            tip = self._head()
            for step in range(self._chance.randrange(3)):
                tip = (self._commit(0.2 - step / 100, tip).hash,)
            self._contents.branches[name] = tip[0]

    def _tags(self) -> None:
        log = self._contents.log(self._head())
        for place in range(self._number % 4 if self._number else 3):
            commit = log[min(len(log) - 1, place * 5)]
            tag = Tag(f"v1.{3 - place}.0", commit.hash)
            if place % 2 == 0:
                tag.message, tag.tagger = f"Release 1.{3 - place}.0\n", self._someone().uuid
                tag.date = commit.date
            self._contents.tags[tag.name] = tag

    # ── pull requests ─────────────────────────────────────────────────────────────────────────

    def _open(self, number: int, age: float) -> None:
        author, base = self._someone(), self._head()
        tip, commits = base, list[str]()
        for step in range(self._chance.randrange(1, 4)):
            tip = (self._commit(age - step / 100, tip).hash,)
            commits.insert(0, tip[0])
        made = PullRequest(
            id=number,
            title=self._chance.choice(names.PULL_REQUESTS),
            description="",
            state="OPEN",
            draft=number % 9 == 0 and state_of(number) == "OPEN",
            author=author.uuid,
            source=f"{self._chance.choice(names.BRANCHES)}-{number}",
            source_hash=tip[0],
            destination=self._main,
            destination_hash=base[0],
            commits=commits,
            created_on=self._moment(age - 0.05),
            updated_on=self._moment(age - 0.05),
            task_count=number % 3,
        )
        self._contents.pull_requests[number] = made
        if state_of(number) == "OPEN":
            self._contents.branches[made.source] = tip[0]
        note(made, "update", made.author, made.created_on)
        self._review(made, age)

    def _review(self, wanted: PullRequest, age: float) -> None:
        people = [user.uuid for user in self._people if user.uuid != wanted.author]
        wanted.reviewers = self._chance.sample(people, min(len(people), wanted.id % 4))
        for place, reviewer in enumerate(wanted.reviewers):
            at = self._moment(age - 0.3 - place / 100)
            said = self._chance.random()
            seen = Participant(reviewer, "REVIEWER")
            if said < 0.7:
                seen.state = "approved" if said < 0.6 else "changes_requested"
                seen.approved, seen.participated_on = said < 0.6, at
                note(wanted, "approval" if said < 0.6 else "changes_requested", reviewer, at)
            wanted.participants.append(seen)
        for place in range(wanted.id % 5):
            self._comment(wanted, self._moment(age - 0.4 - place / 100))

    def _comment(self, wanted: PullRequest, at: str) -> None:
        writer = self._someone().uuid
        self._contents.comments += 1
        number = self._contents.comments
        wanted.comments.append(Comment(number, writer, "Could this fail?", at, at))
        if writer not in {each.user for each in wanted.participants}:
            wanted.participants.append(Participant(writer, "PARTICIPANT", participated_on=at))
        note(wanted, "comment", writer, at, comment=number)

    def _close(self, wanted: PullRequest, age: float) -> None:
        wanted.state = state_of(wanted.id)
        closer = self._someone()
        wanted.closed_by, at = closer.uuid, self._moment(age)
        if wanted.state == "MERGED":
            wanted.destination_hash = self._contents.branches[self._main]
            parents = (wanted.destination_hash, wanted.source_hash)
            text = f"Merged in {wanted.source} (pull request #{wanted.id})\n\n{wanted.title}\n"
            merged = self._commit(age, parents, text, closer)
            wanted.merge_commit = self._contents.branches[self._main] = merged.hash
        note(wanted, "update", wanted.closed_by, at)


def state_of(number: int) -> str:
    return STATES[number % len(STATES)]


def note(wanted: PullRequest, kind: str, user: str, at: str, *, comment: int = 0) -> None:
    """Write a line of activity, which is also when the pull request was last updated."""
    line = Happening(kind, user, at, comment=comment)
    if kind == "update":
        line.state, line.title, line.reason = wanted.state, wanted.title, wanted.reason
        line.source_hash = wanted.source_hash
    wanted.activity.append(line)
    wanted.updated_on = max(wanted.updated_on, at)
