"""The platform's network allow-list: which private hosts may be dialled, where, for whom."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from portal.tenancy import TenantModel


class AllowState(models.TextChoices):
    ASKED = "asked", "Waiting for a second operator"
    APPROVED = "approved", "In force"
    REFUSED = "refused", "Refused"
    WITHDRAWN = "withdrawn", "Withdrawn"


class AllowListEntry(TenantModel):
    """A row of the platform: one host, the networks its addresses lie in, and its terms.

    `organizations` are those it applies to; none means all. The host is in canonical spelling.
    """

    State = AllowState

    host = models.CharField(max_length=253)
    networks = ArrayField(models.CharField(max_length=43), default=list)
    ports = ArrayField(models.IntegerField(), default=list)
    http = models.BooleanField(default=False)
    ca_pem = models.TextField(blank=True)
    organizations = ArrayField(models.UUIDField(), default=list)
    why = models.CharField(max_length=500)
    state = models.CharField(max_length=10, choices=AllowState.choices, default=AllowState.ASKED)
    asked_by_name = models.CharField(max_length=200)
    asked_at = models.DateTimeField(default=timezone.now)
    approved_by_name = models.CharField(max_length=200, blank=True)
    approved_at = models.DateTimeField(null=True)
    ended_by_name = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        ordering = ["host", "-asked_at"]

    def __str__(self) -> str:
        return self.host
