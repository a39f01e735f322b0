"""What becomes of repositories: made, deleted, renamed, moved to another project."""

from __future__ import annotations

import re
from typing import Any

from integrations.sandbox.bitbucket_data_center.place import Place
from integrations.sandbox.bitbucket_data_center.scene import Scene
from integrations.sandbox.bitbucket_data_center.world import Project, Repository, User
from integrations.sandbox.code.pushing import Pushing

Json = dict[str, Any]
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


class Administering:
    """Only a renamed or moved repository is told of: no event says that one was made or deleted."""

    def __init__(self, scene: Scene, pushing: Pushing[Project, Repository, Place, User]) -> None:
        self._scene = scene
        self._pushing = pushing

    def create(self, workspace: Project, actor: User, wish: Json) -> Repository:
        """Make a repository, with `commits` on its main branch or empty."""
        slug = free(workspace, str(wish["slug"]))
        number = max((one.number for one in workspace.repositories), default=-1) + 1
        identifier = self._scene.world.next_id()
        made = Repository(identifier, slug, str(wish.get("name") or slug), False, number)
        made.updated_on = self._scene.now()
        workspace.repositories.append(made)
        if wish.get("commits"):
            place = self._scene.place(workspace, made)
            self._pushing.push(place, actor, {"branch": "main", "commits": wish["commits"]})
        return made

    def delete(self, workspace: Project, actor: User, repository: Repository) -> None:
        """The repository, its hooks and all that it held are gone, and nobody is told."""
        self._scene.look(workspace, repository)
        workspace.repositories.remove(repository)
        self._scene.library.forget(repository)
        self._scene.subscriptions.forget(repository)

    def rename(
        self, workspace: Project, actor: User, repository: Repository, slug: str, name: str
    ) -> None:
        """Give a repository another slug and name; its id and hooks stay."""
        if slug != repository.slug:
            free(workspace, slug)
        before = self._scene.look(workspace, repository).ours()
        repository.slug, repository.name = slug, name
        self._told(workspace, actor, repository, before)

    def transfer(
        self, workspace: Project, actor: User, repository: Repository, target: Project
    ) -> None:
        """Move a repository into another project."""
        free(target, repository.slug)
        self._scene.library.change(workspace, repository)
        before = self._scene.look(workspace, repository).ours()
        workspace.repositories.remove(repository)
        target.repositories.append(repository)
        self._told(target, actor, repository, before)

    def _told(self, project: Project, actor: User, repository: Repository, before: Json) -> None:
        repository.updated_on = self._scene.now()
        place = self._scene.look(project, repository)
        self._scene.tell_of(place, "repo:modified", actor, old=before, new=place.ours())


def free(project: Project, slug: str) -> str:
    """A slug that nobody has there. Raises ValueError."""
    if not SLUG.fullmatch(slug):
        raise ValueError(f"{slug!r} is no slug")
    if project.repository(slug) is not None:
        raise ValueError(f"{project.key} has {slug} already")
    return slug
