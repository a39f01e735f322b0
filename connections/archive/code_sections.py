"""What an export holds of code and of what happened to it, as far as it was synced."""

from __future__ import annotations

from typing import Final

from connections.archive.section import Section, section
from connections.models import (
    Branch,
    Build,
    Commit,
    Deployment,
    Group,
    Permission,
    Pipeline,
    PullRequest,
    Push,
    SyncSettings,
    VendorIdentity,
)

_KEPT: Final = "connection_id repository_id remote_id seen_at gone_at"

CODE: Final[tuple[Section, ...]] = (
    section("groups", Group, "workspace_id remote_id name permission seen_at gone_at"),
    section(
        "permissions",
        Permission,
        _KEPT,
        "subject_kind subject_remote_id subject_name permission",
    ),
    section("branches", Branch, _KEPT, "kind name target committed_at former_target rewritten_at"),
    section(
        "commits",
        Commit,
        _KEPT,
        "message parents author_remote_id author_name author_email committer_remote_id",
        "committer_name committer_email committed_at url pulls pulls_said pulls_at",
    ),
    section(
        "pushes",
        Push,
        "connection_id repository_id delivery_id commit is_head ref_kind ref_name former",
        "by_remote_id by_name pushed_at received_at",
    ),
    section(
        "vendor_identities",
        VendorIdentity,
        "connector kind key name emails url connections first_seen_at says user_id said_by said_at",
    ),
    section(
        "pull_requests",
        PullRequest,
        _KEPT,
        "number title state draft author_remote_id author_name closed_by_remote_id closed_by_name",
        "participants source_branch source_hash source_repository destination_branch",
        "destination_hash merge_hash remote_created_at remote_updated_at closed_at version",
        "comments url",
    ),
    section(
        "builds",
        Build,
        _KEPT,
        "commit key name state url refname remote_created_at remote_updated_at",
    ),
    section(
        "pipelines",
        Pipeline,
        _KEPT,
        "number state commit refname trigger creator_remote_id creator_name steps",
        "remote_created_at completed_at seconds url",
    ),
    section(
        "deployments",
        Deployment,
        _KEPT,
        "environment environment_kind state commit pipeline_remote_id by_remote_id by_name",
        "started_at completed_at remote_updated_at url",
    ),
    section("sync_settings", SyncSettings, "connection_id chosen keep_days mode changed_at"),
)
