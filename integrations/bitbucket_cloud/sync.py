"""One page at a time of a workspace's projects, members and repositories.

The checkpoint is Bitbucket's own `next` link: it asks us never to build that link ourselves
(https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from connections.contracts import (
    Answer,
    Api,
    MemberRecord,
    Page,
    ProjectRecord,
    Record,
    RepositoryRecord,
    Stream,
    WorkspaceRecord,
)
from integrations import bitbucket
from integrations.bitbucket import Json, segment
from integrations.bitbucket_cloud import reading

PAGE_SIZE = 100  # what Bitbucket allows, but for pull requests, which end at 50

Fields = Mapping[str, str]


def workspace_path(slug: str) -> str:
    """The workspace's own address."""
    return f"workspaces/{segment(slug)}"


def project_path(slug: str, key: str) -> str:
    """The project's own address."""
    return f"workspaces/{segment(slug)}/projects/{segment(key)}"


def repository_path(slug: str, repository: str) -> str:
    """The repository's own address."""
    return f"repositories/{segment(slug)}/{segment(repository)}"


def projects(api: Api, workspace: WorkspaceRecord, fields: Fields, checkpoint: str | None) -> Page:
    """A page of projects, or the one project that a project token opens."""
    if fields.get("project"):
        answer = api.get(project_path(workspace.slug, fields["project"]))
        return _single(answer, reading.project, workspace)
    path = f"{workspace_path(workspace.slug)}/projects?pagelen={PAGE_SIZE}"
    return _listed(api.get(checkpoint or path), reading.project, workspace)


def members(api: Api, workspace: WorkspaceRecord, fields: Fields, checkpoint: str | None) -> Page:
    """A page of the workspace's members."""
    path = f"{workspace_path(workspace.slug)}/members?pagelen={PAGE_SIZE}"
    return _listed(api.get(checkpoint or path), reading.member, workspace)


def repositories(
    api: Api, workspace: WorkspaceRecord, fields: Fields, checkpoint: str | None
) -> Page:
    """A page of repositories, or the one that a repository token opens.

    A project token's listing is narrowed to its project: public repositories of other projects
    would be listed too.
    """
    if fields.get("repository"):
        answer = api.get(repository_path(workspace.slug, fields["repository"]))
        return _single(answer, reading.repository, workspace)
    query = {"pagelen": str(PAGE_SIZE)}
    if fields.get("project"):
        query["q"] = f'project.key="{fields["project"]}"'
    path = f"repositories/{segment(workspace.slug)}?{urlencode(query)}"
    return _listed(api.get(checkpoint or path), reading.repository, workspace)


STREAMS = (
    Stream(
        key="projects",
        title="Projects",
        capability="projects-read",
        record=ProjectRecord,
        page=projects,
    ),
    Stream(
        key="members",
        title="Members",
        capability="members-read",
        record=MemberRecord,
        page=members,
    ),
    Stream(
        key="repositories",
        title="Repositories",
        capability="repositories-read",
        record=RepositoryRecord,
        page=repositories,
        required=True,
    ),
)


def _listed(answer: Answer, read: Callable[[Json], Record], workspace: WorkspaceRecord) -> Page:
    for item in bitbucket.items(answer):
        _require_same_workspace(answer, item, workspace)
    return reading.page(answer, read)


def _single(answer: Answer, read: Callable[[Json], Record], workspace: WorkspaceRecord) -> Page:
    _require_same_workspace(answer, bitbucket.body(answer), workspace)
    return bitbucket.only(bitbucket.one(answer, read))


def _require_same_workspace(answer: Answer, item: object, workspace: WorkspaceRecord) -> None:
    """Raise UnexpectedResponse for another workspace's item: a confused proxy, or worse."""
    if reading.foreign(item, workspace):
        raise bitbucket.unexpected(answer, "The answer belongs to another workspace.")
