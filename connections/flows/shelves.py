"""Where each kind of record is kept, which columns it fills, and when a newer row stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connections.contracts import (
    BranchRecord,
    BuildRecord,
    CommitPullsRecord,
    CommitRecord,
    DeploymentRecord,
    GroupRecord,
    MemberRecord,
    PermissionRecord,
    PipelineRecord,
    ProjectRecord,
    PullRequestRecord,
    PullsSaid,
    Record,
    RepositoryRecord,
)
from connections.models import (
    Branch,
    Build,
    Commit,
    Deployment,
    Group,
    Member,
    Permission,
    Pipeline,
    Project,
    PullRequest,
    Repository,
)
from portal import clock

MOST: Final = 2**31 - 1
Kept = type[Any]


@dataclass(frozen=True, slots=True)
class Former:
    """A column whose last value is remembered; `moment` is then dated, or else emptied."""

    column: str
    remembered: str
    moment: str
    is_dated: bool


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """Where one kind of record is kept, and which columns it fills.

    A record whose `ages` are lower than the row's is old news, and the row stays. What is a
    `witness` of the past is not gone because a bounded list names it no more. `first` are columns
    of a new row that no record fills. Where a `sticky` value is empty, the row's stays; one of
    `sticky_while` stays only while the other column is the same.
    """

    model: Kept
    columns: Callable[[Any], dict[str, Any]]
    ages: tuple[str, ...] = ()
    is_witness: bool = False
    first: Mapping[str, Any] = field(default_factory=dict)
    sticky: tuple[str, ...] = ()
    sticky_while: Mapping[str, str] = field(default_factory=dict)
    former: Former | None = None

    @property
    def is_of_repository(self) -> bool:
        """Whether its rows hang on a repository rather than on a workspace."""
        return "repository_id" in {f.attname for f in self.model._meta.concrete_fields}

    @property
    def container(self) -> str:
        return "repository_id" if self.is_of_repository else "workspace_id"


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _small(number: int | None) -> int | None:
    return None if number is None else max(-MOST, min(number, MOST))


def _project(record: ProjectRecord) -> dict[str, Any]:
    return {
        "key": record.key[:100],
        "name": record.name[:300],
        "private": record.private,
        "url": record.url[:500],
    }


def _member(record: MemberRecord) -> dict[str, Any]:
    return {
        "name": record.name[:300],
        "permission": record.permission[:40],
        "url": record.url[:500],
    }


def _group(record: GroupRecord) -> dict[str, Any]:
    return {"name": record.name[:300], "permission": record.permission[:40]}


def repository(record: RepositoryRecord) -> dict[str, Any]:
    """The columns of a repository that its record fills."""
    return {
        "slug": record.slug[:200],
        "name": record.name[:300],
        "full_name": record.full_name[:400],
        "url": record.url[:500],
        "private": record.private,
        "main_branch": record.main_branch[:300],
        "project_remote_id": record.project_remote_id[:200],
        "language": record.language[:60],
        "size_bytes": record.size_bytes,
        "remote_updated_at": _at(record.updated_at),
        "last_error": "",
    }


def _permission(record: PermissionRecord) -> dict[str, Any]:
    return {
        "subject_kind": record.subject_kind[:12],
        "subject_remote_id": record.subject_remote_id[:200],
        "subject_name": record.subject_name[:300],
        "permission": record.permission[:40],
    }


def _branch(record: BranchRecord) -> dict[str, Any]:
    return {
        "kind": record.kind[:12],
        "name": record.name[:300],
        "target": record.target[:64],
        "committed_at": _at(record.committed_at),
    }


def _commit(record: CommitRecord) -> dict[str, Any]:
    return {
        "message": record.message[:10_000],
        "parents": [parent[:64] for parent in record.parents[:100]],
        "author_remote_id": record.author.remote_id[:200],
        "author_name": record.author.name[:300],
        "author_email": record.author.email[:254],
        "committer_remote_id": record.committer.remote_id[:200],
        "committer_name": record.committer.name[:300],
        "committer_email": record.committer.email[:254],
        "committed_at": _at(record.committed_at),
        "url": record.url[:500],
    }


def _pulls(record: CommitPullsRecord) -> dict[str, Any]:
    known = record.said is PullsSaid.KNOWN
    return {
        "pulls": [_small(number) for number in record.numbers[:500]] if known else None,
        "pulls_said": str(record.said),
        "pulls_at": _at(clock.now()),
    }


def _pull_request(record: PullRequestRecord) -> dict[str, Any]:
    return {
        "number": _small(record.number),
        "title": record.title[:500],
        "state": str(record.state),
        "draft": record.draft,
        "author_remote_id": record.author.remote_id[:200],
        "author_name": record.author.name[:300],
        "closed_by_remote_id": record.closed_by.remote_id[:200],
        "closed_by_name": record.closed_by.name[:300],
        "participants": _participants(record),
        "source_branch": record.source_branch[:300],
        "source_hash": record.source_hash[:64],
        "source_repository": record.source_repository[:400],
        "destination_branch": record.destination_branch[:300],
        "destination_hash": record.destination_hash[:64],
        "merge_hash": record.merge_hash[:64],
        "remote_created_at": _at(record.created_at),
        "remote_updated_at": _at(record.updated_at),
        "closed_at": _at(record.closed_at),
        "version": _small(record.version),
        "comments": _small(record.comments),
        "url": record.url[:500],
    }


def _participants(record: PullRequestRecord) -> list[dict[str, Any]]:
    return [
        {
            "id": each.person.remote_id[:200],
            "name": each.person.name[:300],
            "reviewer": each.reviewer,
            "verdict": str(each.verdict),
            "at": _at(each.at),
        }
        for each in record.participants[:500]
    ]


def _build(record: BuildRecord) -> dict[str, Any]:
    return {
        "commit": record.commit[:64],
        "key": record.key[:200],
        "name": record.name[:300],
        "state": str(record.state),
        "url": record.url[:500],
        "refname": record.refname[:300],
        "remote_created_at": _at(record.created_at),
        "remote_updated_at": _at(record.updated_at),
    }


def _pipeline(record: PipelineRecord) -> dict[str, Any]:
    steps = [
        {"name": step.name[:200], "state": str(step.state), "seconds": step.seconds}
        for step in record.steps[:200]
    ]
    return {
        "number": _small(record.number),
        "state": str(record.state),
        "commit": record.commit[:64],
        "refname": record.refname[:300],
        "trigger": record.trigger[:40],
        "creator_remote_id": record.creator.remote_id[:200],
        "creator_name": record.creator.name[:300],
        "steps": steps,
        "remote_created_at": _at(record.created_at),
        "completed_at": _at(record.completed_at),
        "seconds": _small(record.seconds),
        "url": record.url[:500],
    }


def _deployment(record: DeploymentRecord) -> dict[str, Any]:
    return {
        "environment": record.environment[:200],
        "environment_kind": record.environment_kind[:40],
        "state": str(record.state),
        "commit": record.commit[:64],
        "pipeline_remote_id": record.pipeline_remote_id[:200],
        "by_remote_id": record.by.remote_id[:200],
        "by_name": record.by.name[:300],
        "started_at": _at(record.started_at),
        "completed_at": _at(record.completed_at),
        "remote_updated_at": _at(record.updated_at),
        "url": record.url[:500],
    }


_COMMIT: Final = {
    "message": "",
    "parents": [],
    **dict.fromkeys(("author_remote_id", "author_name", "author_email", "url"), ""),
}
_FULL_NAME: Final = Former("full_name", "former_name", "renamed_at", is_dated=True)
_TARGET: Final = Former("target", "former_target", "rewritten_at", is_dated=False)
SHELVES: Final[Mapping[type[Record], Shelf]] = {
    ProjectRecord: Shelf(Project, _project),
    MemberRecord: Shelf(Member, _member),
    GroupRecord: Shelf(Group, _group),
    RepositoryRecord: Shelf(Repository, repository, sticky=("main_branch",), former=_FULL_NAME),
    PermissionRecord: Shelf(Permission, _permission),
    BranchRecord: Shelf(
        Branch,
        _branch,
        sticky_while={"committed_at": "target"},  # a list of Data Center has no dates
        former=_TARGET,
    ),
    CommitRecord: Shelf(Commit, _commit, is_witness=True, first={"pulls_said": ""}),
    PullRequestRecord: Shelf(
        PullRequest,
        _pull_request,
        ages=("remote_updated_at", "version"),
        sticky=("closed_by_remote_id", "closed_by_name"),  # lists of Data Center do not tell
    ),
    BuildRecord: Shelf(Build, _build, ages=("remote_updated_at",), is_witness=True),
    CommitPullsRecord: Shelf(Commit, _pulls, is_witness=True, first=_COMMIT, sticky=("pulls",)),
    PipelineRecord: Shelf(Pipeline, _pipeline, is_witness=True, sticky=("steps",)),
    DeploymentRecord: Shelf(Deployment, _deployment, ages=("remote_updated_at",), is_witness=True),
}
