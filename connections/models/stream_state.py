"""How far each stream of each container is held, and what the vendor's budget was spent on."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.workspace import Repository, Workspace
from portal.tenancy import TenantModel


class StreamStand(models.TextChoices):
    NEW = "new", "Not read yet"
    READING = "reading", "Being read"
    CURRENT = "current", "Complete"
    PARTIAL = "partial", "Complete with failures"
    HELD_BACK = "held_back", "Removals held back"
    FAILING = "failing", "Failing"


class StreamState(TenantModel):
    """One stream of one container, for as long as it is synced: it outlives every run.

    A null `repository` is the workspace's own stream. Everything that changed at the vendor up to
    `since` is held. A pass that is under way has its `pass_id`, with which it marks what it sees,
    and the `checkpoint` of the next page; `last_page_at` is when it got on. `heads` are the commits
    that this pass, or the last one, goes by; below each of `held_heads` every commit is held.
    `due_at` is when it is to be read next, null when only a change elsewhere calls for it. `wanted`
    says why: "first", "changed", "told", "full", "asked".
    """

    Stand = StreamStand

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="stream_states"
    )
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_constraint=False)
    repository = models.ForeignKey(
        Repository, null=True, on_delete=models.CASCADE, db_constraint=False
    )
    stream = models.CharField(max_length=40)
    stand = models.CharField(max_length=12, choices=StreamStand.choices, default=StreamStand.NEW)
    wanted = models.CharField(max_length=12, blank=True, default="first")
    due_at = models.DateTimeField(null=True, default=timezone.now)
    pass_id = models.UUIDField(null=True)
    pass_started_at = models.DateTimeField(null=True)
    last_page_at = models.DateTimeField(null=True)
    heads = ArrayField(models.CharField(max_length=64), null=True)
    held_heads = ArrayField(models.CharField(max_length=64), null=True)
    is_full = models.BooleanField(default=True)
    checkpoint = models.TextField(null=True)
    pages = models.IntegerField(default=0)
    read = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    total = models.IntegerField(null=True)
    since = models.DateTimeField(null=True)
    etag = models.CharField(max_length=200, blank=True)
    held = models.IntegerField(default=0)
    requests = models.IntegerField(default=0)
    last_success_at = models.DateTimeField(null=True)
    last_full_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "workspace", "repository", "stream"],
                nulls_distinct=False,
                name="stream_state_once",
            )
        ]
        indexes = [
            Index(
                fields=["organization", "connection", "due_at"],
                condition=Q(due_at__isnull=False),
                name="stream_state_due",
            ),
            Index(
                fields=["organization", "connection", "stand", "repository"],
                name="stream_state_by_stand",
            ),
            Index(fields=["organization", "repository"], name="stream_state_of_repository"),
        ]


class RequestBudget(TenantModel):
    """What one upstream account may ask of a vendor in an hour, whoever's connections share it.

    Rows of the platform, found by a keyed hash of connector, place and account. `spent` maps the
    minute (whole minutes since 1970, as text) to {class of priority: requests}; older than an hour
    is dropped. After a 429 nothing but what a person waits for is asked before `blocked_until`.
    """

    account = models.BinaryField(max_length=32)
    connector = models.CharField(max_length=40)
    per_hour = models.IntegerField()
    spent = models.JSONField(default=dict)
    said_remaining = models.IntegerField(null=True)
    said_at = models.DateTimeField(null=True)
    blocked_until = models.DateTimeField(null=True)
    refusals = models.IntegerField(default=0)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [UniqueConstraint(fields=["organization", "account"], name="budget_once")]


class HookMode(models.TextChoices):
    POLLING = "polling", "Ask at intervals only"
    HOOKS = "hooks", "Receive webhooks too"


class SyncSettings(TenantModel):
    """What people chose to sync of a connection; without a row, what the streams say themselves.

    `chosen` are keys of streams, null for those that are chosen by default. Builds, pipelines and
    deployments that ended longer than `keep_days` ago are dropped, null keeps them.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="sync_settings"
    )
    chosen = ArrayField(models.CharField(max_length=40), null=True)
    keep_days = models.IntegerField(null=True, default=400)
    mode = models.CharField(max_length=12, choices=HookMode.choices, default=HookMode.POLLING)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(fields=["organization", "connection"], name="sync_settings_once")
        ]
