"""One reading of a connection's workspaces, stream by stream, each with its own checkpoint."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.workspace import Workspace
from portal.tenancy import TenantModel


class RunState(models.TextChoices):
    QUEUED = "queued", "Waiting for a worker"
    RUNNING = "running", "Running"
    DONE = "done", "Complete"
    PARTIAL = "partial", "Complete with failures"
    QUARANTINED = "quarantined", "Removals held back"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


LIVE = (RunState.QUEUED, RunState.RUNNING)


class SyncRun(TenantModel):
    """`done` and `total` count records; `total` is None until every stream has said its own."""

    State = RunState

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="sync_runs"
    )
    state = models.CharField(max_length=12, choices=RunState.choices, default=RunState.QUEUED)
    requested_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    done = models.IntegerField(default=0)
    total = models.IntegerField(null=True)
    requests = models.IntegerField(default=0)
    now_reading = models.CharField(max_length=300, blank=True)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)
    shrink = models.JSONField(default=list)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connection"],
                condition=models.Q(state__in=LIVE),
                name="sync_run_live_once",
            )
        ]
        indexes = [
            models.Index(fields=["organization", "connection", "-created_at"], name="run_latest")
        ]

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


class StreamRun(TenantModel):
    """One stream of one workspace in a run: where to resume, how far it is, what stopped it."""

    run = models.ForeignKey(
        SyncRun, on_delete=models.CASCADE, db_constraint=False, related_name="streams"
    )
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_constraint=False)
    stream = models.CharField(max_length=40)
    state = models.CharField(max_length=12, choices=RunState.choices, default=RunState.QUEUED)
    checkpoint = models.TextField(null=True)
    pages = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    total = models.IntegerField(null=True)
    failures = models.IntegerField(default=0)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "run", "workspace", "stream"],
                name="stream_run_once",
            )
        ]


class SyncFailure(TenantModel):
    """One item or stream that failed alone; the run went on."""

    run = models.ForeignKey(
        SyncRun, on_delete=models.CASCADE, db_constraint=False, related_name="failures"
    )
    stream = models.CharField(max_length=40)
    workspace_name = models.CharField(max_length=300, blank=True)
    label = models.CharField(max_length=300)
    code = models.CharField(max_length=40)
    detail = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        base_manager_name = "everywhere"
