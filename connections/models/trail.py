"""What a trail needs beside synced code: who pushed, who somebody is, and looks asked for."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.workspace import Repository
from portal.tenancy import TenantModel


class Push(TenantModel):
    """A commit that a push brought, as a webhook with a right signature told.

    One row for the commit at which the ref stood afterwards (`is_head`), and one for each other
    that the message named; a message names few. `former` is where the ref stood before.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, db_constraint=False)
    delivery_id = models.UUIDField()
    commit = models.CharField(max_length=64)
    is_head = models.BooleanField()
    ref_kind = models.CharField(max_length=12)
    ref_name = models.CharField(max_length=300)
    former = models.CharField(max_length=64, blank=True)
    by_remote_id = models.CharField(max_length=200, blank=True)
    by_name = models.CharField(max_length=300, blank=True)
    pushed_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "repository", "commit", "ref_kind", "ref_name", "former"],
                name="push_once",
            )
        ]
        indexes = [
            Index(
                fields=["organization", "commit"],
                name="push_by_commit",
                opclasses=["uuid_ops", "varchar_pattern_ops"],
            ),
            Index(fields=["organization", "connection", "received_at"], name="push_by_age"),
        ]


class IdentityKind(models.TextChoices):
    ACCOUNT = "account", "Account"
    ADDRESS = "address", "Address in commits"


class IdentitySays(models.TextChoices):
    NOTHING = "", "Nobody said"
    MEMBER = "member", "A member"
    BOT = "bot", "Not a person"


class VendorIdentity(TenantModel):
    """Somebody as a vendor knows them, and which member that is where a person said so.

    `key` is the vendor's id of an account, or, of those whom only commits name, the address in
    lower case. `emails` are addresses that came along, a few at most. `connections` are those that
    saw them: who may not read these does not see the identity. `before` is what was said last, for
    the way back.
    """

    Kind, Says = IdentityKind, IdentitySays

    connector = models.CharField(max_length=40)
    server = models.CharField(max_length=32, blank=True)
    kind = models.CharField(max_length=8, choices=IdentityKind.choices)
    key = models.CharField(max_length=254)
    name = models.CharField(max_length=300, blank=True)
    emails = ArrayField(models.CharField(max_length=254), default=list)
    url = models.CharField(max_length=500, blank=True)
    connections = ArrayField(models.UUIDField(), default=list)
    first_seen_at = models.DateTimeField(default=timezone.now)
    says = models.CharField(
        max_length=8, blank=True, choices=IdentitySays.choices, default=IdentitySays.NOTHING
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    said_by = models.CharField(max_length=200, blank=True)
    said_at = models.DateTimeField(null=True)
    before = models.JSONField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "connector", "server", "kind", "key"], name="identity_once"
            ),
            models.CheckConstraint(
                condition=Q(says="member") | Q(user=None), name="identity_member"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.key


class InquiryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    LOOKING = "looking", "Looking"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class Inquiry(TenantModel):
    """One commit or pull request that somebody waits for, asked of the vendor anew.

    `key` is a hash or a number. `left` are the things still to be asked as [stream, key], so that
    another worker goes on where one died; `done` counts those that were. `waits_until` is set while
    the vendor's budget is used up.
    """

    State = InquiryState

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, db_constraint=False)
    kind = models.CharField(max_length=8)
    key = models.CharField(max_length=64)
    state = models.CharField(
        max_length=8, choices=InquiryState.choices, default=InquiryState.WAITING
    )
    left = models.JSONField(default=list)
    done = models.SmallIntegerField(default=0)
    absent = models.BooleanField(default=False)
    asked_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    waits_until = models.DateTimeField(null=True)
    error = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "repository", "kind", "key"], name="inquiry_once"
            )
        ]
