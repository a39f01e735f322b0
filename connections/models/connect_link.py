"""A one-use address for somebody without an account, who holds the right at the vendor."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from connections.models.connection import Connection
from portal.models import Team
from portal.tenancy import TenantModel

CONNECT_LINK_LIFETIME = timedelta(hours=72)


def connect_link_expiry() -> datetime:
    return timezone.now() + CONNECT_LINK_LIFETIME


class ConnectLink(TenantModel):
    """Who asked whom for which connection, and what came of it; the address is kept as a hash only.

    `relink` is the connection to link again in place; without it a new one is made, for `team`.
    `sent_by` answers for what is linked: when they may not link any more, the address is dead.
    `sending_id` names the sending of a campaign that it belongs to.
    """

    ASKED_BY = ", asked by "

    connector = models.CharField(max_length=40)
    relink = models.ForeignKey(
        Connection, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    connection = models.ForeignKey(
        Connection, null=True, on_delete=models.SET_NULL, db_constraint=False, related_name="+"
    )
    team = models.ForeignKey(Team, null=True, on_delete=models.CASCADE, db_constraint=False)
    name = models.CharField(max_length=80)
    capabilities = ArrayField(models.CharField(max_length=40), default=list)
    reason = models.CharField(max_length=300, blank=True)
    token_hash = models.BinaryField(max_length=32, unique=True)
    to_name = models.CharField(max_length=80)
    to_email = models.EmailField(blank=True)
    message = models.CharField(max_length=500, blank=True)
    campaign_id = models.UUIDField(null=True)
    sending_id = models.UUIDField(null=True)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    sent_by_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=connect_link_expiry)
    mailed_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    opened_from = models.CharField(max_length=64, blank=True)
    begun_at = models.DateTimeField(null=True)
    linked_at = models.DateTimeField(null=True)
    linked_from = models.CharField(max_length=64, blank=True)
    linked_account = models.CharField(max_length=200, blank=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by_name = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["organization", "sending_id"],
                condition=models.Q(sending_id__isnull=False),
                name="connect_link_of_sending",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def as_granter(self) -> str:
        """Who granted what is linked by it, as the connection names them."""
        return f"{self.to_name}{self.ASKED_BY}{self.sent_by_name}"[:200]

    @property
    def is_open(self) -> bool:
        return (
            self.linked_at is None and self.revoked_at is None and self.expires_at > timezone.now()
        )
