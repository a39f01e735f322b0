"""Work as rows, and the processes that do it."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel


class Job(TenantModel):
    """One piece of work: claimed by a lease, may run twice, done when `done_at` is set.

    `ref` holds ids only. `dedupe` names work that need not wait twice.
    """

    kind = models.CharField(max_length=40)
    ref = models.JSONField(default=dict)
    dedupe = models.CharField(max_length=120, null=True)
    priority = models.SmallIntegerField(default=50)
    run_at = models.DateTimeField(default=timezone.now)
    attempts = models.IntegerField(default=0)
    max_attempts = models.IntegerField(default=8)
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "dedupe"],
                condition=models.Q(done_at=None),
                name="job_dedupe",
            )
        ]
        indexes = [
            models.Index(
                fields=["priority", "run_at"], condition=models.Q(done_at=None), name="job_due"
            ),
            models.Index(fields=["organization", "-created_at"], name="job_recent"),
        ]


class Heartbeat(models.Model):
    """One running process, seen a moment ago; rows older than a day are swept."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    kind = models.CharField(max_length=12)
    host = models.CharField(max_length=100)
    pid = models.IntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    keys = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["kind", "-seen_at"], name="heartbeat_kind")]
