"""A repository with its contents as the server shows it, and how it was planted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.bitbucket_data_center.render import Writer
from integrations.sandbox.bitbucket_data_center.world import Project, Repository, World
from integrations.sandbox.code import planting
from integrations.sandbox.code.contents import Contents

Json = dict[str, Any]
BUILT_AT = "https://ci.example/"


@dataclass(frozen=True, slots=True)
class Place:
    """One repository with what it holds; `write` knows the server's address."""

    world: World
    project: Project
    repository: Repository
    contents: Contents
    write: Writer

    @property
    def html(self) -> str:
        return f"{self.write.base}/projects/{self.project.key}/repos/{self.repository.slug}"

    def ours(self) -> Json:
        return self.write.repository(self.project, self.repository)

    def person(self, uuid: str) -> Json:
        """A user by the id; raises LookupError."""
        found = self.world.user(uuid)
        if found is None:
            raise LookupError(f"no user {uuid}")
        return self.write.user(found)


def plant(world: World, project: Project, repository: Repository) -> Contents:
    """What a repository holds at first: nothing is superseded here, and another server builds."""
    made = planting.plant(world, project, repository)
    for one in made.pull_requests.values():
        one.state = declined(one.state)
        for line in one.activity:
            line.state = declined(line.state)
    for keyed in made.statuses.values():
        for status in keyed.values():
            if not status.url.startswith("https:"):
                status.url = BUILT_AT + status.url
    return made


def declined(state: str) -> str:
    return "DECLINED" if state == "SUPERSEDED" else state
