"""Where a vendor's webhooks come in, and each message that was accepted."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import LedgerModel, TenantModel


class HookEndpoint(TenantModel):
    """A connection's one public address for webhooks, the same for as long as the connection lives.

    It is found by the SHA-256 of the address's random part. `sealed` is that part under the web
    process's own key, so that whoever manages the connection can be shown it again. The secrets are
    sealed values of the domain `webhook` (fields `secret`, `previous`, and `address` for workers);
    `secret_at` says since when the newest one holds, null until a worker has kept the first.
    `refused` counts what had no right signature, last for the reason `refused_because`.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="hook_endpoints"
    )
    hash = models.BinaryField(max_length=32)
    sealed = models.BinaryField()
    secret_last_four = models.CharField(max_length=4, blank=True)
    secret_at = models.DateTimeField(null=True)
    previous_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    disabled_at = models.DateTimeField(null=True)
    refused = models.IntegerField(default=0)
    refused_at = models.DateTimeField(null=True)
    refused_because = models.CharField(max_length=24, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(fields=["hash"], name="hook_endpoint_hash"),
            UniqueConstraint(fields=["organization", "connection"], name="hook_endpoint_once"),
        ]

    def __str__(self) -> str:
        return "a webhook endpoint"


class DeliveryState(models.TextChoices):
    NEW = "new", "Waiting"
    APPLIED = "applied", "Applied"
    IGNORED = "ignored", "Nothing to do"
    DEAD = "dead", "Failed"
    DISCARDED = "discarded", "Discarded"


class Delivery(LedgerModel):
    """One webhook message with a right signature, as it came; the inbox of an organization.

    Ids instead of foreign keys: the one function that inserts takes organization and connection
    from the endpoint's row, and locks nobody's row. `dedupe` is made of the sender's id, or of the
    body where there is no good one. `conflict`: the id came before with another body.
    `possible_replay`: the body came within a day under another id. `body` is null once its days are
    over. `attempts` are those counted so far (see DeliveryClaim); `tries` says what came of those
    that did not end well, `deed_id` names the decision that changed it last, `repository_id` what
    it is about.
    """

    State = DeliveryState

    endpoint_id = models.UUIDField()
    connection_id = models.UUIDField()
    received_at = models.DateTimeField(default=timezone.now)
    sender_id = models.CharField(max_length=64, blank=True)
    dedupe = models.BinaryField(max_length=40)
    content_hash = models.BinaryField(max_length=32)
    possible_replay = models.BooleanField(default=False)
    conflict = models.BooleanField(default=False)
    event_key = models.CharField(max_length=100, blank=True)
    attempt = models.SmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    size = models.IntegerField()
    state = models.CharField(
        max_length=12, choices=DeliveryState.choices, default=DeliveryState.NEW
    )
    attempts = models.SmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)
    effect = models.JSONField(default=dict)
    tries = models.JSONField(
        default=list, db_default=models.Value([], output_field=models.JSONField())
    )
    repository_id = models.UUIDField(null=True)
    deed_id = models.UUIDField(null=True)
    applied_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        # Each question of an arrival has one index that begins with it, so that plans which were
        # made while the table was small stay good.
        constraints = [UniqueConstraint(fields=["dedupe", "endpoint_id"], name="delivery_once")]
        indexes = [
            Index(
                fields=["content_hash", "endpoint_id", "received_at"], name="delivery_by_content"
            ),
            Index(
                fields=["organization", "next_at"], condition=Q(state="new"), name="delivery_due"
            ),
            Index(
                fields=["organization", "next_at"],
                condition=Q(state="new", attempts__gt=0),
                name="delivery_again",
            ),
            Index(
                fields=["organization", "connection_id", "received_at"],
                condition=Q(body__isnull=False),
                name="delivery_with_body",
            ),
            Index(
                fields=["organization", "connection_id", "-received_at", "id"],
                name="delivery_of_connection",
            ),
            Index(
                fields=["organization", "-received_at", "id"],
                condition=Q(state="dead"),
                name="delivery_dead",
            ),
            Index(
                fields=["organization", "repository_id", "-received_at", "id"],
                condition=Q(repository_id__isnull=False),
                name="delivery_of_repository",
            ),
            Index(
                fields=["organization", "deed_id"],
                condition=Q(deed_id__isnull=False),
                name="delivery_of_deed",
            ),
            Index(
                fields=["organization", "sender_id"],
                condition=Q(conflict=True),
                name="delivery_conflicts",
            ),
            Index(
                fields=["organization", "connection_id", "event_key", "-received_at", "id"],
                name="delivery_by_event",
            ),
            Index(
                fields=["organization", "connection_id", "state", "-received_at", "id"],
                condition=~Q(state="new"),
                name="delivery_by_outcome",
            ),
            Index(
                fields=["organization", "connection_id", "-received_at", "id"],
                condition=Q(error="foreign"),
                name="delivery_foreign",
            ),
            Index(
                fields=["organization", "connection_id", "-received_at", "id"],
                condition=Q(possible_replay=True),
                name="delivery_replays",
            ),
        ]

    def __str__(self) -> str:
        return self.event_key or "a delivery"


class DeliveryClaim(LedgerModel):
    """The deliveries that one worker has in hand, until it settles them or `until` has passed.

    It stands for a lease on each of them, so that a delivery is written once. One that is there
    after its time is the mark of a worker that died: an attempt is counted for each of its
    deliveries then.
    """

    until = models.DateTimeField()
    deliveries = ArrayField(models.UUIDField())

    class Meta:
        base_manager_name = "everywhere"
        indexes = [Index(fields=["organization", "until"], name="delivery_claim_ends")]

    def __str__(self) -> str:
        return f"{len(self.deliveries)} deliveries in hand"
