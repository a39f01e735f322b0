"""A person's calendar feed: an address that is itself the secret."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.tenancy import TenantModel


class CalendarFeed(TenantModel):
    """One person's view of one organization's calendar; at most one address lives at a time.

    It is found by the SHA-256 of its token. `sealed` is the token under the web process's own key,
    so that its person can be shown the address again; it is empty once the feed is revoked.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    hash = models.BinaryField(max_length=32)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(fields=["hash"], name="calendar_feed_hash"),
            models.UniqueConstraint(
                fields=["organization", "user"],
                condition=Q(revoked_at=None),
                name="calendar_feed_once",
            ),
        ]

    def __str__(self) -> str:
        return "a calendar feed"
