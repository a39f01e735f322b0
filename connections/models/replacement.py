"""A credential on its way to be replaced: where the way stands, and how to go back."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import TenantModel


class ReplacementStage(models.TextChoices):
    """Enter or make, check, switch, withdraw. A worker acts at those that end in -ing."""

    ENTERING = "entering", "Waiting for the new secret"
    MAKING = "making", "Making a new token at the vendor"
    CHECKING = "checking", "Checking the new one"
    CHECKED = "checked", "Checked"
    SWITCHING = "switching", "Switching over"
    SWITCHED = "switched", "In use; the old one has to be withdrawn"
    WITHDRAWING = "withdrawing", "Withdrawing the old one"
    GOING_BACK = "going_back", "Going back to the old one"
    DROPPING = "dropping", "Forgetting the new one"
    DONE = "done", "Done"
    WENT_BACK = "went_back", "Went back to the old one"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


AT_WORK = (
    ReplacementStage.MAKING,
    ReplacementStage.CHECKING,
    ReplacementStage.SWITCHING,
    ReplacementStage.WITHDRAWING,
    ReplacementStage.GOING_BACK,
    ReplacementStage.DROPPING,
)
ENDED = (
    ReplacementStage.DONE,
    ReplacementStage.WENT_BACK,
    ReplacementStage.CANCELLED,
    ReplacementStage.FAILED,
)


class ReplacementBecause(models.TextChoices):
    PERSON = "person", "Somebody asked for it"
    MARKED = "marked", "It was marked for rotation"
    POLICY = "policy", "The rotation policy asks for it"


class WithdrawnHow(models.TextChoices):
    VENDOR = "vendor", "Withdrawn by us through the vendor's API"
    PERSON = "person", "Withdrawn by hand at the vendor"
    EXPIRED = "expired", "It had expired"


class Replacement(TenantModel):
    """One credential (`old_id`) gives way to another (`new_id`), at most one at a time.

    The new secret is sealed under `new_id` before there is a row of that id: that row appears with
    the check, marked as replaced until the switch. `before` is what the connection goes back to:
    method, fields and consumer. `found` is what the check saw. `token_name` is the name of a token
    that we made, by which one whose answer was lost is found again; `old_token_id` is the vendor's
    id of the old one, where it is known. `remind_at`: somebody will withdraw the old one later.
    """

    Stage = ReplacementStage
    Because = ReplacementBecause
    How = WithdrawnHow

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="replacements"
    )
    old_id = models.UUIDField(null=True)
    new_id = models.UUIDField(default=uuid4)
    automatic = models.BooleanField(default=False)
    because = models.CharField(
        max_length=12, choices=ReplacementBecause.choices, default=ReplacementBecause.PERSON
    )
    stage = models.CharField(max_length=12, choices=ReplacementStage.choices)
    method = models.CharField(max_length=40)
    fields = models.JSONField(default=dict)
    before = models.JSONField(default=dict)
    found = models.JSONField(default=dict)
    token_name = models.CharField(max_length=120, blank=True)
    old_token_id = models.CharField(max_length=120, blank=True)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    user_name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    asked_at = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(null=True)
    switched_at = models.DateTimeField(null=True)
    remind_at = models.DateTimeField(null=True)
    withdrawn_how = models.CharField(max_length=8, choices=WithdrawnHow.choices, blank=True)
    withdrawn_by_name = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connection"],
                condition=Q(ended_at=None),
                name="replacement_once",
            ),
            models.CheckConstraint(
                condition=Q(stage__in=ENDED, ended_at__isnull=False)
                | ~Q(stage__in=ENDED) & Q(ended_at=None),
                name="replacement_ended_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization", "connection", "-created_at"], name="replacement_story"
            ),
        ]

    def __str__(self) -> str:
        return str(self.connection)

    @property
    def is_at_work(self) -> bool:
        """Whether a worker has it in hand."""
        return self.stage in AT_WORK

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None
