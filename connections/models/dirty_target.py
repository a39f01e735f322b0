"""What somebody told us has changed at a vendor, until its present state has been fetched."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.workspace import Repository, Workspace
from portal.tenancy import TenantModel


class DirtyTarget(TenantModel):
    """One thing that a webhook named: a stream of a container, and the record's id in it.

    However often it is named, it is fetched once, and not more than once in two seconds: `due_at`
    is null while nothing is to be fetched. `told` counts how often it was named, and `told_by` are
    the last deliveries that did and wait for what comes of it. A null `repository` is something of
    the workspace.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_constraint=False)
    repository = models.ForeignKey(
        Repository, null=True, on_delete=models.CASCADE, db_constraint=False
    )
    stream = models.CharField(max_length=40)
    key = models.CharField(max_length=200, blank=True)
    told_at = models.DateTimeField(default=timezone.now)
    told = models.IntegerField(default=1)
    told_by = ArrayField(models.UUIDField(), default=list)
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)
    attempts = models.SmallIntegerField(default=0)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "connection", "workspace", "repository", "stream", "key"],
                nulls_distinct=False,
                name="dirty_target_once",
            )
        ]
        indexes = [
            Index(
                fields=["organization", "connection", "due_at"],
                condition=Q(due_at__isnull=False),
                name="dirty_target_due",
            ),
            Index(fields=["organization", "fetched_at"], name="dirty_target_by_age"),
        ]
