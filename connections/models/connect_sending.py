"""The connect links of a campaign on their way to many people: a worker sends them one by one."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from connections.models.campaign import Campaign
from portal.tenancy import TenantModel


class SendingState(models.TextChoices):
    RUNNING = "running", "Being sent"
    DONE = "done", "Sent"
    CANCELLED = "cancelled", "Cancelled"
    STOPPED = "stopped", "Stopped"


class ConnectSending(TenantModel):
    """What is left of a campaign, of everybody or of one `owner`, is asked for by mail.

    With `to_email` all of it goes to that person; without, to whoever linked each or granted it.
    `left_out` has the name and the reason of each connection that got no link.
    """

    State = SendingState

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    to_name = models.CharField(max_length=80, blank=True)
    to_email = models.EmailField(blank=True)
    message = models.CharField(max_length=500, blank=True)
    state = models.CharField(
        max_length=10, choices=SendingState.choices, default=SendingState.RUNNING
    )
    error = models.CharField(max_length=40, blank=True)
    total = models.IntegerField()
    left_out = models.JSONField(default=list)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    sent_by_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            models.Index(fields=["organization", "campaign", "-created_at"], name="sending_latest")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "campaign"],
                condition=models.Q(state=SendingState.RUNNING),
                name="sending_running_once",
            )
        ]

    def __str__(self) -> str:
        return str(self.campaign)

    @property
    def is_running(self) -> bool:
        return self.state == SendingState.RUNNING
