"""Organizations that go: who asked for it and who agreed, and the tombstone that stays."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel


class Erasure(TenantModel):
    """An owner's wish to erase the organization; an operator confirms it, and then a grace begins.

    Until `due_at` either of them may end it (`ended_at`). It goes with the organization's rows.
    """

    asked_by_id = models.UUIDField()
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField(default=timezone.now)
    because = models.CharField(max_length=500, blank=True)
    counted = models.JSONField(default=dict)
    confirmed_by_id = models.UUIDField(null=True)
    confirmed_by = models.CharField(max_length=200, blank=True)
    confirmed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], condition=models.Q(ended_at=None), name="erasure_once"
            )
        ]

    def __str__(self) -> str:
        return f"erasure asked by {self.asked_by}"


class Tombstone(models.Model):
    """An organization was erased: which data keys were destroyed and when, chained by HMAC.

    Append-only, and kept outside the database too (`portal/tombstones.py`): a restored backup that
    knows less is told before anything of that organization is opened.
    """

    sequence = models.PositiveIntegerField(unique=True)
    erased_id = models.UUIDField(unique=True)
    keys: models.JSONField[Any, Any] = models.JSONField(default=list)
    at = models.DateTimeField()
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["sequence"]

    def __str__(self) -> str:
        return f"tombstone {self.sequence}"
