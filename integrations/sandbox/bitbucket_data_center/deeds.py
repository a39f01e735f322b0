"""What people and machines do on the server, as the control port orders it."""

from __future__ import annotations

from typing import Any, ClassVar

from integrations.sandbox.bitbucket_data_center import payloads, rights
from integrations.sandbox.bitbucket_data_center.administering import Administering
from integrations.sandbox.bitbucket_data_center.place import Place
from integrations.sandbox.bitbucket_data_center.scene import Scene
from integrations.sandbox.bitbucket_data_center.world import (
    FIRST_PROJECT,
    Project,
    Repository,
    User,
)
from integrations.sandbox.code import deeds
from integrations.sandbox.code.pushing import Pushing

Json = dict[str, Any]


class Deeds(deeds.Deeds[Project, Repository, Place, User]):
    """`workspace` is a project's key, PAY where none is named."""

    FIRST: ClassVar[str] = FIRST_PROJECT
    OWNER: ClassVar[str] = "PROJECT_ADMIN"

    def __init__(self, scene: Scene) -> None:
        pushing = Pushing(scene)
        self.scene = scene
        self.administering = Administering(scene, pushing)
        super().__init__(scene, pushing, self.administering)
        self.by_path |= {"/mirrors": self.mirror}

    def permit(self, wish: Json) -> Json:
        project = self.workspace(wish)
        repository = self.repository(project, str(wish["repository"]))
        user = "" if wish.get("group") else self.user(str(wish["user"])).name
        group, permission = str(wish.get("group") or ""), wish.get("permission")
        rights.grant(project, repository, user=user, group=group, permission=permission)
        return {"repository": repository.slug, "permission": permission}

    def administer(self, wish: Json) -> Json:
        """`create` one, `delete` slugs, `rename` one, `transfer` one `to` another project."""
        project = self.workspace(wish)
        actor = self.actor(project, wish)
        if wish.get("create"):
            self.administering.create(project, actor, {"slug": wish["create"], **wish})
        for slug in wish.get("delete", ()):
            self.administering.delete(project, actor, self.repository(project, slug))
        if wish.get("rename"):
            found = self.repository(project, str(wish["rename"]))
            slug = str(wish.get("new_slug", found.slug))
            self.administering.rename(project, actor, found, slug, str(wish.get("name", slug)))
        if wish.get("transfer"):
            found = self.repository(project, str(wish["transfer"]))
            target = self.workspace({"workspace": wish["to"]})
            self.administering.transfer(project, actor, found, target)
        return {"workspace": project.key, "repositories": len(project.repositories)}

    def mirror(self, wish: Json) -> Json:
        """A mirror has taken up the main branch; with `too_much`, more than it names."""
        place, actor = self.whereabouts(wish)
        what = payloads.mirrored(place, bool(wish.get("too_much")))
        self.scene.tell_of(place, "mirror:repo_synchronized", actor, **what)
        return {"repository": place.repository.slug}
