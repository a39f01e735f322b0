"""Branches that people have made at a source, from the issue that they stand at."""

from __future__ import annotations

from django.db import models
from django.db.models import Index
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.workspace import Repository
from portal.tenancy import TenantModel


class WishStand(models.TextChoices):
    WAITING = "waiting", "On its way"
    MADE = "made", "Made"
    REFUSED = "refused", "Not made"


class BranchWish(TenantModel):
    """One branch that somebody asked for: a worker makes it, or says why not in `error`.

    It begins where the branch `start` stands at that moment. `subject` is the issue it is for.
    """

    Stand = WishStand

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    name = models.CharField(max_length=200)
    start = models.CharField(max_length=300)
    subject = models.CharField(max_length=255, blank=True)
    asked_by = models.CharField(max_length=200, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    stand = models.CharField(max_length=8, choices=WishStand.choices, default=WishStand.WAITING)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            Index(fields=["organization", "repository", "-asked_at"], name="branch_wish_recent")
        ]
