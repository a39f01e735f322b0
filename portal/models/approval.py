"""What needs a second person: who asked, who decided, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel

APPROVAL_LIFETIME = timedelta(days=7)


class ApprovalState(models.TextChoices):
    ASKED = "asked", "Waiting"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"
    WITHDRAWN = "withdrawn", "Withdrawn"


def approval_expiry() -> datetime:
    return timezone.now() + APPROVAL_LIFETIME


class Approval(TenantModel):
    """One question of one person that another one answers; the database refuses the same one.

    `used_at` says when an approval that allows a single deed was spent.
    """

    State = ApprovalState

    kind = models.CharField(max_length=60)
    subject_id = models.UUIDField()
    subject_name = models.CharField(max_length=200)
    why = models.CharField(max_length=500)
    state = models.CharField(
        max_length=10, choices=ApprovalState.choices, default=ApprovalState.ASKED
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_by_name = models.CharField(max_length=200)
    asked_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=approval_expiry)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_by_name = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    decision_why = models.CharField(max_length=500, blank=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "kind", "subject_id"],
                condition=models.Q(state="asked"),
                name="approval_asked_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["approved", "refused"])
                | models.Q(asked_by=None)
                | models.Q(decided_by=None)
                | ~models.Q(decided_by=models.F("asked_by")),
                name="approval_by_another",
            ),
        ]

    def __str__(self) -> str:
        return self.subject_name

    @property
    def is_open(self) -> bool:
        return self.state == ApprovalState.ASKED and self.expires_at > timezone.now()
