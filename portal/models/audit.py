"""The record: append-only rows, numbered and chained by hash within each organization."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel


class AuditEvent(TenantModel):
    """One deed, with names rather than foreign keys so that the record outlives its subjects."""

    sequence = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=60)
    actor_kind = models.CharField(max_length=12)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=200)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.UUIDField(null=True)
    subject_name = models.CharField(max_length=200)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    address = models.CharField(max_length=64, blank=True)
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        base_manager_name = "everywhere"
        ordering = ["-sequence"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "sequence"], name="audit_sequence")
        ]
        indexes = [
            models.Index(fields=["organization", "subject_id", "-sequence"], name="audit_subject"),
            models.Index(fields=["organization", "action", "-sequence"], name="audit_action"),
        ]


class AuditHead(TenantModel):
    """Where an organization's chain ends; locked last in each transaction that writes to it."""

    sequence = models.BigIntegerField(default=0)
    hash = models.BinaryField(max_length=32, default=bytes(32))

    class Meta:
        base_manager_name = "everywhere"
        constraints = [models.UniqueConstraint(fields=["organization"], name="audit_head_once")]
