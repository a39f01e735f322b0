"""What people are told: a notice, who receives it, and each message that carried it out."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.models.organization import Team
from portal.tenancy import TenantModel


class Severity(models.TextChoices):
    """How bad it is, most harmful first; `news` asks nobody to do anything."""

    BROKEN = "broken", "Broken"
    ATTENTION = "attention", "Attention"
    NEWS = "news", "News"


class Notice(TenantModel):
    """Something that people are told once; open until `resolved_at`.

    `dedupe` names its cause: while one is open there is no second one. `url` is an address of ours
    and `button` what one does there. A notice of a team's connection is shown to its people only,
    by row-level security. `answers` is the notice whose end this one tells.
    """

    kind = models.CharField(max_length=40)
    dedupe = models.CharField(max_length=120)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    title = models.CharField(max_length=200)
    body = models.CharField(max_length=1000, blank=True)
    url = models.CharField(max_length=300)
    button = models.CharField(max_length=40)
    subject_kind = models.CharField(max_length=40, blank=True)
    subject_id = models.UUIDField(null=True)
    subject_name = models.CharField(max_length=200, blank=True)
    team = models.ForeignKey(
        Team, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    answers = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    opened_at = models.DateTimeField()
    ready_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "dedupe"],
                condition=Q(resolved_at=None),
                name="notice_open_once",
            )
        ]
        indexes = [
            models.Index(fields=["organization", "-opened_at"], name="notice_recent"),
            models.Index(fields=["organization", "subject_id"], name="notice_subject"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None


class Channel(models.TextChoices):
    EMAIL = "email", "E-mail"
    CHAT = "chat", "Chat"


class Dispatch(TenantModel):
    """One message that leaves the portal, with one notice or a digest of several.

    `intent_at` is written before it is sent and `ended_at` after the answer: between the two
    nobody knows whether it went out, and it is sent once more at most. Without `user` it goes to
    the organization's chat channel.
    """

    class Outcome(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        IN_DOUBT = "in_doubt", "Perhaps sent"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Not sent"
        DROPPED = "dropped", "No longer needed"

    channel = models.CharField(max_length=10, choices=Channel.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    kind = models.CharField(max_length=40)
    address = models.CharField(max_length=255, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.WAITING)
    code = models.CharField(max_length=80, blank=True)
    attempts = models.SmallIntegerField(default=0)
    created_at = models.DateTimeField()
    intent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        indexes = [
            models.Index(fields=["organization", "user", "-created_at"], name="dispatch_recent")
        ]


class Receipt(TenantModel):
    """One person's copy of a notice, or the chat channel's when `user` is empty.

    `wanted` says whether it is to be sent out; `told_at` when it was, or when it was read.
    """

    notice = models.ForeignKey(
        Notice, on_delete=models.CASCADE, db_constraint=False, related_name="receipts"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    wanted = models.BooleanField(default=False)
    dispatch = models.ForeignKey(
        Dispatch, null=True, on_delete=models.SET_NULL, db_constraint=False, related_name="receipts"
    )
    created_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "notice", "user"],
                nulls_distinct=False,
                name="receipt_once",
            )
        ]
        indexes = [
            models.Index(fields=["organization", "user", "-created_at"], name="receipt_inbox"),
            models.Index(
                fields=["organization", "user"], condition=Q(read_at=None), name="receipt_unread"
            ),
            models.Index(
                fields=["organization", "user"],
                condition=Q(wanted=True, dispatch=None, told_at=None),
                name="receipt_waiting",
            ),
        ]


class NoticeSettings(TenantModel):
    """What one person wants by mail from one organization; the row is also their mail's lock.

    `email` holds choices that differ from the kinds' own defaults.
    """

    class Digest(models.TextChoices):
        AT_ONCE = "at_once", "As it happens"
        DAILY = "daily", "Once a day"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    email = models.JSONField(default=dict)
    digest = models.CharField(max_length=10, choices=Digest.choices, default=Digest.AT_ONCE)
    time_zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="notice_settings_once")
        ]


class ChatHook(TenantModel):
    """The Slack-compatible address that an organization's notices are posted to; one at a time.

    The address is a sealed value (table `portal_chathook`, field `address`).
    """

    host = models.CharField(max_length=255)
    last_four = models.CharField(max_length=4)
    added_by_name = models.CharField(max_length=200)
    added_at = models.DateTimeField()
    sealed_at = models.DateTimeField(null=True)
    posted_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    last_code = models.CharField(max_length=40, blank=True)
    tested_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], condition=Q(removed_at=None), name="chat_hook_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.host} …{self.last_four}"


class Bounce(models.Model):
    """A person's address refused our mail; nothing more is sent there until they confirm it.

    It belongs to no organization, as the address does. The code is kept as a hash.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    address = models.EmailField()
    status = models.CharField(max_length=12)
    source = models.CharField(max_length=8)  # "smtp" or "report"
    at = models.DateTimeField()
    code_hash = models.BinaryField(max_length=32, null=True)
    code_until = models.DateTimeField(null=True)
    code_tries = models.SmallIntegerField(default=0)
    cleared_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(cleared_at=None), name="bounce_open_once"
            )
        ]
