"""What becomes of repositories: made, deleted, renamed, moved to another workspace."""

from __future__ import annotations

import re
from typing import Any

from integrations.sandbox.bitbucket_cloud import payloads
from integrations.sandbox.bitbucket_cloud.place import Place
from integrations.sandbox.bitbucket_cloud.scene import Scene
from integrations.sandbox.bitbucket_cloud.world import Repository, User, Workspace
from integrations.sandbox.code.marks import identifier
from integrations.sandbox.code.pushing import Pushing

Json = dict[str, Any]
SLUG = re.compile(r"[a-z0-9._-]{1,62}")


class Administering:
    """Each deed tells the hooks of the repository and of its workspace."""

    def __init__(self, scene: Scene, pushing: Pushing[Workspace, Repository, Place, User]) -> None:
        self._scene = scene
        self._pushing = pushing

    def create(self, workspace: Workspace, actor: User, wish: Json) -> Repository:
        """Make a repository, with `commits` on its main branch or empty."""
        slug, now = self._free(workspace, str(wish["slug"])), self._scene.now()
        project = workspace.project(str(wish["project"])) if wish.get("project") else None
        made = Repository(
            uuid=identifier(self._scene.chance),
            slug=slug,
            name=str(wish.get("name") or slug),
            description=str(wish.get("description") or ""),
            is_private=bool(wish.get("is_private", True)),
            mainbranch=None,
            size=0,
            language="",
            created_on=now,
            updated_on=now,
            project=project or workspace.projects[0],
            number=max((one.number for one in workspace.repositories), default=-1) + 1,
        )
        workspace.add(made)
        place = self._scene.place(workspace, made)
        self._scene.tell_of(place, "repo:created", payloads.about(place, actor))
        if wish.get("commits"):
            self._pushing.push(place, actor, {"branch": "main", "commits": wish["commits"]})
        return made

    def delete(self, workspace: Workspace, actor: User, repository: Repository) -> None:
        """Tell of the deletion, and forget the repository with its hooks and all it held."""
        place = self._scene.look(workspace, repository)
        self._scene.tell_of(place, "repo:deleted", payloads.about(place, actor))
        workspace.remove(repository)
        self._scene.library.forget(repository)
        self._scene.subscriptions.forget(repository)
        workspace.granted.pop(repository.uuid, None)
        workspace.group_granted.pop(repository.uuid, None)

    def rename(
        self, workspace: Workspace, actor: User, repository: Repository, slug: str, name: str
    ) -> None:
        """Give a repository another slug and name; its uuid and hooks stay."""
        place = self._scene.look(workspace, repository)
        before = payloads.repository(place)
        workspace.rename(repository, slug=slug, name=name)
        repository.updated_on = self._scene.now()
        workspace.views.clear()
        self._scene.tell_of(place, "repo:updated", payloads.updated(place, actor, before))

    def transfer(
        self, workspace: Workspace, actor: User, repository: Repository, target: Workspace
    ) -> None:
        """Move a repository into another workspace's first project; the hooks there are told."""
        self._free(target, repository.slug)
        self._scene.library.change(workspace, repository)
        workspace.remove(repository)
        workspace.granted.pop(repository.uuid, None)
        workspace.group_granted.pop(repository.uuid, None)
        repository.project, repository.updated_on = target.projects[0], self._scene.now()
        target.add(repository)
        place: Place = self._scene.look(target, repository)
        self._scene.tell_of(place, "repo:transfer", payloads.transferred(place, actor, workspace))

    def _free(self, workspace: Workspace, slug: str) -> str:
        """Return a slug that nobody has there. Raises ValueError."""
        if not SLUG.fullmatch(slug):
            raise ValueError(f"{slug!r} is no slug")
        if workspace.repository(slug) is not None:
            raise ValueError(f"{workspace.slug} has {slug} already")
        return slug
