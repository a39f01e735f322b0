"""One request below /api/http as the endpoints see it: who asks, for what, and where."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from integrations.sandbox.http import Request
from integrations.sandbox.jetbrains_space.batches import batch
from integrations.sandbox.jetbrains_space.credentials import App, Registry
from integrations.sandbox.jetbrains_space.errors import denied, invalid, no
from integrations.sandbox.jetbrains_space.identity import Principal
from integrations.sandbox.jetbrains_space.rights import OF_PROJECTS
from integrations.sandbox.jetbrains_space.switches import Switches
from integrations.sandbox.jetbrains_space.world import Profile, Project, World

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """`ids` are the decoded parameters of the path by their name in the route."""

    who: Principal
    ids: dict[str, str]
    request: Request
    world: World
    registry: Registry
    switches: Switches
    now: float

    def first(self, name: str) -> str:
        return self.request.parameters.get(name, [""])[0]

    def body(self) -> Json:
        """The JSON object that was sent. Raises ApiError 400."""
        try:
            found = json.loads(self.request.body or b"{}")
        except ValueError:
            raise invalid("The body is not JSON") from None
        if not isinstance(found, dict):
            raise invalid("The body is not an object")
        return found

    def require(self, code: str, project: Project | None = None) -> None:
        if not self.who.may(code, project):
            raise denied(code)

    def project(self) -> Project:
        """The project of the path; one that may not be seen is refused."""
        found = self.world.project(self.ids["project"])
        if found is None:
            raise no("Project", self.ids["project"])
        self.require("Project.View", found)
        return found

    def profile(self, name: str = "profile") -> Profile:
        """The person of the path; `me` is who asks, which an application is not."""
        wanted = self.ids[name]
        found = self.who.profile if wanted == "me" else self.world.profile(wanted)
        if found is None:
            raise no("Profile", wanted)
        return found

    def app(self) -> App:
        """The application of the path; `me` is the one that asks."""
        wanted = self.ids["application"]
        found = self.who.app if wanted == "me" else self.registry.app(wanted)
        if found is None:
            raise no("Application", wanted)
        if found is not self.who.app:
            self.require("Applications.View")
        return found

    def batch(self, things: Sequence[T], write: Callable[[T], Json]) -> Json:
        return batch(
            things,
            write,
            self.request.parameters,
            most=self.switches.page_limit,
            next_at_end=self.switches.next_at_end,
        )

    def seen(self, code: str) -> list[Project]:
        """The projects where who asks has the right. Raises ApiError where no scope names it."""
        if code in OF_PROJECTS and not self.who.may_somewhere(code):
            raise denied(code)
        return [each for each in self.world.projects.values() if self.who.may(code, each)]
