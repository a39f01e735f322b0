"""One page at a time of a project's repositories and members.

The checkpoint is the server's own `nextPageStart`; adding the limit to the start would be wrong,
because a page leaves out what the account may not see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from connections.contracts import (
    Api,
    Ask,
    Container,
    Page,
    Record,
)
from connections.errors import UnexpectedResponse
from integrations import bitbucket
from integrations.bitbucket import Json, segment
from integrations.bitbucket_data_center import reading

PAGE_SIZE = 100
API = "api/latest"

Fields = Mapping[str, str]


def project_path(key: str) -> str:
    """The project's own address."""
    return f"{API}/projects/{segment(key)}"


def repository_path(key: str, slug: str) -> str:
    """The repository's own address."""
    return f"{project_path(key)}/repos/{segment(slug)}"


def listed(
    api: Api,
    path: str,
    checkpoint: str | None,
    read: Callable[[Json], Record],
    id_of: Callable[[Json], str] | None = None,
    **query: str,
) -> Page:
    """A page of a list from where the last one said that it goes on."""
    start = started(checkpoint)
    answer = api.get(f"{path}?{urlencode({**query, 'start': start, 'limit': PAGE_SIZE})}")
    return reading.page(answer, start, read, id_of)


def started(checkpoint: str | None) -> int:
    """Where a page starts; raises UnexpectedResponse for a checkpoint that is not ours."""
    if checkpoint is None:
        return 0
    if not re.fullmatch(r"\d{1,10}", checkpoint, re.ASCII):
        raise UnexpectedResponse("This is not where a page starts.")
    return int(checkpoint)


def repositories(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of repositories, or the one that a repository's token opens."""
    workspace = container.workspace
    if fields.get("repository"):
        answer = api.get(repository_path(workspace.slug, fields["repository"]))
        if reading.foreign(bitbucket.body(answer), workspace):
            raise bitbucket.unexpected(answer, "The answer belongs to another project.")
        return bitbucket.only(bitbucket.one(answer, reading.repository))
    start = started(ask.checkpoint)
    path = f"{project_path(workspace.slug)}/repos?start={start}&limit={PAGE_SIZE}"
    answer = api.get(path)
    if any(reading.foreign(item, workspace) for item in bitbucket.items(answer)):
        raise bitbucket.unexpected(answer, "The answer belongs to another project.")
    return reading.page(answer, start, reading.repository)


def members(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of the users who were given the project; for its administrators only."""
    path = f"{project_path(container.workspace.slug)}/permissions/users"
    return listed(api, path, ask.checkpoint, reading.member)


def groups(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of the groups that were given the project; for its administrators only."""
    path = f"{project_path(container.workspace.slug)}/permissions/groups"
    return listed(api, path, ask.checkpoint, reading.group, reading.group_id)
