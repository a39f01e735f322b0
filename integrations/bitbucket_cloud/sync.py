"""One page at a time of a workspace's projects, members and repositories.

The checkpoint is Bitbucket's own `next` link: it asks us never to build that link ourselves
(https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from urllib.parse import urlencode

from connections.contracts import (
    Answer,
    Api,
    Ask,
    Container,
    Page,
    Record,
    WorkspaceRecord,
)
from connections.errors import AccessDenied, ScopeMissing
from integrations import bitbucket
from integrations.bitbucket import Json, segment
from integrations.bitbucket_cloud import reading

PAGE_SIZE = 100  # what Bitbucket allows, but for pull requests, which end at 50

REPOSITORY = (
    *("uuid", "slug", "name", "full_name", "is_private", "language", "size", "updated_on"),
    *("mainbranch.name", "project.uuid", "workspace.uuid", "links.html"),
)

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


def named_fields(names: Iterable[str]) -> str:
    """What a list shall hold of each item, with what leads to the next page."""
    return ",".join(("size", "next", *(f"values.{name}" for name in names)))


def projects(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of projects, or the one project that a project token opens."""
    workspace = container.workspace
    if fields.get("project"):
        answer = api.get(project_path(workspace.slug, fields["project"]))
        return _single(answer, reading.project, workspace)
    path = f"{workspace_path(workspace.slug)}/projects?pagelen={PAGE_SIZE}"
    return _listed(api.get(ask.checkpoint or path), reading.project, workspace)


def members(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of the workspace's members, with what each may do where this account may know that.

    Access tokens, whose forms name their workspace, never may.
    """
    workspace = container.workspace
    place = workspace_path(workspace.slug)
    if ask.checkpoint is None and not fields.get("workspace"):
        with suppress(AccessDenied, ScopeMissing):
            answer = api.get(f"{place}/permissions?pagelen={PAGE_SIZE}")
            return _listed(answer, reading.member, workspace)
    answer = api.get(ask.checkpoint or f"{place}/members?pagelen={PAGE_SIZE}")
    return _listed(answer, reading.member, workspace)


def repositories(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of repositories, or the one that a repository token opens.

    A project token's listing is narrowed to its project: public repositories of other projects
    would be listed too. What changed comes in the order in which it was made, which stays.
    """
    workspace = container.workspace
    if fields.get("repository"):
        answer = api.get(repository_path(workspace.slug, fields["repository"]))
        return _single(answer, reading.repository, workspace)
    query = {"pagelen": str(PAGE_SIZE)}
    wanted = [f'project.key="{fields["project"]}"'] if fields.get("project") else []
    if ask.since:
        wanted.append(f"updated_on>{ask.since.isoformat()}")
        query["sort"] = "created_on"
    if wanted:
        query["q"] = " AND ".join(wanted)
    query["fields"] = named_fields(REPOSITORY)
    path = f"repositories/{segment(workspace.slug)}?{urlencode(query)}"
    return _listed(api.get(ask.checkpoint or path), reading.repository, workspace)


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
