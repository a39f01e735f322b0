"""The organization as a file: made by a worker, kept in pieces in the database until it expires."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel


class ExportState(models.TextChoices):
    ASKED = "asked", "Waiting for a second person"
    QUEUED = "queued", "Waiting for a worker"
    RUNNING = "running", "Being written"
    READY = "ready", "Ready to download"
    REFUSED = "refused", "Refused by the second person"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired and deleted"


LIVE_EXPORT = (ExportState.QUEUED, ExportState.RUNNING)


class Export(TenantModel):
    """With a `public_key` (X25519, 32 bytes), credentials are in it, sealed to that key alone.

    `record_sequence` is the last entry of the record that it holds. `sha256` is of the whole file.
    """

    State = ExportState

    state = models.CharField(max_length=12, choices=ExportState.choices, default=ExportState.QUEUED)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    user_name = models.CharField(max_length=200)
    why = models.CharField(max_length=300, blank=True)
    public_key = models.BinaryField(max_length=32, null=True)
    fingerprint = models.CharField(max_length=80, blank=True)
    approval_id = models.UUIDField(null=True)
    done = models.IntegerField(default=0)
    total = models.IntegerField(null=True)
    now_writing = models.CharField(max_length=80, blank=True)
    record_sequence = models.BigIntegerField(null=True)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    error = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    downloaded_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [models.Index(fields=["organization", "-created_at"], name="export_latest")]

    def __str__(self) -> str:
        return f"export of {self.created_at:%Y-%m-%d %H:%M} UTC"

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_EXPORT

    @property
    def is_sealed(self) -> bool:
        """Whether credentials are in it."""
        return self.public_key is not None


class ExportPiece(TenantModel):
    """A piece of the file, in order; web and workers share nothing but the database."""

    export = models.ForeignKey(
        Export, on_delete=models.CASCADE, db_constraint=False, related_name="pieces"
    )
    number = models.IntegerField()
    content = models.BinaryField()

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "export", "number"], name="export_piece_once"
            )
        ]
