"""One REST request as the endpoints see it: who asks, for what, on which server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from integrations.sandbox.bitbucket_data_center.credentials import Registry
from integrations.sandbox.bitbucket_data_center.deeds import Deeds
from integrations.sandbox.bitbucket_data_center.errors import (
    invalid,
    no_project,
    no_repository,
    not_permitted,
)
from integrations.sandbox.bitbucket_data_center.identity import Identity
from integrations.sandbox.bitbucket_data_center.paging import page
from integrations.sandbox.bitbucket_data_center.place import Place
from integrations.sandbox.bitbucket_data_center.render import Writer
from integrations.sandbox.bitbucket_data_center.scene import Scene
from integrations.sandbox.bitbucket_data_center.switches import Switches
from integrations.sandbox.bitbucket_data_center.world import Project, Repository, User, World
from integrations.sandbox.code.building import Building
from integrations.sandbox.http import Request

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """`ids` are the decoded parameters of the path by their name in the route."""

    identity: Identity
    ids: dict[str, str]
    request: Request
    world: World
    registry: Registry
    switches: Switches
    write: Writer
    now: float
    deeds: Deeds

    def first(self, name: str) -> str:
        return self.request.parameters.get(name, [""])[0]

    def body(self) -> Json:
        """The JSON object that was sent. Raises ApiError 400."""
        try:
            found = json.loads(self.request.body or b"{}")
        except ValueError:
            raise invalid("The body is not JSON.") from None
        if not isinstance(found, dict):
            raise invalid("The body is not an object.")
        return found

    def somebody(self) -> Identity:
        """Who asks; raises ApiError 401 for a stranger."""
        if self.identity.is_stranger:
            raise not_permitted()
        return self.identity

    def project(self) -> Project:
        """The project of the path. A hidden one is refused with 401, a missing one is not found."""
        project = self.world.project(self.ids["projectKey"])
        if project is None:
            raise no_project(self.ids["projectKey"])
        if not self.identity.sees_project(project):
            raise not_permitted()
        return project

    def repository(self) -> tuple[Project, Repository]:
        """The repository of the path. One that may not be seen is not found."""
        project, slug = self.project(), self.ids["repositorySlug"]
        found = project.repository(slug)
        if found is None or not self.identity.sees(project, found):
            raise no_repository(project.key, slug)
        return project, found

    @property
    def scene(self) -> Scene:
        return self.deeds.scene

    @property
    def building(self) -> Building[Project, Repository, Place, User]:
        return self.deeds.building

    def place(self, *, changing: bool = False) -> Place:
        """The repository of the path with what it holds."""
        found = self.repository()
        return self.scene.place(*found) if changing else self.scene.look(*found)

    def page(
        self,
        things: list[T],
        write: Callable[[T], Json],
        is_seen: Callable[[T], bool] = lambda thing: True,
    ) -> Json:
        return page(
            things,
            self.request.parameters,
            most=self.switches.page_limit,
            is_seen=is_seen,
            write=write,
        )
