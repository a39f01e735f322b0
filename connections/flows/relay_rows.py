"""Rows of code in the words of the contract, as a connector would have read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connections.code_records import Participation, Verdict
from connections.contracts import (
    BASE_URL,
    BranchRecord,
    BuildRecord,
    BuildState,
    CodeLinks,
    CommitRecord,
    DeploymentRecord,
    Person,
    PipelineRecord,
    PullRequestRecord,
    PullState,
    RepositoryRecord,
)
from connections.flows.chains import repository_record
from connections.models import Repository


def commit(row: Any) -> CommitRecord:
    return CommitRecord(
        remote_id=row.remote_id,
        parents=tuple(row.parents),
        message=row.message,
        author=Person(row.author_remote_id, row.author_name, row.author_email),
        committed_at=row.committed_at,
        url=row.url,
        committer=Person(row.committer_remote_id, row.committer_name, row.committer_email),
    )


def branch(row: Any, repository: Repository) -> BranchRecord | None:
    if row is None:
        return None
    return BranchRecord(
        remote_id=row.remote_id,
        kind=row.kind,
        name=row.name,
        target=row.target,
        committed_at=row.committed_at,
        is_main=row.name == repository.main_branch,
    )


def pull(row: Any) -> PullRequestRecord | None:
    if row is None:
        return None
    return PullRequestRecord(
        remote_id=row.remote_id,
        number=row.number,
        title=row.title,
        state=PullState(row.state),
        author=Person(row.author_remote_id, row.author_name),
        closed_by=Person(row.closed_by_remote_id, row.closed_by_name),
        participants=tuple(map(_participation, row.participants)),
        draft=row.draft,
        source_branch=row.source_branch,
        source_hash=row.source_hash,
        source_repository=row.source_repository,
        destination_branch=row.destination_branch,
        destination_hash=row.destination_hash,
        merge_hash=row.merge_hash,
        created_at=row.remote_created_at,
        updated_at=row.remote_updated_at,
        closed_at=row.closed_at,
        version=row.version,
        comments=row.comments,
        url=row.url,
    )


def _participation(held: dict[str, Any]) -> Participation:
    at = held.get("at")
    return Participation(
        person=Person(held["id"], held["name"]),
        reviewer=held["reviewer"],
        verdict=Verdict(held["verdict"]),
        at=datetime.fromisoformat(at) if at else None,
    )


def build(row: Any) -> BuildRecord:
    return BuildRecord(
        remote_id=row.remote_id,
        commit=row.commit,
        key=row.key,
        name=row.name,
        state=BuildState(row.state),
        url=row.url,
        refname=row.refname,
        created_at=row.remote_created_at,
        updated_at=row.remote_updated_at,
    )


def pipeline(row: Any) -> PipelineRecord:
    return PipelineRecord(
        remote_id=row.remote_id,
        number=row.number,
        state=BuildState(row.state),
        commit=row.commit,
        refname=row.refname,
        trigger=row.trigger,
        creator=Person(row.creator_remote_id, row.creator_name),
        created_at=row.remote_created_at,
        completed_at=row.completed_at,
        seconds=row.seconds,
        url=row.url,
    )


def deployment(row: Any) -> DeploymentRecord | None:
    if row is None:
        return None
    return DeploymentRecord(
        remote_id=row.remote_id,
        environment=row.environment,
        state=BuildState(row.state),
        environment_kind=row.environment_kind,
        commit=row.commit,
        pipeline_remote_id=row.pipeline_remote_id,
        by=Person(row.by_remote_id, row.by_name),
        started_at=row.started_at,
        completed_at=row.completed_at,
        updated_at=row.remote_updated_at,
        url=row.url,
    )


def repository(row: Repository, links: CodeLinks) -> RepositoryRecord:
    """The repository, at the address that its product would give it where its record has none."""
    record = repository_record(row)
    if record.url or not links.repository:
        return record
    base = str(row.connection.fields.get(BASE_URL, "")).rstrip("/")
    names = {"workspace": quote(row.workspace.slug), "slug": quote(row.slug)}
    return replace(record, url=links.repository.format(base=base, **names))
