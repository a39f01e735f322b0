"""Everything that is so on the server, in the shape that Cloud's truth has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.sandbox.bitbucket_data_center import rights
from integrations.sandbox.bitbucket_data_center.deeds import Deeds
from integrations.sandbox.bitbucket_data_center.world import Project, Repository
from integrations.sandbox.code.hooks import without_secret
from integrations.sandbox.code.truth import of_contents

Json = dict[str, Any]


def answer(deeds: Deeds, query: Mapping[str, list[str]]) -> Json:
    """A project, or with `repository` all that this one holds. Raises LookupError."""
    project = deeds.workspace({name: values[0] for name, values in query.items()})
    if "repository" not in query:
        return of_project(deeds, project)
    return of_repository(deeds, project, deeds.repository(project, query["repository"][0]))


def of_project(deeds: Deeds, project: Project) -> Json:
    people = ((deeds.user(name), what) for name, what in project.members.items())
    return {
        "workspace": {
            "uuid": project.uuid,
            "slug": project.key,
            "name": project.name,
            "is_personal": project.key.startswith("~"),
        },
        "members": [
            {"uuid": user.uuid, "nickname": user.name, "permission": what} for user, what in people
        ],
        "projects": [],
        "hooks": [without_secret(one) for one in deeds.scene.subscriptions.of(project)],
        "repositories": [summary(project, one) for one in project.repositories],
    }


def of_repository(deeds: Deeds, project: Project, one: Repository) -> Json:
    """There are no pipelines here; `deployments` can be asked for singly."""
    scene = deeds.scene
    return {
        "repository": summary(project, one),
        **of_contents(scene.library.read(project, one)),
        "pipelines": [],
        "permissions": {
            "people": {
                user.uuid: what for user, what in rights.of_users(scene.world, project, one)
            },
            "groups": dict(rights.of_groups(project, one)),
        },
        "hooks": [without_secret(each) for each in scene.subscriptions.of(one)],
    }


def summary(project: Project, one: Repository) -> Json:
    return {
        "uuid": one.uuid,
        "slug": one.slug,
        "full_name": f"{project.key}/{one.slug}",
        "name": one.name,
        "is_private": not one.public,
        "mainbranch": one.mainbranch,
        "project": project.key,
        "updated_on": one.updated_on,
    }
