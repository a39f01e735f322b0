"""The test a person sees: a verification is made of checks, and its history is kept."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import TenantModel


class Outcome(models.TextChoices):
    RUNNING = "running", "Running"
    PASSED = "passed", "Passed"
    PARTLY = "partly", "Partly"
    FAILED = "failed", "Failed"
    UNREACHED = "unreached", "Not reached"


class Verification(TenantModel):
    """`scopes` and `credential_kind` are what this verification learned, for the drift to the next.

    `drift` lists what changed since the one before: [{"what", "before", "after"}].
    """

    Outcome = Outcome

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="verifications"
    )
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    requested_by = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    account_id = models.CharField(max_length=200, blank=True)
    credential_kind = models.CharField(max_length=40, blank=True)
    vocabulary = models.CharField(max_length=40, blank=True)
    scopes = models.JSONField(null=True)
    expires_at = models.DateTimeField(null=True)
    rate = models.JSONField(default=dict)
    drift = models.JSONField(default=list)
    lack = models.CharField(max_length=260, null=True)  # the worst check's error code and title

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            models.Index(
                fields=["organization", "connection", "-started_at"], name="verification_latest"
            )
        ]


class CheckOutcome(models.TextChoices):
    WAITING = "waiting", "Waiting"
    PROVEN = "proven", "Proven"
    REFUSED = "refused", "Refused"
    MISSING = "missing", "Scope missing"
    UNPROVABLE = "unprovable", "Not provable by reading"
    UNREACHED = "unreached", "Not reached"
    NOTED = "noted", "Noted"


class Check(TenantModel):
    """One line: what was asked, what came back, how long it took, and what that proves."""

    Outcome = CheckOutcome

    verification = models.ForeignKey(
        Verification, on_delete=models.CASCADE, db_constraint=False, related_name="checks"
    )
    position = models.IntegerField()
    key = models.CharField(max_length=60)
    capability = models.CharField(max_length=40, blank=True)
    workspace = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=200)
    outcome = models.CharField(
        max_length=12, choices=CheckOutcome.choices, default=CheckOutcome.WAITING
    )
    request = models.CharField(max_length=300, blank=True)
    status = models.IntegerField(null=True)
    latency_ms = models.IntegerField(null=True)
    proves = models.CharField(max_length=300, blank=True)
    error = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "verification", "key", "workspace"], name="check_once"
            )
        ]


def worst_of(kept: Iterable[Check]) -> str:
    """What is said first of checks that are not possible, as `lack` keeps it; empty for none.

    A missing scope comes first, as linking again mends it, and what was not reached last, as it may
    cure itself.
    """
    order = (CheckOutcome.MISSING, CheckOutcome.REFUSED, CheckOutcome.UNREACHED)
    found = [check for check in kept if check.outcome in order]
    if not found:
        return ""
    worst = min(found, key=lambda check: (order.index(CheckOutcome(check.outcome)), check.position))
    return f"{worst.error} {worst.title}"
