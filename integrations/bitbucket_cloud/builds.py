"""One page at a time of a repository's pipelines, deployments and permissions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from connections.contracts import (
    Api,
    Ask,
    BuildState,
    Container,
    DeploymentRecord,
    Page,
    PipelineRecord,
    StepRecord,
)
from integrations import bitbucket, bitbucket_code
from integrations.bitbucket import BadItem, Json, segment
from integrations.bitbucket_cloud import build_reading
from integrations.bitbucket_cloud.code import listed, path_of, repository_of, require_ours
from integrations.bitbucket_cloud.reading import uuid_or_empty
from integrations.bitbucket_cloud.sync import PAGE_SIZE, named_fields

MOST_STEPS_ASKED = 10  # pipelines of a page whose steps are asked for, a request each
RUNNING = frozenset({BuildState.WAITING, BuildState.RUNNING})

_PERSON = ("uuid", "display_name", "nickname", "type")
_PIPELINE = (
    *("uuid", "build_number", "created_on", "completed_on", "build_seconds_used", "state"),
    *("trigger.name", "target.ref_name", "target.source", "target.commit.hash"),
    *("repository.uuid", *(f"creator.{name}" for name in _PERSON)),
)
_PERMITTED = (
    *("permission", "repository.uuid", *(f"user.{name}" for name in _PERSON)),
    *("group.slug", "group.name"),
)

Fields = Mapping[str, str]


# ── Pipelines ─────────────────────────────────────────────────────────────────────────────────


def pipelines(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of pipelines, newest first, until those that began before `since`.

    The first page after a change has the steps of a few that ended and are not known; each costs a
    request. It is whole, so that those that ran when it was read before are on it.
    """
    query = {"sort": "-created_on", "pagelen": PAGE_SIZE, "fields": named_fields(_PIPELINE)}
    path = f"{path_of(container)}/pipelines?{urlencode(query)}"
    page = listed(container, api.get(ask.checkpoint or path), build_reading.pipeline)
    found = [_linked(container, one) for one in page.records if isinstance(one, PipelineRecord)]
    ended = bitbucket_code.reaches((one.created_at for one in found), ask.since)
    if ask.since and ask.checkpoint is None:
        found = list(_with_some_steps(api, container, ask.known, found))
    return replace(page, records=tuple(found), checkpoint=None if ended else page.checkpoint)


def pipeline_of(api: Api, container: Container, key: str) -> PipelineRecord:
    """The pipeline with this uuid or number, with its steps; raises what `judge` names."""
    answer = api.get(f"{path_of(container)}/pipelines/{segment(key)}")
    require_ours(container, answer, answer.body)
    found = bitbucket.one(answer, build_reading.pipeline)
    return _with_steps(api, container, _linked(container, found))


def _with_some_steps(
    api: Api, container: Container, known: tuple[str, ...], found: list[PipelineRecord]
) -> Iterator[PipelineRecord]:
    """The pipelines, with the steps of the newest that ended and whose steps nobody has yet."""
    left = MOST_STEPS_ASKED
    for one in found:
        wanted = left and one.state not in RUNNING and one.remote_id not in known
        left -= bool(wanted)
        yield _with_steps(api, container, one) if wanted else one


def _with_steps(api: Api, container: Container, one: PipelineRecord) -> PipelineRecord:
    path = f"{path_of(container)}/pipelines/{segment(one.remote_id)}/steps?pagelen={PAGE_SIZE}"
    steps: list[StepRecord] = []
    for item in bitbucket.items(api.get(path)):
        if isinstance(item, dict):
            steps.append(build_reading.step(item))
    return replace(one, steps=tuple(steps))


def _linked(container: Container, one: PipelineRecord) -> PipelineRecord:
    """The pipeline with its page, which the API does not name."""
    home = repository_of(container).url
    return replace(one, url=f"{home}/pipelines/results/{one.number}" if home else "")


# ── Deployments ───────────────────────────────────────────────────────────────────────────────


def deployments(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of deployments, each with the name of its environment.

    No source says in which order they come: where it is newest first, reading ends at `since`.
    """
    path = f"{path_of(container)}/deployments?pagelen={PAGE_SIZE}"
    page = listed(container, api.get(ask.checkpoint or path), build_reading.deployment)
    found = [one for one in page.records if isinstance(one, DeploymentRecord)]
    ended = bitbucket_code.reaches((one.updated_at or one.started_at for one in found), ask.since)
    return replace(
        page,
        records=_with_environments(api, container, found),
        checkpoint=None if ended else page.checkpoint,
    )


def deployment_of(api: Api, container: Container, key: str) -> DeploymentRecord:
    """The deployment with this uuid; raises what `judge` names."""
    answer = api.get(f"{path_of(container)}/deployments/{segment(key)}")
    require_ours(container, answer, answer.body)
    found = bitbucket.one(answer, build_reading.deployment)
    return _with_environments(api, container, [found])[0]


def _with_environments(
    api: Api, container: Container, found: list[DeploymentRecord]
) -> tuple[DeploymentRecord, ...]:
    """The deployments with names in place of uuids, at the cost of one request where any lacks."""
    if not any(uuid_or_empty({"uuid": one.environment}) for one in found):
        return tuple(found)
    names: dict[str, tuple[str, str]] = {}
    answer = api.get(f"{path_of(container)}/environments?pagelen={PAGE_SIZE}")
    for item in bitbucket.items(answer):
        try:
            uuid, name, kind = build_reading.environment_name(bitbucket.to_object(item))
        except BadItem:
            continue
        names[uuid] = name, kind
    return tuple(_in_environment(one, names) for one in found)


def _in_environment(
    one: DeploymentRecord, names: Mapping[str, tuple[str, str]]
) -> DeploymentRecord:
    name, kind = names.get(one.environment, (one.environment, one.environment_kind))
    return replace(one, environment=name, environment_kind=kind)


# ── Permissions ───────────────────────────────────────────────────────────────────────────────


def permissions(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of what was granted by name: first to people, then to groups."""
    place = f"{path_of(container)}/permissions-config"
    query = urlencode({"pagelen": PAGE_SIZE, "fields": named_fields(_PERMITTED)})
    asked = ask.checkpoint or f"{place}/users?{query}"
    page = listed(container, api.get(asked), build_reading.permission, _subject_or_empty)
    if page.checkpoint is None and "/permissions-config/users" in asked:
        return replace(page, checkpoint=f"{place}/groups?{query}", total=None)
    return replace(page, total=None)


def _subject_or_empty(raw: Json) -> str:
    group, user = (bitbucket.object_or_empty(raw, key) for key in ("group", "user"))
    slug, uuid = bitbucket.text(group, "slug"), uuid_or_empty(user)
    return f"group:{slug}" if slug else f"user:{uuid}" if uuid else ""
