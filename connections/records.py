"""Records: what a connector makes of the vendor's answers; the product never sees vendor JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connections.code_records import (
    BranchRecord,
    BuildRecord,
    CommitPullsRecord,
    CommitRecord,
    DeploymentRecord,
    GroupRecord,
    PermissionRecord,
    PipelineRecord,
    PullRequestRecord,
)
from connections.moments import bounded as bounded


@dataclass(frozen=True, slots=True)
class Account:
    """Who the credential acts as; `remote_id` survives a rename and is unique within the vendor."""

    remote_id: str
    name: str
    kind: str  # "user", "app", "workspace", "project", "repository": what acts
    url: str = ""


@dataclass(frozen=True, slots=True)
class RateBudget:
    """What the vendor's headers say of the request budget; None is "not said"."""

    limit: int | None = None
    remaining: int | None = None
    resource: str = ""
    near_limit: bool | None = None
    window_seconds: int | None = None
    resets_in_seconds: int | None = None  # then all of it is there again


@dataclass(frozen=True, slots=True)
class Remark:
    """Something else the vendor said that people should know, such as its version.

    It becomes a line of each verification: `detail` as the vendor says it, `means` in our words.
    """

    key: str
    title: str
    detail: str
    means: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What `identify` learned: account, kind of credential, scopes in the vendor's own words.

    `scopes` is None when the vendor did not say; `vocabulary` names the words they are in. An
    end that no credential can have is none.
    """

    account: Account
    credential_kind: str
    scopes: frozenset[str] | None
    vocabulary: str
    expires_at: datetime | None = None
    rate: RateBudget = RateBudget()
    remarks: tuple[Remark, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "expires_at", bounded(self.expires_at))


@dataclass(frozen=True, slots=True)
class WorkspaceRecord:
    remote_id: str
    slug: str
    name: str
    url: str = ""
    personal: bool = False
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    remote_id: str
    key: str
    name: str
    private: bool = True
    url: str = ""


@dataclass(frozen=True, slots=True)
class MemberRecord:
    remote_id: str
    name: str
    permission: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryRecord:
    remote_id: str
    slug: str
    name: str
    full_name: str
    url: str = ""
    private: bool = True
    main_branch: str = ""
    project_remote_id: str = ""
    language: str = ""
    size_bytes: int | None = None
    updated_at: datetime | None = None
    workspace_remote_id: str = ""  # checked against the workspace that was asked for

    def __post_init__(self) -> None:
        object.__setattr__(self, "updated_at", bounded(self.updated_at))


@dataclass(frozen=True, slots=True)
class HookRecord:
    """A webhook as the vendor lists it; `secret_set` is None where it does not say.

    Its address can be a secret, ours or somebody else's, and is not in the repr.
    """

    remote_id: str
    url: str = field(repr=False)
    active: bool
    events: tuple[str, ...]
    title: str = ""
    secret_set: bool | None = None


Record = (
    WorkspaceRecord
    | ProjectRecord
    | MemberRecord
    | GroupRecord
    | RepositoryRecord
    | PermissionRecord
    | BranchRecord
    | CommitRecord
    | CommitPullsRecord
    | PullRequestRecord
    | BuildRecord
    | PipelineRecord
    | DeploymentRecord
    | HookRecord
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """One item of a page that could not be read; the rest of the page is kept.

    Without `remote_id` nobody knows which item it is.
    """

    label: str
    reason: str
    remote_id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a stream; `checkpoint` is where the next one is, None at the end.

    `etag` is the vendor's mark of this page as it is; `unchanged` says that it is as the mark in
    the question: then there are no records, and all that was there still is.
    """

    records: tuple[Record, ...]
    checkpoint: str | None
    total: int | None = None
    rejected: tuple[Rejected, ...] = ()
    etag: str = ""
    unchanged: bool = False


class Outcome(StrEnum):
    """What a live check learned of one claim about the vendor."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim about the vendor, tried against the real one; `detail` names no one and nothing.

    `key` is the sandbox's switch of the same name where there is one.
    """

    key: str
    claim: str
    outcome: Outcome
    detail: str = ""
