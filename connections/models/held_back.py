"""What a restored database must not use: the exact list, one row per connection."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel


class HeldBackBecause(models.TextChoices):
    SPENT = "spent", "Its refresh token was used after the backup"
    RELINKED = "relinked", "It was linked again after the backup"
    REVOKED = "revoked", "It was revoked after the backup"
    MISSING = "missing", "It was linked after the backup and is not in it"


class HeldBack(TenantModel):
    """A connection that a restore left behind; over when it is linked again.

    `connection_id` is no foreign key: a missing connection has no row.
    """

    Because = HeldBackBecause

    connection_id = models.UUIDField()
    name = models.CharField(max_length=80)
    because = models.CharField(max_length=12, choices=HeldBackBecause.choices)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        base_manager_name = "everywhere"
        ordering = ["-at", "name"]

    def __str__(self) -> str:
        return self.name
