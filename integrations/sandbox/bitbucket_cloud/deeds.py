"""What people and machines do at Bitbucket Cloud, as the control port orders it."""

from __future__ import annotations

from typing import Any, ClassVar

from integrations.sandbox.bitbucket_cloud import rights
from integrations.sandbox.bitbucket_cloud.administering import Administering
from integrations.sandbox.bitbucket_cloud.credentials import actor_of
from integrations.sandbox.bitbucket_cloud.place import Place
from integrations.sandbox.bitbucket_cloud.scene import Scene
from integrations.sandbox.bitbucket_cloud.world import Repository, User, Workspace
from integrations.sandbox.code import deeds
from integrations.sandbox.code.pushing import Pushing
from integrations.sandbox.code.records import Commit, Status

Json = dict[str, Any]


class Deeds(deeds.Deeds[Workspace, Repository, Place, User]):
    """`workspace` is acme where none is named; a bot acts by the name of `app`."""

    FIRST: ClassVar[str] = "acme"
    OWNER: ClassVar[str] = "owner"

    def __init__(self, scene: Scene) -> None:
        pushing = Pushing(scene)
        self.scene = scene
        self.administering = Administering(scene, pushing)
        super().__init__(scene, pushing, self.administering)

    def permit(self, wish: Json) -> Json:
        workspace = self.workspace(wish)
        repository = self.repository(workspace, str(wish["repository"]))
        user = "" if wish.get("group") else self.user(str(wish["user"])).uuid
        group, permission = str(wish.get("group") or ""), wish.get("permission")
        rights.grant(workspace, repository, user=user, group=group, permission=permission)
        return {"repository": repository.slug, "permission": permission}

    def reported(
        self,
        workspace: Workspace,
        repository: Repository,
        actor: User,
        commit: Commit,
        wish: Json,
    ) -> Status:
        """Keep a status that came in over REST."""
        place = self.stage.place(workspace, repository)
        return self.building.status(place, actor, {**wish, "commit": commit.hash})

    def branched(
        self, workspace: Workspace, repository: Repository, actor: User, name: str, start: str
    ) -> None:
        """Make a branch over REST."""
        place = self.stage.place(workspace, repository)
        self.pushing.push(place, actor, {"branch": name, "from": start, "commits": 0})

    def actor(self, workspace: Workspace, wish: Json) -> User:
        if not wish.get("app"):
            return super().actor(workspace, wish)
        bot = actor_of(f"app:{wish['app']}", str(wish["app"]))
        self.scene.world.enter(bot)
        return bot
