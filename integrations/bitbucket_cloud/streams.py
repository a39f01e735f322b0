"""What a sync can read of Bitbucket Cloud, and how the present state of one thing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connections.contracts import (
    Api,
    Ask,
    BranchRecord,
    BuildRecord,
    CommitRecord,
    Container,
    DeploymentRecord,
    Level,
    MemberRecord,
    Page,
    PermissionRecord,
    PipelineRecord,
    ProjectRecord,
    PullRequestRecord,
    Record,
    RepositoryRecord,
    Stream,
    Target,
)
from connections.errors import EndpointRemoved, RemoteGone
from integrations import bitbucket, bitbucket_code
from integrations.bitbucket import Json, segment
from integrations.bitbucket_cloud import builds, code, code_reading, reading, sync

Fields = Mapping[str, str]

_OF_WORKSPACES = (
    Stream(
        key="projects",
        title="Projects",
        capability="projects-read",
        record=ProjectRecord,
        page=sync.projects,
    ),
    Stream(
        key="members",
        title="Members",
        capability="members-read",
        record=MemberRecord,
        page=sync.members,
    ),
    Stream(
        key="repositories",
        title="Repositories",
        capability="repositories-read",
        record=RepositoryRecord,
        page=sync.repositories,
        required=True,
        incremental=True,
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
        key="pipelines",
        title="Pipelines",
        capability="pipelines-read",
        record=PipelineRecord,
        page=builds.pipelines,
        level=Level.REPOSITORY,
        incremental=True,
    ),
    Stream(
        key="deployments",
        title="Deployments",
        capability="pipelines-read",
        record=DeploymentRecord,
        page=builds.deployments,
        level=Level.REPOSITORY,
        incremental=True,
    ),
    Stream(
        key="permissions",
        title="Permissions",
        capability="permissions-read",
        record=PermissionRecord,
        page=builds.permissions,
        level=Level.REPOSITORY,
        default=False,
    ),
)
STREAMS = _OF_WORKSPACES + _OF_REPOSITORIES


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
        return Page(records=(), checkpoint=None, total=0)


def _stream(key: str) -> Stream:
    for stream in STREAMS:
        if stream.key == key:
            return stream
    raise ValueError(f"There is no stream {key}.")


def _repository(api: Api, container: Container, key: str) -> Page:
    workspace = container.workspace
    answer = api.get(sync.repository_path(workspace.slug, key))
    if reading.foreign(answer.body, workspace):
        raise bitbucket.unexpected(answer, "The answer belongs to another workspace.")
    return bitbucket.only(bitbucket.one(answer, reading.repository))


def _ref(api: Api, container: Container, key: str) -> Page:
    """A branch or tag by its name; one whose name is known by its digest only needs the list."""
    named = bitbucket_code.named_ref(key)
    if named is None:
        raise ValueError("This name of a branch or tag is only a digest.")
    kind, name = named
    place = "branches" if kind == "branch" else "tags"
    return _one(api, container, f"refs/{place}/{segment(name)}", code_reading.ref)


def _pull_request(api: Api, container: Container, key: str) -> Page:
    return _one(api, container, f"pullrequests/{segment(key)}", code_reading.pull_request)


def _commit(api: Api, container: Container, key: str) -> Page:
    return _one(api, container, f"commit/{segment(key)}", code_reading.commit)


def _pipeline(api: Api, container: Container, key: str) -> Page:
    return bitbucket.only(builds.pipeline_of(api, container, key))


def _deployment(api: Api, container: Container, key: str) -> Page:
    return bitbucket.only(builds.deployment_of(api, container, key))


def _one(api: Api, container: Container, path: str, read: Callable[[Json], Record]) -> Page:
    answer = api.get(f"{code.path_of(container)}/{path}")
    code.require_ours(container, answer, answer.body)
    return bitbucket.only(bitbucket.one(answer, read))


_FETCHED: Mapping[str, Callable[[Api, Container, str], Page]] = {
    "repositories": _repository,
    "branches": _ref,
    "pull-requests": _pull_request,
    "commits": _commit,
    "commit-pulls": code.pulls_of,
    "statuses": code.statuses_of,
    "pipelines": _pipeline,
    "deployments": _deployment,
}
