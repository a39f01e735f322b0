"""A file of connections made elsewhere: one batch, and a row for each connection it names."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from connections.models.connection import Connection, Consumer
from portal.models import Team
from portal.tenancy import TenantModel


class ImportState(models.TextChoices):
    READY = "ready", "Checked, nothing imported yet"
    RUNNING = "running", "Importing"
    DONE = "done", "Finished"
    CANCELLED = "cancelled", "Cancelled"
    UNDOING = "undoing", "Being undone"
    UNDONE = "undone", "Undone"
    DISCARDED = "discarded", "Discarded"


class RowLevel(models.TextChoices):
    OK = "ok", "Ready"
    WARNING = "warning", "Ready, with a warning"
    ERROR = "error", "Cannot be imported"


class RowOutcome(models.TextChoices):
    """What became of a row; every row ends with one that is not `waiting`."""

    WAITING = "waiting", "Waiting"
    CREATED = "created", "Imported"
    DEAD = "dead", "Imported, needs a new credential"
    REPLACED = "replaced", "Credential replaced in place"
    SKIPPED = "skipped", "Skipped, linked already"
    FAILED = "failed", "Failed"
    REFUSED = "refused", "Not imported"
    CANCELLED = "cancelled", "Cancelled before its turn"
    UNDONE = "undone", "Undone"


class ImportBatch(TenantModel):
    """`sound`, `warned` and `broken` count the rows of the dry run by their worst finding.

    What the rows brought lies sealed in the intake until `expires_at`. While the vendor wants a
    pause, `waits_for` names its error until `waits_until`.
    """

    State = ImportState

    file_name = models.CharField(max_length=120)
    shape = models.CharField(max_length=16)
    state = models.CharField(max_length=12, choices=ImportState.choices, default=ImportState.READY)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    user_name = models.CharField(max_length=200)
    replaces = models.BooleanField(default=False)
    rotate_by = models.DateTimeField(null=True)
    campaign_id = models.UUIDField(null=True)
    total = models.IntegerField(default=0)
    sound = models.IntegerField(default=0)
    warned = models.IntegerField(default=0)
    broken = models.IntegerField(default=0)
    waits_for = models.CharField(max_length=40, blank=True)
    waits_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [models.Index(fields=["organization", "-created_at"], name="import_latest")]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_live(self) -> bool:
        """Whether a worker is on it, so that the page is worth asking again."""
        return self.state in {ImportState.RUNNING, ImportState.UNDOING}


class ImportRow(TenantModel):
    """One line of the file without its secret, what the dry run found, and what became of it.

    `findings` are level, field and text each. `credential_id` is what the import gave the
    connection; as long as that is still its credential, nobody has moved on from it. Since
    `renewed_at` the refresh token of the file is spent, and what it gave is sealed for this row.
    """

    Level = RowLevel
    Outcome = RowOutcome

    batch = models.ForeignKey(
        ImportBatch, on_delete=models.CASCADE, db_constraint=False, related_name="rows"
    )
    number = models.IntegerField()
    connector = models.CharField(max_length=40, blank=True)
    method = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=80, blank=True)
    team = models.ForeignKey(Team, null=True, on_delete=models.SET_NULL, db_constraint=False)
    consumer = models.ForeignKey(
        Consumer, null=True, on_delete=models.SET_NULL, db_constraint=False
    )
    fields = models.JSONField(default=dict)
    capabilities = ArrayField(models.CharField(max_length=40), default=list)
    labels = ArrayField(models.CharField(max_length=40), default=list)
    description = models.TextField(max_length=4000, blank=True)
    last_four = models.CharField(max_length=4, blank=True)
    expires_at = models.DateTimeField(null=True)
    refreshable = models.BooleanField(default=False)
    level = models.CharField(max_length=8, choices=RowLevel.choices, default=RowLevel.OK)
    findings = models.JSONField(default=list)
    outcome = models.CharField(
        max_length=12, choices=RowOutcome.choices, default=RowOutcome.WAITING
    )
    code = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=200, blank=True)
    account_name = models.CharField(max_length=200, blank=True)
    other_name = models.CharField(max_length=80, blank=True)
    connection = models.ForeignKey(
        Connection, null=True, on_delete=models.SET_NULL, db_constraint=False, related_name="+"
    )
    credential_id = models.UUIDField(null=True)
    attempts = models.SmallIntegerField(default=0)
    renewed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "batch", "number"], name="import_row_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["organization", "batch", "outcome", "number"], name="import_row_outcome"
            )
        ]

    def __str__(self) -> str:
        return self.name or f"row {self.number}"
