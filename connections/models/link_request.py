"""What a member without the right asks an admin for: a link, or more scopes for a connection."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import TenantModel

LINK_REQUEST_LIFETIME = timedelta(days=30)


class RequestKind(models.TextChoices):
    LINK = "link", "A link"
    CAPABILITY = "capability", "A capability"
    HOST = "host", "A server"


class RequestState(models.TextChoices):
    OPEN = "open", "Waiting"
    APPROVED = "approved", "Approved"
    DECLINED = "declined", "Declined"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


def link_request_expiry() -> datetime:
    return timezone.now() + LINK_REQUEST_LIFETIME


class LinkRequest(TenantModel):
    """One wish, once: whoever asks for the same is put into `also_asked_by` and told as well.

    `used_at` says when the single link that an approval allows was made. `terms` says more of what
    is asked for: the `team` of a link (empty: the whole organization), the `base_url` of a server.
    Nobody of `formerly_asked_by` answers it.
    """

    Kind, State = RequestKind, RequestState

    kind = models.CharField(max_length=12, choices=RequestKind.choices)
    connector = models.CharField(max_length=40)
    connection = models.ForeignKey(
        Connection, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    capabilities = ArrayField(models.CharField(max_length=40), default=list)
    same_as = models.CharField(max_length=200)
    what = models.CharField(max_length=200)
    why = models.CharField(max_length=500)
    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.OPEN)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    asked_by_name = models.CharField(max_length=200)
    also_asked_by = ArrayField(models.UUIDField(), default=list)
    formerly_asked_by = ArrayField(models.UUIDField(), default=list, db_default=[])
    terms = models.JSONField(default=dict, db_default={})
    asked_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=link_request_expiry)
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
                fields=["organization", "same_as"],
                condition=models.Q(state="open"),
                name="link_request_open_once",
            )
        ]

    def __str__(self) -> str:
        return self.what
