"""Everything that is so, for a test to compare with: no pages, no permissions, no budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from integrations.sandbox.bitbucket_cloud import rights
from integrations.sandbox.bitbucket_cloud.scene import Scene
from integrations.sandbox.bitbucket_cloud.world import Repository, Workspace
from integrations.sandbox.code.hooks import without_secret
from integrations.sandbox.code.truth import of_contents

Json = dict[str, Any]


class Truth:
    """`GET /truth?workspace=` lists a workspace; with `&repository=`, all that this one holds."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.questions: dict[str, Callable[[Mapping[str, list[str]]], object]] = {
            "/truth": self.answer
        }

    def answer(self, query: Mapping[str, list[str]]) -> object:
        """Raises LookupError for what does not exist."""
        name = query.get("workspace", ["acme"])[0]
        workspace = self._scene.world.workspace(name)
        if workspace is None:
            raise LookupError(f"no workspace {name!r}")
        if "repository" not in query:
            return self.of_workspace(workspace)
        repository = workspace.repository(query["repository"][0])
        if repository is None:
            raise LookupError(f"no repository {query['repository'][0]!r}")
        return self.of_repository(workspace, repository)

    def of_workspace(self, workspace: Workspace) -> Json:
        people = ((self._scene.world.user(uuid), what) for uuid, what in workspace.members.items())
        return {
            "workspace": {
                "uuid": workspace.uuid,
                "slug": workspace.slug,
                "name": workspace.name,
                "is_personal": workspace.is_personal,
            },
            "members": [
                {"uuid": user.uuid, "nickname": user.nickname, "permission": what}
                for user, what in people
                if user is not None
            ],
            "projects": [asdict(project) for project in workspace.projects],
            "hooks": [without_secret(one) for one in self._scene.subscriptions.of(workspace)],
            "repositories": [summary(workspace, one) for one in workspace.repositories],
        }

    def of_repository(self, workspace: Workspace, repository: Repository) -> Json:
        """All that one repository holds."""
        contents = self._scene.library.read(workspace, repository)
        world = self._scene.world
        return {
            "repository": summary(workspace, repository),
            **of_contents(contents),
            "permissions": {
                "people": {
                    user.uuid: permission
                    for user, permission in rights.granted_to_people(world, workspace, repository)
                },
                "groups": dict(rights.granted_to_groups(workspace, repository)),
                "effective": {
                    user.uuid: permission
                    for user, permission in rights.effective(world, workspace, repository)
                },
            },
            "hooks": [without_secret(one) for one in self._scene.subscriptions.of(repository)],
        }


def summary(workspace: Workspace, one: Repository) -> Json:
    return {
        "uuid": one.uuid,
        "slug": one.slug,
        "full_name": f"{workspace.slug}/{one.slug}",
        "name": one.name,
        "description": one.description,
        "is_private": one.is_private,
        "mainbranch": one.mainbranch,
        "project": one.project.key,
        "created_on": one.created_on,
        "updated_on": one.updated_on,
        "size": one.size,
        "language": one.language,
    }
