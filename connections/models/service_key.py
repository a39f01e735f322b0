"""Keys of other services, what each used lately, and leases: who had which token, and why."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import LedgerModel, TenantModel

NORMAL_CONNECTIONS = 20  # different ones that a key uses in an hour, unless its limit says else
LONGEST_REASON = 300


class KeyScope(models.TextChoices):
    """What a key may ask for; a token that can change something needs its own scope.

    A token only reads when each of its scopes is known to, whatever its connection uses it for.
    One whose vendor does not tell its scopes may change something.
    """

    READ = "connections:read", "See connections and how they are"
    LEASE = "tokens:read", "Lease tokens that only read"
    LEASE_WRITE = "tokens:write", "Lease tokens that can change something"


class ServiceKey(TenantModel):
    """What one service shows to ask for tokens. Only the key's SHA-256 is kept.

    `prefix` is the part that may be shown. Without `connections` it reaches all of its
    `connectors`; without `networks` it may come from anywhere. A frozen key is stopped until
    somebody lets it go on, at `thawed_at`; a revoked one stays revoked.
    """

    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=20)
    hash = models.BinaryField(max_length=32)
    scopes = ArrayField(models.CharField(max_length=24, choices=KeyScope.choices))
    connectors = ArrayField(models.CharField(max_length=40))
    connections = ArrayField(models.UUIDField(), default=list)
    networks = ArrayField(models.CharField(max_length=50), default=list)
    distinct_per_hour = models.PositiveIntegerField(default=NORMAL_CONNECTIONS)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_by_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    frozen_at = models.DateTimeField(null=True)
    frozen_because = models.CharField(max_length=24, blank=True)
    thawed_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_because = models.CharField(max_length=24, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(fields=["hash"], name="service_key_hash"),
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=Q(revoked_at=None),
                name="service_key_name_once",
            ),
            models.CheckConstraint(
                condition=Q(distinct_per_hour__gte=1), name="service_key_limit_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-created_at", "id"], name="service_key_by_age"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class KeyUse(TenantModel):
    """When a key last asked for a connection's token, to the minute: what its limit counts.

    `refused_at` is when it last said that the vendor refused one.
    """

    service_key = models.ForeignKey(
        ServiceKey, on_delete=models.CASCADE, db_constraint=False, related_name="uses"
    )
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    last_at = models.DateTimeField()
    refused_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(fields=["service_key", "connection"], name="key_use_once")
        ]


class LeaseOutcome(models.TextChoices):
    """What came of an ask; only `granted` handed out a token, unless `unreadable` takes it back."""

    GRANTED = "granted", "Handed out"
    LATE = "late", "No fresh token in time"
    NOT_FOUND = "not_found", "No such connection"
    NOT_ENTITLED = "not_entitled", "Not this key's connection"
    SCOPE = "scope", "Not in this key's scopes"
    NETWORK = "network", "From another network"
    KEY_EXPIRED = "key_expired", "The key has expired"
    KEY_REVOKED = "key_revoked", "The key is revoked"
    KEY_FROZEN = "key_frozen", "The key is frozen"
    FROZE = "froze", "Too many connections: the key was frozen"
    REVOKED = "revoked", "The connection is revoked"
    PAUSED = "paused", "The connection is paused"
    NEEDS_LINK = "needs_link", "The connection needs a new link"
    NOT_LEASABLE = "not_leasable", "No token that may be leased"
    TOO_LONG = "too_long", "Longer than a token lives"
    PROMISED = "promised", "The token is promised to others"
    LOOK = "look", "The vendor refused it: a look was started"
    TOO_SOON = "too_soon", "Said to be refused too often"
    UNREADABLE = "unreadable", "It did not open: nothing was handed out"


class Lease(LedgerModel):
    """One ask for a token, in the statement that answered it. Append-only.

    Ids instead of foreign keys: a lease outlives what it tells about, and locks nobody's row.
    `asked` is the id in the address, `connection_id` the connection when there is one. `takes_back`
    is the granted lease whose token did not open, so that nothing was handed out.
    """

    Outcome = LeaseOutcome

    service_key_id = models.UUIDField()
    connection_id = models.UUIDField(null=True)
    asked = models.UUIDField()
    at = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=LONGEST_REASON)
    min_ttl_seconds = models.IntegerField()
    outcome = models.CharField(max_length=16, choices=LeaseOutcome.choices)
    version = models.IntegerField(null=True)
    expires_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    takes_back = models.UUIDField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            models.Index(
                fields=["organization", "takes_back"],
                condition=models.Q(takes_back__isnull=False),
                name="lease_taken_back",
            ),
            models.Index(fields=["organization", "service_key_id", "-at"], name="lease_of_key"),
            models.Index(
                fields=["organization", "connection_id", "-at"], name="lease_of_connection"
            ),
        ]
