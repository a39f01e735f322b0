"""One API request as the endpoints see it: who asks, for what, in which world."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from integrations.sandbox.bitbucket_cloud.errors import (
    failure,
    forbidden,
    gone,
    not_found,
    unauthenticated,
)
from integrations.sandbox.bitbucket_cloud.identity import INVALID, Identity
from integrations.sandbox.bitbucket_cloud.place import Place
from integrations.sandbox.bitbucket_cloud.subscriptions import Subscriptions
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.bitbucket_cloud.world import RANKS, Repository, User, Workspace, World
from integrations.sandbox.code.contents import Contents
from integrations.sandbox.code.library import Library
from integrations.sandbox.code.records import Commit, Status

Json = dict[str, Any]


class Reporter(Protocol):
    """Who takes what a build server reports, and makes branches."""

    def reported(
        self,
        workspace: Workspace,
        repository: Repository,
        actor: User,
        commit: Commit,
        wish: Json,
    ) -> Status: ...

    def branched(
        self, workspace: Workspace, repository: Repository, actor: User, name: str, start: str
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """`ids` are the decoded path parameters by their name in the route's template."""

    identity: Identity
    ids: dict[str, str]
    parameters: dict[str, list[str]]
    origin: str
    world: World
    switches: Switches
    library: Library[Workspace, Repository]
    subscriptions: Subscriptions
    deeds: Reporter
    form: dict[str, list[str]]
    body: bytes = b""

    def first(self, name: str, default: str = "") -> str:
        return self.parameters.get(name, [default])[0]

    def person(self) -> User:
        """Return who calls. Raises ApiError 401 for nobody, 403 for an access token."""
        if self.identity.user is None:
            raise unauthenticated(INVALID)
        if self.identity.is_access_token:
            raise forbidden("This endpoint is not available to access tokens.")
        return self.identity.user

    def workspace(self) -> Workspace:
        """Return the workspace in the path, when the caller is in it. Raises ApiError."""
        identifier = self.ids["workspace"]
        workspace = self.world.workspace(identifier)
        if workspace is None or self.identity.membership(workspace) is None:
            raise not_found(f"No workspace with identifier '{identifier}'.")
        return workspace

    def listed_workspace(self) -> Workspace:
        """Return the workspace whose repositories are asked for; outsiders see the public ones."""
        identifier = self.ids["workspace"]
        workspace = self.world.workspace(identifier)
        if workspace is None:
            raise not_found(f"No workspace with identifier '{identifier}'.")
        if workspace.slug in self.world.suspended:
            raise gone("The owner of this account was marked as spam")
        return workspace

    def repository(self, needs: str = "read") -> tuple[Workspace, Repository]:
        """Return the repository in the path. One that may not be seen is not found."""
        workspace = self.world.workspace(self.ids["workspace"])
        repository = workspace.repository(self.ids["repo_slug"]) if workspace else None
        may = self.identity.permission(workspace, repository) if workspace and repository else None
        if workspace is None or repository is None or may is None:
            raise not_found(f"Repository {self.ids['workspace']}/{self.ids['repo_slug']} not found")
        if RANKS[may] < RANKS[needs]:
            raise forbidden()
        return workspace, repository

    def contents(self) -> Contents:
        return self.library.read(*self.repository())

    def place(self) -> Place:
        """Return the repository in the path with what it holds, to be shown."""
        workspace, repository = self.repository()
        contents = self.library.read(workspace, repository)
        return Place(self.world, workspace, repository, contents, self.origin)

    def json(self) -> Json:
        """Return the JSON object of the body. Raises ApiError 400."""
        try:
            value: object = json.loads(self.body)
        except ValueError as error:
            raise failure(400, "Bad request", detail="The body is not JSON.") from error
        if not isinstance(value, dict):
            raise failure(400, "Bad request", detail="The body is not a JSON object.")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return a query parameter that is one of these words, or empty. Raises ApiError 400."""
        value = self.first(name)
        if value and value not in choices:
            raise failure(400, f"Invalid value for {name}")
        return value
