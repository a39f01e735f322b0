"""Support's way into an organization: with a reason, for a limited time, on its own record."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel

LOOK_LIFETIME = timedelta(minutes=60)


def look_expiry() -> datetime:
    return timezone.now() + LOOK_LIFETIME


class SupportLook(TenantModel):
    """A support person may read this organization until it ends; it cannot be extended."""

    staff = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    reason = models.CharField(max_length=300)
    started_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(default=look_expiry)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__lte=models.F("started_at") + LOOK_LIFETIME),
                name="look_at_most_an_hour",
            )
        ]
        indexes = [models.Index(fields=["staff", "-ends_at"], name="look_staff")]

    @property
    def is_open(self) -> bool:
        return self.ended_at is None and self.ends_at > timezone.now()
