"""One organization's link to one vendor account, its consumer and its credential's facts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from portal import clock
from portal.models import Team
from portal.tenancy import TenantModel

if TYPE_CHECKING:
    from uuid import UUID


class Consumer(TenantModel):
    """An OAuth client registered at the vendor; the platform's own serves every organization.

    The secret is a sealed value (table `connections_consumer`, field `secret`). So is the key; its
    readable copy is what the way to the vendor carries in its address anyway. `base_url`, in
    canonical form, is where a self-hosted product knows it: key and secret are sent nowhere else.
    """

    connector = models.CharField(max_length=40)
    name = models.CharField(max_length=80)
    client_id = models.CharField(max_length=200)
    base_url = models.CharField(max_length=2048, blank=True, default="", db_default="")
    secret_last_four = models.CharField(max_length=4, blank=True)
    sealed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connector", "name"],
                condition=Q(removed_at=None),
                name="consumer_name_once",
            )
        ]

    def __str__(self) -> str:
        return self.name


class ConnectionState(models.TextChoices):
    UNVERIFIED = "unverified", "Not yet verified"
    ACTIVE = "active", "Active"
    NEEDS_REAUTHORIZATION = "needs_reauthorization", "Needs a new link"
    REVOKED = "revoked", "Revoked"


class Connection(TenantModel):
    """Name and address never change; labels and description may.

    `fields` are the non-secret answers of the method's form. `account_*` is whom the vendor says we
    act as. Of health, `state`, `paused_at` and the suspicion (`suspect_since`, with the refusals
    counted in `looks`, the last one at `looked_at`) are stored; the rest is computed. `orphaned_at`
    says since when whoever granted it is gone. `server` is how breakers name where a self-hosted
    product runs (`flows/vendors.py`): processes without keys read it, workers write it.
    """

    State = ConnectionState

    connector = models.CharField(max_length=40)
    method = models.CharField(max_length=40)
    name = models.CharField(max_length=80)
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.PROTECT, db_constraint=False
    )
    consumer = models.ForeignKey(Consumer, null=True, on_delete=models.PROTECT, db_constraint=False)
    labels = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    description = models.TextField(max_length=4000, blank=True)
    capabilities = ArrayField(models.CharField(max_length=40), default=list)
    reason = models.CharField(max_length=300, blank=True)
    fields = models.JSONField(default=dict)
    server = models.CharField(max_length=32, blank=True, default="", db_default="")

    account_id = models.CharField(max_length=200)
    account_name = models.CharField(max_length=200)
    account_kind = models.CharField(max_length=40)
    account_url = models.CharField(max_length=500, blank=True)

    state = models.CharField(
        max_length=24, choices=ConnectionState.choices, default=ConnectionState.UNVERIFIED
    )
    paused_at = models.DateTimeField(null=True)
    suspect_since = models.DateTimeField(null=True)
    looks = models.SmallIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=40, blank=True)
    last_error_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    rate = models.JSONField(default=dict)
    budget_id = models.UUIDField(null=True)  # of the platform's RequestBudget, set by a worker

    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    granted_by_name = models.CharField(max_length=200)
    linked_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True)
    orphaned_at = models.DateTimeField(null=True)

    verify_every_hours = models.PositiveIntegerField(default=24)
    sync_every_minutes = models.PositiveIntegerField(default=60)
    next_verification_at = models.DateTimeField(null=True)
    next_sync_at = models.DateTimeField(null=True)
    next_probe_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="connection_name_once"),
            models.UniqueConstraint(
                fields=["organization", "connector", "consumer", "account_id"],
                condition=~Q(state=ConnectionState.REVOKED),
                nulls_distinct=False,
                name="connection_account_once",
            ),
            models.UniqueConstraint(
                fields=["organization", "connector"],
                condition=Q(team=None) & ~Q(state=ConnectionState.REVOKED),
                name="connection_default_once",
            ),
            models.CheckConstraint(
                condition=Q(state=ConnectionState.REVOKED, revoked_at__isnull=False)
                | ~Q(state=ConnectionState.REVOKED) & Q(revoked_at=None),
                name="connection_revoked_at",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "name", "id"], name="connection_by_name"),
            models.Index(fields=["organization", "-created_at", "id"], name="connection_by_age"),
            models.Index(fields=["next_sync_at"], name="connection_sync_due"),
            models.Index(fields=["next_verification_at"], name="connection_verify_due"),
            models.Index(
                fields=["next_probe_at"],
                condition=Q(next_probe_at__isnull=False),
                name="connection_probe_due",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_live(self) -> bool:
        """Whether work may be done with it now."""
        return self.state != ConnectionState.REVOKED and self.paused_at is None

    def succeeded(self) -> None:
        """The vendor answered this credential: no trouble, no suspicion."""
        self.last_success_at = clock.now()
        self.last_error, self.last_error_at = "", None
        self.suspect_since, self.looks, self.looked_at = None, 0, None
        self.save(
            update_fields=[
                *("last_success_at", "last_error", "last_error_at"),
                *("suspect_since", "looks", "looked_at"),
            ]
        )

    def failed(self, code: str) -> None:
        self.last_error, self.last_error_at = code, clock.now()
        self.save(update_fields=["last_error", "last_error_at"])

    def schedule(self) -> None:
        """The next verification by this connection's own setting; none while it is not live."""
        hours = timedelta(hours=self.verify_every_hours)
        self.next_verification_at = clock.now() + hours if self.is_live else None
        self.save(update_fields=["next_verification_at"])

    def schedule_sync(self) -> None:
        """The next sync by this connection's own setting; none while it is not live."""
        minutes = timedelta(minutes=self.sync_every_minutes)
        self.next_sync_at = clock.now() + minutes if self.is_live else None
        self.save(update_fields=["next_sync_at"])


class Credential(TenantModel):
    """Facts about one sealed secret of a connection; the secret itself is in sealed values.

    `scopes` is None when the vendor did not say. A refreshable credential has an `expires_at` for
    its access token; `version` counts the tokens received and is what a refresh compares and swaps.

    `intent_version` is the version whose refresh token is being spent, written down before it is
    sent and cleared when the answer is kept or refused for good: what stays is in doubt. A null
    `refresh_due_at` means that there is nothing to refresh. What is quarantined is not sent.
    `identified_version` is the last one that the vendor said belongs to the linked account.

    Something (`rotate_because`: "import", "expiry", …) wants another secret in its place by
    `rotate_by`. `token_id` is the vendor's id of a token, where it is known. `replaced_at` is set
    as well on one that is checked and waits to be switched to.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="credentials"
    )
    kind = models.CharField(max_length=40)
    vocabulary = models.CharField(max_length=40)
    scopes = ArrayField(models.CharField(max_length=80), null=True)
    last_four = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=16, blank=True)
    expires_at = models.DateTimeField(null=True)
    refreshable = models.BooleanField(default=False)
    version = models.IntegerField(default=1)
    refreshed_at = models.DateTimeField(null=True)
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    intent_version = models.IntegerField(null=True)
    intent_at = models.DateTimeField(null=True)
    refresh_attempts = models.IntegerField(default=0)
    refresh_due_at = models.DateTimeField(null=True)
    identified_version = models.IntegerField(null=True)
    used_at = models.DateTimeField(null=True)
    quarantined_at = models.DateTimeField(null=True)
    rotate_by = models.DateTimeField(null=True)
    rotate_because = models.CharField(max_length=40, blank=True, db_default="")
    token_id = models.CharField(max_length=120, blank=True, db_default="")
    created_at = models.DateTimeField(default=timezone.now)
    replaced_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connection"],
                condition=Q(replaced_at=None),
                name="credential_current_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["organization", "refresh_due_at"],
                condition=Q(refresh_due_at__isnull=False),
                name="credential_refresh_due",
            ),
            models.Index(
                fields=["organization", "rotate_by"],
                condition=Q(rotate_by__isnull=False, replaced_at=None),
                name="credential_rotate_due",
            ),
        ]

    def is_fresh(self, *, seconds: int = 300) -> bool:
        """Whether an access token still lives that long."""
        return self.expires_at is None or self.expires_at > clock.now() + timedelta(seconds=seconds)


def credential_of(connection: Connection) -> Credential:
    """The connection's current credential; raises Credential.DoesNotExist after revocation."""
    found: Credential = Credential.objects.get(connection_id=connection.id, replaced_at=None)
    return found


def bump(credential_id: UUID, parent: int, **facts: object) -> bool:
    """Compare and swap on the parent version: False when somebody else was first."""
    changed: int = Credential.objects.filter(id=credential_id, version=parent).update(
        version=F("version") + 1, **facts
    )
    return changed == 1
