"""Work as rows, and the processes that do it."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel


class Priority(models.IntegerChoices):
    """The class of a job, the most urgent first; `portal/fairness.py` says what each may take."""

    WAITING = 10, "A person waits"
    REFRESH = 20, "Token refresh"
    NORMAL = 50, "Webhooks and the like"
    INCREMENTAL = 70, "Incremental sync"
    FULL = 90, "Full sync"
    HOUSEKEEPING = 95, "Housekeeping"


class Job(TenantModel):
    """One piece of work: claimed by a lease, may run twice, done when `done_at` is set.

    `ref` holds ids only. `dedupe` names work that need not wait twice. A failed job that was tried
    again (`retried_at`) stays as it was: the new try is a row of its own.
    """

    kind = models.CharField(max_length=40)
    ref = models.JSONField(default=dict)
    dedupe = models.CharField(max_length=120, null=True)
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    run_at = models.DateTimeField(default=timezone.now)
    attempts = models.IntegerField(default=0)
    max_attempts = models.IntegerField(default=8)
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    retried_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "dedupe"],
                condition=models.Q(done_at=None),
                name="job_dedupe",
            ),
            # The claim walks class by class: a job of no class would never be done.
            models.CheckConstraint(
                condition=models.Q(priority__in=Priority.values), name="job_priority"
            ),
        ]
        indexes = [
            # The claim goes from organization to organization, and takes the oldest of one.
            models.Index(
                fields=["priority", "organization", "run_at"],
                condition=models.Q(done_at=None),
                name="job_turn",
            ),
            models.Index(fields=["run_at"], condition=models.Q(done_at=None), name="job_due"),
            models.Index(
                fields=["lease_until", "priority"],
                condition=models.Q(done_at=None, lease_until__isnull=False),
                name="job_leased",
            ),
            models.Index(
                fields=["-failed_at"],
                condition=models.Q(failed_at__isnull=False),
                name="job_failed",
            ),
            models.Index(fields=["organization", "-created_at"], name="job_recent"),
        ]

    def __str__(self) -> str:
        return self.kind


class Turn(TenantModel):
    """When an organization was last served in a class: whoever waits longest for that is next."""

    priority = models.SmallIntegerField(choices=Priority.choices)
    served_at = models.DateTimeField()

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(fields=["organization", "priority"], name="turn_once")
        ]


class Schedule(models.Model):
    """Something that every installation does every so often, whichever worker comes first.

    A lease holds it while it runs; a worker that dies leaves it to the next one.
    """

    name = models.CharField(max_length=60, primary_key=True)
    period_seconds = models.PositiveIntegerField()
    next_run_at = models.DateTimeField()
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=80, blank=True)
    failures = models.PositiveIntegerField(default=0)

    @property
    def is_running(self) -> bool:
        return self.lease_until is not None and self.lease_until > timezone.now()


class Heartbeat(models.Model):
    """One running process, seen a moment ago; rows older than a day are swept.

    `hands` is how many jobs it can do at the same time; `keys` are the fingerprints of what it
    holds, `active` the version that each domain seals with. Web and api say so by `portal_beat`.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    kind = models.CharField(max_length=12)
    host = models.CharField(max_length=100)
    pid = models.IntegerField()
    hands = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    keys = models.JSONField(default=dict)
    active = models.JSONField(
        default=dict, db_default=models.Value({}, output_field=models.JSONField())
    )

    class Meta:
        indexes = [models.Index(fields=["kind", "-seen_at"], name="heartbeat_kind")]
