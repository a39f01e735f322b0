"""How a connection's events arrive, and what the vendor has of ours in each container."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.workspace import Repository, Workspace
from portal.tenancy import TenantModel


class Arrival(models.TextChoices):
    """Where the vendor's hooks hang; by polling alone there are none."""

    POLLING = "polling", "At intervals only"
    WORKSPACE = "workspace", "Webhooks of workspaces"
    REPOSITORY = "repository", "Webhooks of repositories"


class HookStand(models.TextChoices):
    """What was found in a container when it was looked at last."""

    NEW = "new", "Not looked at yet"
    PRESENT = "present", "As it should be"
    MISSING = "missing", "Missing"
    INACTIVE = "inactive", "Switched off"
    EVENTS = "events", "Wrong triggers"
    ADDRESS = "address", "Wrong address"
    NO_SECRET = "no_secret", "No secret"
    FORMER = "former", "Former secret"
    FULL = "full", "No room"
    REFUSED = "refused", "Refused"
    FAILING = "failing", "Out of reach"
    SURPLUS = "surplus", "Not needed any more"


class HookWanted(models.TextChoices):
    """What a worker is to do in a container; nothing is empty."""

    NOTHING = "", "Nothing"
    LOOK = "look", "Look"
    MEND = "mend", "Repair"
    REMOVE = "remove", "Remove"


class HookPlan(TenantModel):
    """What people chose for a connection's webhooks, and the round of work under way.

    `mends_itself`: what a worker finds wrong, it repairs, in new repositories too. A round is what
    somebody asked for, of many containers: it is over when `round_ended_at` is set, and counts what
    was done at the vendor. `next_at` is when a worker has to look again. The test is of the address
    as the vendor reaches it: `test_stand` is empty, "waiting", "arrived", or why it did not arrive.
    `left_behind` names hooks that stayed at the vendor when the connection was revoked.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="hook_plans"
    )
    arrival = models.CharField(max_length=12, choices=Arrival.choices, default=Arrival.POLLING)
    events = ArrayField(models.CharField(max_length=100), default=list)
    mends_itself = models.BooleanField(default=False)
    changed_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(null=True)
    round_id = models.UUIDField(null=True)
    round_what = models.CharField(max_length=8, blank=True)
    round_by = models.CharField(max_length=200, blank=True)
    round_total = models.IntegerField(default=0)
    round_began_at = models.DateTimeField(null=True)
    round_ended_at = models.DateTimeField(null=True)
    made = models.IntegerField(default=0)
    changed = models.IntegerField(default=0)
    removed = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    waits_for = models.CharField(max_length=40, blank=True)
    test_id = models.UUIDField(null=True)
    test_by = models.CharField(max_length=200, blank=True)
    test_asked_at = models.DateTimeField(null=True)
    test_ended_at = models.DateTimeField(null=True)
    test_stand = models.CharField(max_length=24, blank=True)
    test_status = models.SmallIntegerField(null=True)
    left_behind = models.JSONField(default=list)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(fields=["organization", "connection"], name="hook_plan_once")
        ]

    def __str__(self) -> str:
        return "how events arrive"


class Hook(TenantModel):
    """One container as far as our hooks go: a repository, or a workspace where that is null.

    `remote_id` is the vendor's id of the hook that is ours, empty where there is none; `extras` are
    further ones with our address. `secret_at` is the moment of the secret that the vendor was told
    last. `strangers` counts hooks that are not ours, `lookalikes` those among them that have a
    portal's kind of address. `attempts` are counted before the vendor is asked: what was tried
    before is looked at first, so that nothing is made twice. `lease_owner` is the job whose worker
    has it in hand until `lease_until`; another job leaves it alone.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    repository = models.ForeignKey(
        Repository, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    stand = models.CharField(max_length=12, choices=HookStand.choices, default=HookStand.NEW)
    remote_id = models.CharField(max_length=200, blank=True)
    extras = ArrayField(models.CharField(max_length=200), default=list)
    events = ArrayField(models.CharField(max_length=100), default=list)
    secret_at = models.DateTimeField(null=True)
    strangers = models.IntegerField(default=0)
    lookalikes = models.IntegerField(default=0)
    lookalike_host = models.CharField(max_length=255, blank=True)
    seen_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)
    wanted = models.CharField(max_length=8, choices=HookWanted.choices, blank=True)
    due_at = models.DateTimeField(null=True)
    purpose = models.CharField(max_length=12, default="full")
    round_id = models.UUIDField(null=True)
    attempts = models.SmallIntegerField(default=0)
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "workspace", "repository"],
                nulls_distinct=False,
                name="hook_once",
            )
        ]
        indexes = [
            Index(
                fields=["organization", "connection", "purpose", "due_at"],
                condition=Q(due_at__isnull=False),
                name="hook_due",
            ),
            Index(fields=["organization", "connection", "stand"], name="hook_by_stand"),
            Index(fields=["organization", "repository"], name="hook_of_repository"),
        ]

    def __str__(self) -> str:
        return "a webhook at the vendor"
