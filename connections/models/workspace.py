"""What a sync keeps: the vendor's containers, projects, people and code."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import TenantModel


class Kept(TenantModel):
    """A row kept from the vendor; `remote_id` survives a rename, `gone_at` marks what went away."""

    remote_id = models.CharField(max_length=200)
    seen_run = models.UUIDField(null=True)
    seen_at = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        base_manager_name = "everywhere"


class Workspace(Kept):
    """A vendor container of one connection; only `selected` ones are synced."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="workspaces"
    )
    slug = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    url = models.CharField(max_length=500, blank=True)
    personal = models.BooleanField(default=False)
    administrator = models.BooleanField(default=False)
    selected = models.BooleanField(default=False)
    repository_count = models.IntegerField(default=0)
    last_error = models.CharField(max_length=40, blank=True)
    synced_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connection", "remote_id"], name="workspace_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class InWorkspace(Kept):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_constraint=False)

    class Meta:
        abstract = True
        base_manager_name = "everywhere"


class Project(InWorkspace):
    key = models.CharField(max_length=100)
    name = models.CharField(max_length=300)
    private = models.BooleanField(default=True)
    url = models.CharField(max_length=500, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "workspace", "remote_id"], name="project_once"
            )
        ]


class Member(InWorkspace):
    name = models.CharField(max_length=300)
    permission = models.CharField(max_length=40, blank=True)
    url = models.CharField(max_length=500, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "workspace", "remote_id"], name="vendor_member_once"
            )
        ]


class Repository(InWorkspace):
    """`connection` repeats the workspace's, so that one index serves a connection's list.

    `former_name` is its full name before it was renamed last. `relayed_at` is set while it takes
    part in a link: then what is written of it is put down for the link's target too.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="repositories"
    )
    slug = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    full_name = models.CharField(max_length=400)
    url = models.CharField(max_length=500, blank=True)
    private = models.BooleanField(default=True)
    main_branch = models.CharField(max_length=300, blank=True)
    project_remote_id = models.CharField(max_length=200, blank=True)
    language = models.CharField(max_length=60, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    remote_updated_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=40, blank=True)
    former_name = models.CharField(max_length=400, blank=True, default="", db_default="")
    renamed_at = models.DateTimeField(null=True)
    relayed_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "workspace", "remote_id"], name="repository_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["organization", "connection", "full_name", "id"], name="repository_by_name"
            ),
            models.Index(
                fields=["organization", "connection", "-remote_updated_at", "id"],
                name="repository_by_change",
            ),
            models.Index(
                fields=["organization", "connection", "gone_at"],
                condition=models.Q(gone_at__isnull=False),
                name="repository_gone",
            ),
            models.Index(
                fields=["organization", "connection", "renamed_at"],
                condition=models.Q(renamed_at__isnull=False),
                name="repository_renamed",
            ),
        ]

    def __str__(self) -> str:
        return self.full_name
