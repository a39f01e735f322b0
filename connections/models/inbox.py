"""What people decided about deliveries, what was missed, and how many came in each hour."""

from __future__ import annotations

from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.workspace import Repository, Workspace
from portal.tenancy import TenantModel


class DeedKind(models.TextChoices):
    REPLAY = "replay", "Apply again"
    DISCARD = "discard", "Discard"
    RESTORE = "restore", "Take back"


class DeedState(models.TextChoices):
    RUNNING = "running", "Under way"
    FINISHED = "finished", "Finished"
    STOPPED = "stopped", "Stopped"


class InboxDeed(TenantModel):
    """Dead letters are applied again, discarded or taken back: all that match, portion by portion.

    What matches was received before `created_at`, is of `connection` and has `event_key` and
    `error`, as far as these are given; or it is the one `delivery_id`, or what the deed
    `undoes_id` discarded. `total` is what the preview counted.
    """

    Kind, State = DeedKind, DeedState

    kind = models.CharField(max_length=12, choices=DeedKind.choices)
    state = models.CharField(max_length=12, choices=DeedState.choices, default=DeedState.RUNNING)
    connection = models.ForeignKey(
        Connection, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    event_key = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=40, blank=True)
    delivery_id = models.UUIDField(null=True)
    undoes_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    total = models.IntegerField()
    done = models.IntegerField(default=0)
    asked_by = models.CharField(max_length=200)
    asked_by_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(null=True)
    stop_asked_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=40, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [Index(fields=["organization", "-created_at"], name="inbox_deed_by_age")]

    def __str__(self) -> str:
        return "dead letters"

    @property
    def is_running(self) -> bool:
        return self.state == DeedState.RUNNING


class MissedCause(models.TextChoices):
    """The likeliest reason why nobody told us, from what can be seen here."""

    BEFORE_HOOK = "before_hook", "It changed before the webhook was made or changed"
    NO_HOOK = "no_hook", "The vendor has no webhook for it"
    HOOK_INACTIVE = "hook_inactive", "The webhook at the vendor is not as it should be"
    ADDRESS_OFF = "address_off", "The webhook address is switched off here"
    REFUSED = "refused", "Messages came without a right signature"
    SILENT = "silent", "Nothing at all came in that time"
    TOO_LARGE = "too_large", "Others came: this one was lost, or too large to be sent"


class MissedEvent(TenantModel):
    """Something that a sync found changed, and no webhook had told of since it was read before.

    It has been read by now: nothing is missing but the telling. `since` is when it was read before,
    `arrived_at` when a webhook told of it after all.
    """

    Cause = MissedCause

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    repository = models.ForeignKey(
        Repository, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    stream = models.CharField(max_length=40)
    remote_id = models.CharField(max_length=200)
    name = models.CharField(max_length=300, blank=True)
    since = models.DateTimeField()
    changed_at = models.DateTimeField(null=True)
    found_at = models.DateTimeField(default=timezone.now)
    cause = models.CharField(max_length=16, choices=MissedCause.choices)
    arrived_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            Index(
                fields=["organization", "connection", "-found_at", "id"],
                name="missed_of_connection",
            ),
            Index(fields=["organization", "-found_at"], name="missed_by_age"),
        ]

    def __str__(self) -> str:
        return self.name or self.remote_id


class DeliveryHour(TenantModel):
    """How many deliveries came in one hour, by what became of them; counted anew while it changes.

    `waiting` is more than zero for as long as one of them has no outcome, or got one since it was
    counted.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    hour = models.DateTimeField()
    applied = models.IntegerField(default=0)
    ignored = models.IntegerField(default=0)
    dead = models.IntegerField(default=0)
    discarded = models.IntegerField(default=0)
    waiting = models.IntegerField(default=0)
    counted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "connection", "hour"], name="delivery_hour_once"
            )
        ]
        indexes = [
            Index(fields=["organization", "hour"], name="delivery_hour_by_age"),
            Index(
                fields=["organization", "connection"],
                condition=Q(waiting__gt=0),
                name="delivery_hour_open",
            ),
        ]
