"""Every credential of this kind by Friday: what is to be done with which connections, by when."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import TenantModel


class Goal(models.TextChoices):
    """What ticks an item: another secret of the same account, or a new link."""

    ROTATE = "rotate", "Replace the credential"
    RELINK = "relink", "Link again"


class Campaign(TenantModel):
    """Open until each item is done or excluded (`ended_at`), or until somebody cancels it.

    `zone` is the time zone in which whoever started it chose the deadline.
    """

    Goal = Goal

    title = models.CharField(max_length=100)
    goal = models.CharField(max_length=8, choices=Goal.choices)
    because = models.CharField(max_length=300, blank=True)
    due_at = models.DateTimeField()
    zone = models.CharField(max_length=60, default="UTC")
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    started_by_name = models.CharField(max_length=200)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by_name = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            models.Index(fields=["organization", "-started_at", "id"], name="campaign_by_age"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.ended_at is None and self.cancelled_at is None


class CampaignItem(TenantModel):
    """One connection of a campaign: to do, done, or excluded for a reason that is on record."""

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, db_constraint=False, related_name="items"
    )
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    done_at = models.DateTimeField(null=True)
    excluded_at = models.DateTimeField(null=True)
    excluded_by_name = models.CharField(max_length=200, blank=True)
    excluded_because = models.CharField(max_length=300, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "campaign", "connection"], name="campaign_item_once"
            ),
            models.CheckConstraint(
                condition=Q(done_at=None) | Q(excluded_at=None), name="campaign_item_one_end"
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization", "connection"],
                condition=Q(done_at=None, excluded_at=None),
                name="campaign_item_to_do",
            )
        ]
