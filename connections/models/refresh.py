"""What refreshing leaves behind: spare answers, the ledger, and each vendor's breaker."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from connections.models.connection import Credential
from portal.tenancy import LedgerModel, TenantModel


class Candidate(TenantModel):
    """A well-formed answer that came second: its tokens are kept in case the first are refused.

    They are sealed values of this row, fields `access` and `refresh`. `parent` is the version whose
    refresh token was spent for them; `source` is where the answer came from.
    """

    credential = models.ForeignKey(
        Credential, on_delete=models.CASCADE, db_constraint=False, related_name="candidates"
    )
    parent = models.IntegerField()
    received_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)
    scopes = ArrayField(models.CharField(max_length=80), null=True)
    source = models.CharField(max_length=16)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            models.Index(fields=["organization", "credential"], name="candidate_of_credential")
        ]


class RefreshAttempt(LedgerModel):
    """One line of the ledger: a refresh token was spent, what came back, and what was decided.

    Append-only. `spent` and `received` are keyed fingerprints of refresh tokens: the one sent is
    what an earlier line received, which is how the lines of one credential form a story. Ids
    instead of foreign keys: a line outlives what it tells about, and costs nobody a lock.
    """

    connection_id = models.UUIDField()
    credential_id = models.UUIDField()
    at = models.DateTimeField(default=timezone.now)
    caller = models.CharField(max_length=16)
    worker = models.CharField(max_length=60)
    parent_version = models.IntegerField()
    received_version = models.IntegerField(null=True)
    spent = models.CharField(max_length=16, blank=True)
    received = models.CharField(max_length=16, blank=True)
    latency_ms = models.IntegerField(null=True)
    answer = models.CharField(max_length=24)
    decision = models.CharField(max_length=32)
    reference = models.CharField(max_length=40, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            models.Index(fields=["organization", "connection_id", "-at"], name="attempt_story"),
        ]


class BreakerState(models.TextChoices):
    CLOSED = "closed", "Closed"
    OPEN = "open", "Open"
    HALF_OPEN = "half_open", "Half open"


class Breaker(TenantModel):
    """Whether a vendor's host deserves belief now, and how fast it may be asked.

    Rows of the platform, one per connector and host. Of a product that customers run each server
    has its own, by `server`, a keyed hash; `host` then says which part of it. `window` holds what
    came of the last minutes.
    The budget is a bucket of `tokens`, filled at `rate` per second, which half open grows back to
    `normal_rate`.
    """

    State = BreakerState

    connector = models.CharField(max_length=40)
    host = models.CharField(max_length=260)
    server = models.CharField(max_length=32, blank=True, default="", db_default="")
    state = models.CharField(
        max_length=12, choices=BreakerState.choices, default=BreakerState.CLOSED
    )
    because = models.CharField(max_length=40, blank=True)
    opened_at = models.DateTimeField(null=True)
    probed_at = models.DateTimeField(null=True)
    good_probes = models.SmallIntegerField(default=0)
    told_at = models.DateTimeField(null=True)
    tokens = models.FloatField(default=0)
    filled_at = models.DateTimeField(default=timezone.now)
    rate = models.FloatField()
    normal_rate = models.FloatField()
    window = models.JSONField(default=list)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connector", "host"], name="breaker_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.connector} at {self.host}"
