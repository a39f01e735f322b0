"""Bitbucket Cloud's JSON of what happens to code → records: pipelines, deployments, permissions."""

from __future__ import annotations

from datetime import datetime

from connections.contracts import (
    BuildState,
    DeploymentRecord,
    PermissionRecord,
    PipelineRecord,
    StepRecord,
)
from integrations import bitbucket, bitbucket_code
from integrations.bitbucket import BadItem, Json, iso_moment, object_or_empty, required, text
from integrations.bitbucket_cloud import reading
from integrations.bitbucket_cloud.code_reading import person

RESULTS = {
    "SUCCESSFUL": BuildState.SUCCESSFUL,
    "FAILED": BuildState.FAILED,
    "ERROR": BuildState.FAILED,
    "STOPPED": BuildState.STOPPED,
    "EXPIRED": BuildState.STOPPED,
}
STATES = {
    "PENDING": BuildState.WAITING,
    "PAUSED": BuildState.WAITING,
    "HALTED": BuildState.WAITING,
    "UNDEPLOYED": BuildState.WAITING,
    "IN_PROGRESS": BuildState.RUNNING,
    "RUNNING": BuildState.RUNNING,
    "BUILDING": BuildState.RUNNING,
}
PERMISSIONS = frozenset({"none", "read", "write", "admin"})
LONGEST_SECONDS = 2**31 - 1


def pipeline(raw: Json) -> PipelineRecord:
    """A pipeline without its steps; that of a pull request names the branch it came from."""
    target = object_or_empty(raw, "target")
    return PipelineRecord(
        remote_id=reading.required_uuid(raw),
        number=bitbucket_code.ordinal(raw, "build_number"),
        state=_state(raw),
        commit=bitbucket_code.any_hash(object_or_empty(target, "commit"), "hash"),
        refname=text(target, "ref_name") or text(target, "source"),
        trigger=text(object_or_empty(raw, "trigger"), "name")[:40],
        creator=person(raw.get("creator")),
        created_at=iso_moment(raw.get("created_on")),
        completed_at=iso_moment(raw.get("completed_on")),
        seconds=_seconds(raw, "build_seconds_used"),
    )


def step(raw: Json) -> StepRecord:
    """A step of a pipeline; one that nobody named is called by its place in the file."""
    took = _seconds(raw, "duration_in_seconds")
    if took is None:
        took = _between(iso_moment(raw.get("started_on")), iso_moment(raw.get("completed_on")))
    return StepRecord(name=text(raw, "name") or "Step", state=_state(raw), seconds=took)


def deployment(raw: Json) -> DeploymentRecord:
    """What went where; lists name the environment by its uuid alone."""
    environment = bitbucket.to_object(raw.get("environment"))
    release = object_or_empty(raw, "release") or object_or_empty(raw, "deployable")
    state = object_or_empty(raw, "state")
    return DeploymentRecord(
        remote_id=reading.required_uuid(raw),
        environment=text(environment, "name")[:200] or reading.required_uuid(environment),
        environment_kind=text(object_or_empty(environment, "environment_type"), "name")[:40],
        state=_deployed(state),
        commit=bitbucket_code.any_hash(object_or_empty(release, "commit"), "hash"),
        pipeline_remote_id=reading.uuid_or_empty(object_or_empty(release, "pipeline")),
        by=person(state.get("deployer")),
        started_at=iso_moment(state.get("started_on")),
        completed_at=iso_moment(state.get("completed_on")),
        updated_at=iso_moment(raw.get("last_update_time")),
        url=bitbucket.html_link(state.get("url")) or bitbucket.html_link(release.get("url")),
    )


def environment_name(raw: Json) -> tuple[str, str, str]:
    """The uuid of an environment, its name and its kind."""
    kind = text(object_or_empty(raw, "environment_type"), "name")
    return reading.required_uuid(raw), required(raw, "name")[:200], kind[:40]


def permission(raw: Json) -> PermissionRecord:
    """What was granted to a person or a group by name."""
    granted = text(raw, "permission")
    if granted not in PERMISSIONS:
        raise BadItem("permission is none that is known")
    if isinstance(raw.get("group"), dict):
        slug = required(raw["group"], "slug")[:180]
        return PermissionRecord(
            remote_id=f"group:{slug}",
            subject_kind="group",
            subject_remote_id=slug,
            subject_name=text(raw["group"], "name") or slug,
            permission=granted,
        )
    account = reading.account(bitbucket.to_object(raw.get("user")))
    return PermissionRecord(
        remote_id=f"user:{account.remote_id}",
        subject_kind="user",
        subject_remote_id=account.remote_id,
        subject_name=account.name,
        permission=granted,
    )


# ── Fields ────────────────────────────────────────────────────────────────────────────────────


def _state(raw: Json) -> BuildState:
    """`state` has a name, a `result` when it is completed, and a `stage` while it is not."""
    state = object_or_empty(raw, "state")
    result = text(object_or_empty(state, "result"), "name")
    if result:
        return RESULTS.get(result, BuildState.UNKNOWN)
    stage = text(object_or_empty(state, "stage"), "name")
    known = STATES.get(stage) or STATES.get(text(state, "name"))
    return known or BuildState.UNKNOWN


def _deployed(state: Json) -> BuildState:
    ended = text(object_or_empty(state, "status"), "name")
    if ended:
        return RESULTS.get(ended, BuildState.UNKNOWN)
    return STATES.get(text(state, "name"), BuildState.UNKNOWN)


def _seconds(raw: Json, key: str) -> int | None:
    found = bitbucket.count(raw, key)
    return found if found is not None and found <= LONGEST_SECONDS else None


def _between(begun: datetime | None, ended: datetime | None) -> int | None:
    if begun is None or ended is None or ended < begun:
        return None
    return min(int((ended - begun).total_seconds()), LONGEST_SECONDS)
