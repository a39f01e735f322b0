"""What people and machines do in a vendor's world, as the control port orders it: a path each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from integrations.sandbox.code.building import Building
from integrations.sandbox.code.parts import P, R, Repository, U, User, W, Workspace
from integrations.sandbox.code.pushing import Pushing
from integrations.sandbox.code.reviewing import Reviewing
from integrations.sandbox.code.stage import Stage

Json = dict[str, Any]
W_in = TypeVar("W_in", bound=Workspace, contravariant=True)
R_both = TypeVar("R_both", bound=Repository)
U_in = TypeVar("U_in", bound=User, contravariant=True)


class Administers(Protocol[W_in, R_both, U_in]):
    """What becomes of repositories."""

    def create(self, workspace: W_in, actor: U_in, wish: Json) -> R_both: ...

    def delete(self, workspace: W_in, actor: U_in, repository: R_both) -> None: ...

    def rename(
        self, workspace: W_in, actor: U_in, repository: R_both, slug: str, name: str
    ) -> None: ...


class Deeds(ABC, Generic[W, R, P, U]):
    """Each takes `workspace`, `repository`, `user` (an owner) and its own fields.

    Who or what does not exist is a LookupError, what cannot be a ValueError.
    """

    FIRST: ClassVar[str]
    OWNER: ClassVar[str]

    def __init__(
        self,
        stage: Stage[W, R, P, U],
        pushing: Pushing[W, R, P, U],
        administering: Administers[W, R, U],
    ) -> None:
        self.stage = stage
        self.pushing = pushing
        self.reviewing = Reviewing(stage, pushing)
        self.building = Building(stage)
        self.repositories = administering
        self.by_path: dict[str, Callable[[Json], Json]] = {
            "/push": self.push,
            "/pull-requests": self.review,
            "/statuses": self.report,
            "/pipelines": self.run,
            "/deployments": self.deploy,
            "/permissions": self.permit,
        }

    def push(self, wish: Json) -> Json:
        """Push `commits` to a `branch` (`force`, `from`, `delete`), a `tag`, or more `changes`."""
        return self.pushing.push(*self.whereabouts(wish), wish)

    def review(self, wish: Json) -> Json:
        """`do` create, update, approve, merge and so on to the pull request `id`."""
        place, actor = self.whereabouts(wish)
        return asdict(self.reviewing.do(place, actor, str(wish["do"]), wish))

    def report(self, wish: Json) -> Json:
        """Put a build's `state` under a `key` on a `commit`."""
        return asdict(self.building.status(*self.whereabouts(wish), wish))

    def run(self, wish: Json) -> Json:
        """Run a pipeline on a `branch` to its `result`, or start it (`running`), to end later."""
        return asdict(self.building.pipeline(*self.whereabouts(wish), wish))

    def deploy(self, wish: Json) -> Json:
        """Bring the build of a `pipeline` to an `environment`."""
        return asdict(self.building.deployment(*self.whereabouts(wish), wish))

    @abstractmethod
    def permit(self, wish: Json) -> Json:
        """Grant a `user` or `group` a `permission` on a repository; null takes the grant away."""

    # ── finding things ────────────────────────────────────────────────────────────────────────

    def whereabouts(self, wish: Json) -> tuple[P, U]:
        workspace = self.workspace(wish)
        repository = self.repository(workspace, str(wish["repository"]))
        return self.stage.place(workspace, repository), self.actor(workspace, wish)

    def workspace(self, wish: Json) -> W:
        found = self.stage.workspace(str(wish.get("workspace", self.FIRST)))
        if found is None:
            raise LookupError(f"no workspace {wish.get('workspace')!r}")
        return found

    def repository(self, workspace: W, identifier: str) -> R:
        found = self.stage.repository(workspace, identifier)
        if found is None:
            raise LookupError(f"no repository {identifier!r} in {workspace.slug}")
        return found

    def user(self, identifier: str) -> U:
        found = self.stage.user(identifier)
        if found is None:
            raise LookupError(f"no user {identifier!r}")
        return found

    def actor(self, workspace: W, wish: Json) -> U:
        """Who acts: `user`, or the first owner of the workspace."""
        if wish.get("user"):
            return self.user(str(wish["user"]))
        owners = [name for name, what in workspace.members.items() if what == self.OWNER]
        return self.user((owners or list(workspace.members))[0])
