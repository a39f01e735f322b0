"""What a sync can read of a Bitbucket Data Center, and how one thing's present state is fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connections.contracts import (
    Api,
    Ask,
    BranchRecord,
    BuildRecord,
    CommitRecord,
    Container,
    GroupRecord,
    Level,
    MemberRecord,
    Page,
    PermissionRecord,
    PullRequestRecord,
    RepositoryRecord,
    Stream,
    Target,
)
from connections.errors import EndpointRemoved, RemoteGone
from integrations import bitbucket
from integrations.bitbucket_data_center import code, reading, sync

Fields = Mapping[str, str]

_OF_PROJECTS = (
    Stream(
        key="members",
        title="Members",
        capability="members-read",
        record=MemberRecord,
        page=sync.members,
    ),
    Stream(
        key="groups",
        title="Groups",
        capability="members-read",
        record=GroupRecord,
        page=sync.groups,
    ),
    Stream(
        key="repositories",
        title="Repositories",
        capability="repositories-read",
        record=RepositoryRecord,
        page=sync.repositories,
        required=True,
    ),
)
_OF_REPOSITORIES = (
    Stream(
        key="branches",
        title="Branches and tags",
        capability="repositories-read",
        record=BranchRecord,
        page=code.branches,
        level=Level.REPOSITORY,
    ),
    Stream(
        key="pull-requests",
        title="Pull requests",
        capability="pullrequests-read",
        record=PullRequestRecord,
        page=code.pull_requests,
        level=Level.REPOSITORY,
        incremental=True,
    ),
    Stream(
        key="commits",
        title="Commits",
        capability="repositories-read",
        record=CommitRecord,
        page=code.commits,
        level=Level.REPOSITORY,
        incremental=True,
    ),
    Stream(
        key="statuses",
        title="Build results",
        capability="repositories-read",
        record=BuildRecord,
        page=code.statuses,
        level=Level.REPOSITORY,
        incremental=True,
        by_commit=True,
    ),
    Stream(
        key="permissions",
        title="Permissions",
        capability="permissions-read",
        record=PermissionRecord,
        page=code.permissions,
        level=Level.REPOSITORY,
        default=False,
    ),
)
STREAMS = _OF_PROJECTS + _OF_REPOSITORIES


# ── One thing, because somebody told of it ────────────────────────────────────────────────────


def fetch(api: Api, container: Container, fields: Fields, target: Target) -> Page:
    """The present state of one thing, an empty page when it is gone; without a key a first page.

    Raises ValueError for a stream that is none, and what `judge` names.
    """
    if not target.key:
        return _stream(target.stream).page(api, container, fields, Ask())
    if target.stream not in _FETCHED:
        raise ValueError(f"Nothing is fetched by the name of {target.stream}.")
    try:
        return _FETCHED[target.stream](api, container, target.key)
    except EndpointRemoved:
        raise
    except RemoteGone:
        return code.NOTHING


def _stream(key: str) -> Stream:
    for stream in STREAMS:
        if stream.key == key:
            return stream
    raise ValueError(f"There is no stream {key}.")


def _repository(api: Api, container: Container, key: str) -> Page:
    """The repository of the container; under its name there may be another one by now."""
    answer = api.get(code.path_of(container))
    if reading.foreign(answer.body, container.workspace):
        raise bitbucket.unexpected(answer, "The answer belongs to another project.")
    found = bitbucket.one(answer, reading.repository)
    return bitbucket.only(found) if found.remote_id == key else code.NOTHING


_FETCHED: Mapping[str, Callable[[Api, Container, str], Page]] = {
    "repositories": _repository,
    "branches": code.ref_of,
    "pull-requests": code.pull_request_of,
    "commits": code.commit_of,
    "commit-pulls": code.pulls_of,
    "statuses": code.statuses_of,
}
