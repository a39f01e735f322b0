"""A link begun: one-use state bound to session, organization and connector, for ten minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from connections.models.connect_link import ConnectLink
from connections.models.connection import Connection, Consumer
from portal.models import Team
from portal.tenancy import TenantModel


class LinkStage(models.TextChoices):
    CHOOSING = "choosing", "Choosing"
    AT_VENDOR = "at_vendor", "At the vendor"
    ANSWERED = "answered", "Answered"
    CONFIRM_ACCOUNT = "confirm_account", "Another account"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


def link_expiry() -> datetime:
    return timezone.now() + timedelta(minutes=settings.PENDING_LINK_MINUTES)


class PendingLink(TenantModel):
    """What the wizard knows so far. `state_hash` and `session_hash` are SHA-256, never the values.

    With a `connect_link` it is led by a person without an account, and `user` is who sent that.
    The code and the PKCE verifier, or a pasted token, lie HPKE-sealed in intake rows. `expires_at`
    starts anew when the person leaves for the vendor. `ends_at` is when a pasted secret ends, as
    the person says.
    """

    Stage = LinkStage

    connector = models.CharField(max_length=40)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    relink = models.ForeignKey(
        Connection,
        null=True,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="relinks",
    )
    connection = models.ForeignKey(
        Connection,
        null=True,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="links",
    )
    consumer = models.ForeignKey(Consumer, null=True, on_delete=models.CASCADE, db_constraint=False)
    team = models.ForeignKey(Team, null=True, on_delete=models.CASCADE, db_constraint=False)
    connect_link = models.ForeignKey(
        ConnectLink, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    method = models.CharField(max_length=40, blank=True)
    capabilities = ArrayField(models.CharField(max_length=40), default=list)
    reason = models.CharField(max_length=300, blank=True)
    name = models.CharField(max_length=80, blank=True)
    fields = models.JSONField(default=dict)
    state_hash = models.BinaryField(max_length=32, null=True)
    session_hash = models.BinaryField(max_length=32)
    stage = models.CharField(max_length=16, choices=LinkStage.choices, default=LinkStage.CHOOSING)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)
    found_account = models.JSONField(default=dict)
    account_confirmed = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(default=link_expiry)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(fields=["state_hash"], name="pending_state_once"),
        ]

    def __str__(self) -> str:
        return self.name or self.connector

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()
