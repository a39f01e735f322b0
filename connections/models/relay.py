"""The outbox of a link, the log of what was sent, and the commands that commits brought."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.link import Link
from connections.models.workspace import Repository
from portal.tenancy import TenantModel


class RelayState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    NOTHING = "nothing", "Names no subject"
    DEAD = "dead", "Failed"
    DISCARDED = "discarded", "Discarded"


class RelayCause(models.TextChoices):
    WEBHOOK = "webhook", "A webhook told of it"
    SYNC = "sync", "A sync found it"
    BACKFILL = "backfill", "Back-fill"
    REPLAY = "replay", "Sent again"
    PERSON = "person", "A person asked for it"


class RelayItem(TenantModel):
    """One entity's way to one target: the outbox, and what was said of it last.

    However often the entity changes it is one row, so only its latest state travels, and in order:
    `sequence` grows with each change (microseconds of the clock, or one more than before), and
    `sent_sequence` is what the target has. `connection` is the target. What is to be sent has a
    `due_at`, and is some worker's until `lease_until`. `urgency` 0 goes before 1, which back-fills
    have. `subjects` are those it may hang on there, so that a removed one can be taken back.
    """

    State, Cause = RelayState, RelayCause

    link = models.ForeignKey(
        Link, on_delete=models.CASCADE, db_constraint=False, related_name="items"
    )
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    kind = models.CharField(max_length=16)
    key = models.CharField(max_length=200)
    sequence = models.BigIntegerField()
    sent_sequence = models.BigIntegerField(null=True)
    state = models.CharField(max_length=12, choices=RelayState.choices, default=RelayState.WAITING)
    cause = models.CharField(max_length=12, choices=RelayCause.choices)
    heard_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True)
    urgency = models.SmallIntegerField(default=0)
    attempts = models.SmallIntegerField(default=0)
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)
    subjects = ArrayField(models.CharField(max_length=255), default=list)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "link", "repository", "kind", "key"],
                name="relay_item_once",
            )
        ]
        indexes = [
            Index(
                fields=["organization", "link", "urgency", "due_at"],
                condition=Q(due_at__isnull=False),
                name="relay_item_due",
            ),
            Index(
                fields=["organization", "link", "-changed_at", "id"],
                condition=Q(state="dead"),
                name="relay_item_dead",
            ),
            Index(fields=["organization", "link", "state", "changed_at"], name="relay_item_state"),
        ]


class RelayAttempt(TenantModel):
    """One request to a target, as it ended: a line of the delivery log, kept for thirty days.

    `answer` is "accepted", or the code of an error. `events` counts what was in it by kind; `items`
    is a list of [id of the item, kind, key, outcome, detail], the first few hundred.
    """

    link = models.ForeignKey(
        Link, on_delete=models.CASCADE, db_constraint=False, related_name="attempts"
    )
    at = models.DateTimeField(default=timezone.now)
    request = models.CharField(max_length=60)
    latency_ms = models.IntegerField(default=0)
    answer = models.CharField(max_length=40)
    detail = models.CharField(max_length=200, blank=True)
    events = models.JSONField(default=dict)
    accepted = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    unknown_subjects = ArrayField(models.CharField(max_length=255), default=list)
    items = models.JSONField(default=list)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            Index(fields=["organization", "link", "-at", "id"], name="relay_attempt_of_link"),
            Index(fields=["organization", "at"], name="relay_attempt_by_age"),
        ]


class SmartState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Not run"


class SmartDeed(TenantModel):
    """One command of a commit's message at one issue: it is carried out once, or says why not.

    Whichever link or branch brings the commit again finds this row. `started_at` is set before the
    target is asked: what a worker's death left there unsettled is not tried again.
    """

    State = SmartState

    link = models.ForeignKey(
        Link, on_delete=models.CASCADE, db_constraint=False, related_name="deeds"
    )
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    commit = models.CharField(max_length=64)
    subject = models.CharField(max_length=255)
    index = models.SmallIntegerField()
    command = models.CharField(max_length=60)
    state = models.CharField(max_length=8, choices=SmartState.choices, default=SmartState.WAITING)
    author = models.CharField(max_length=300, blank=True)
    detail = models.CharField(max_length=200, blank=True)
    attempts = models.SmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "connection", "commit", "subject", "index"],
                name="smart_deed_once",
            )
        ]
        indexes = [
            Index(
                fields=["organization", "link", "due_at"],
                condition=Q(due_at__isnull=False),
                name="smart_deed_due",
            ),
            Index(fields=["organization", "link", "-created_at", "id"], name="smart_deed_of_link"),
        ]
