"""What a sync keeps of code: branches, commits, reviews, builds, deployments, who may do what."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Index, Q, UniqueConstraint
from django.db.models.functions import Coalesce

from connections.models.connection import Connection
from connections.models.workspace import InWorkspace, Kept, Repository


def by_end(*moments: str, name: str) -> Index:
    """For what is dropped for its age: a connection's rows by the first moment that is known."""
    return Index(F("organization"), F("connection"), Coalesce(*moments), name=name)


class Group(InWorkspace):
    """A group of people at the vendor."""

    name = models.CharField(max_length=300)
    permission = models.CharField(max_length=40, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "workspace", "remote_id"], name="vendor_group_once"
            )
        ]


class InRepository(Kept):
    """`connection` repeats the repository's, so that one index serves a connection's pages."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, db_constraint=False)

    class Meta:
        abstract = True
        base_manager_name = "everywhere"


class Permission(InRepository):
    """Who may do what with a repository."""

    subject_kind = models.CharField(max_length=12)
    subject_remote_id = models.CharField(max_length=200)
    subject_name = models.CharField(max_length=300, blank=True)
    permission = models.CharField(max_length=40)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "repository", "remote_id"], name="permission_once"
            )
        ]


class Branch(InRepository):
    """A branch or a tag.

    `former_target` is where it stood before it moved last, until that commit was found below the
    new one; where it is not there any more, somebody rewrote the branch, and `rewritten_at` says
    when that was found.
    """

    kind = models.CharField(max_length=12)
    name = models.CharField(max_length=300)
    target = models.CharField(max_length=64)
    committed_at = models.DateTimeField(null=True)
    former_target = models.CharField(max_length=64, blank=True, default="", db_default="")
    rewritten_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(fields=["organization", "repository", "remote_id"], name="branch_once")
        ]
        indexes = [
            Index(
                fields=["organization", "connection", "rewritten_at"],
                condition=Q(rewritten_at__isnull=False),
                name="branch_rewritten",
            )
        ]


class Commit(InRepository):
    """A commit; its `remote_id` is the hash. `pulls` are the numbers of the pull requests with it.

    `pulls` is null as long as the vendor never named them; `pulls_said` is what it answered last.
    """

    message = models.CharField(max_length=10_000, blank=True)
    parents = ArrayField(models.CharField(max_length=64), default=list)
    author_remote_id = models.CharField(max_length=200, blank=True)
    author_name = models.CharField(max_length=300, blank=True)
    author_email = models.CharField(max_length=254, blank=True)
    committer_remote_id = models.CharField(max_length=200, blank=True, default="", db_default="")
    committer_name = models.CharField(max_length=300, blank=True, default="", db_default="")
    committer_email = models.CharField(max_length=254, blank=True, default="", db_default="")
    committed_at = models.DateTimeField(null=True)
    url = models.CharField(max_length=500, blank=True)
    pulls = ArrayField(models.IntegerField(), null=True)
    pulls_said = models.CharField(max_length=20, blank=True)
    pulls_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(fields=["organization", "repository", "remote_id"], name="commit_once")
        ]
        indexes = [
            Index(
                fields=["organization", "remote_id"],
                name="commit_by_hash",
                opclasses=["uuid_ops", "varchar_pattern_ops"],
            )
        ]


class PullRequest(InRepository):
    """A pull request as it stands at the vendor.

    `participants` is a list of {id, name, reviewer, verdict, at}. A state that is older by
    (`remote_updated_at`, `version`) never replaces this one.
    """

    number = models.IntegerField()
    title = models.CharField(max_length=500)
    state = models.CharField(max_length=12)
    draft = models.BooleanField(default=False)
    author_remote_id = models.CharField(max_length=200, blank=True)
    author_name = models.CharField(max_length=300, blank=True)
    closed_by_remote_id = models.CharField(max_length=200, blank=True)
    closed_by_name = models.CharField(max_length=300, blank=True)
    participants = models.JSONField(default=list)
    source_branch = models.CharField(max_length=300, blank=True)
    source_hash = models.CharField(max_length=64, blank=True)
    source_repository = models.CharField(max_length=400, blank=True)
    destination_branch = models.CharField(max_length=300, blank=True)
    destination_hash = models.CharField(max_length=64, blank=True)
    merge_hash = models.CharField(max_length=64, blank=True)
    remote_created_at = models.DateTimeField(null=True)
    remote_updated_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    version = models.IntegerField(default=0)
    comments = models.IntegerField(default=0, db_default=0)
    url = models.CharField(max_length=500, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "repository", "remote_id"], name="pull_request_once"
            )
        ]
        indexes = [
            Index(
                fields=["organization", "connection", "-remote_updated_at", "id"],
                name="pull_request_by_change",
            ),
            Index(fields=["organization", "merge_hash"], name="pull_request_by_merge"),
        ]


class Build(InRepository):
    """What a build system says of a commit."""

    commit = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    name = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=12)
    url = models.CharField(max_length=500, blank=True)
    refname = models.CharField(max_length=300, blank=True)
    remote_created_at = models.DateTimeField(null=True)
    remote_updated_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(fields=["organization", "repository", "remote_id"], name="build_once")
        ]
        indexes = [
            Index(fields=["organization", "commit"], name="build_by_commit"),
            Index(fields=["organization", "url"], name="build_by_url"),
            by_end("remote_updated_at", "remote_created_at", name="build_by_end"),
        ]


class Pipeline(InRepository):
    """A run of the vendor's own build system; `steps` is a list of {name, state, seconds}."""

    number = models.IntegerField()
    state = models.CharField(max_length=12)
    commit = models.CharField(max_length=64, blank=True)
    refname = models.CharField(max_length=300, blank=True)
    trigger = models.CharField(max_length=40, blank=True)
    creator_remote_id = models.CharField(max_length=200, blank=True)
    creator_name = models.CharField(max_length=300, blank=True)
    steps = models.JSONField(default=list)
    remote_created_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    seconds = models.IntegerField(null=True)
    url = models.CharField(max_length=500, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "repository", "remote_id"], name="pipeline_once"
            )
        ]
        indexes = [
            Index(fields=["organization", "commit"], name="pipeline_by_commit"),
            by_end("completed_at", "remote_created_at", name="pipeline_by_end"),
        ]


class Deployment(InRepository):
    """What went to which environment, and how it ended."""

    environment = models.CharField(max_length=200)
    environment_kind = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=12)
    commit = models.CharField(max_length=64, blank=True)
    pipeline_remote_id = models.CharField(max_length=200, blank=True)
    by_remote_id = models.CharField(max_length=200, blank=True)
    by_name = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    remote_updated_at = models.DateTimeField(null=True)
    url = models.CharField(max_length=500, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "repository", "remote_id"], name="deployment_once"
            )
        ]
        indexes = [
            Index(fields=["organization", "commit"], name="deployment_by_commit"),
            by_end("completed_at", "remote_updated_at", "started_at", name="deployment_by_end"),
        ]
