"""Links: what happened at one connection travels to another, through an outbox of its own."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.utils import timezone

from connections.models.connection import Connection
from connections.models.workspace import Repository, Workspace
from portal.tenancy import TenantModel


class LinkState(models.TextChoices):
    DRAFT = "draft", "Not active yet"
    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    REMOVING = "removing", "Being removed"
    REMOVED = "removed", "Removed"


class LinkChoice(models.TextChoices):
    ALL = "all", "All repositories"
    LISTED = "listed", "Chosen repositories"
    PATTERN = "pattern", "Repositories whose name fits a pattern"


class Removal(models.TextChoices):
    """What becomes of what a link wrote, when it ends."""

    NOTHING = "", "Not asked"
    KEEP = "keep", "It stays at the target"
    ERASE = "erase", "It is removed from the target"


class BackfillStand(models.TextChoices):
    NOTHING = "", "Never asked for"
    DRAWING = "drawing", "Looking what there is"
    SENDING = "sending", "Sending"
    DONE = "done", "Finished"
    CANCELLED = "cancelled", "Cancelled"


class Link(TenantModel):
    """What happens in repositories of `source` is shown in the site `destination` of `target`.

    `way` and `options` are keys of the target's rules (`Manifest.relay`). `pattern` is a glob over
    full names; `includes_new` lets repositories join that come later. The mark that the target
    keeps with all that is written is this row's id. A back-fill sends what is there since
    `backfill_since` (null: all); `backfill_at` is where its drawing goes on. `done` and `total` of
    it count events. `doubles` are sentences about what brings the same there already, looked for at
    `doubles_at`; null while nobody has looked. A removal has looked at `removal_done` of
    `removal_total`. `failing_since` is set while the target answers nothing; `waits_until` says
    when it is asked again, for the reason `waits_for`.
    """

    State = LinkState
    Choice = LinkChoice

    source = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="links_out"
    )
    target = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="links_in"
    )
    destination = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, db_constraint=False, related_name="links_in"
    )
    label = models.CharField(max_length=200, blank=True)
    way = models.CharField(max_length=40)
    state = models.CharField(max_length=12, choices=LinkState.choices, default=LinkState.DRAFT)
    paused_by = models.CharField(max_length=200, blank=True)
    paused_at = models.DateTimeField(null=True)
    choice = models.CharField(max_length=12, choices=LinkChoice.choices, default=LinkChoice.LISTED)
    pattern = models.CharField(max_length=400, blank=True)
    includes_new = models.BooleanField(default=False)
    options = models.JSONField(default=dict)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True)

    removal = models.CharField(max_length=8, blank=True, choices=Removal.choices)
    removal_by = models.CharField(max_length=200, blank=True)
    removal_began_at = models.DateTimeField(null=True)
    removal_ended_at = models.DateTimeField(null=True)
    removal_total = models.IntegerField(default=0)
    removal_done = models.IntegerField(default=0)
    removal_left = models.IntegerField(default=0)  # what could not be removed at the target

    backfill_stand = models.CharField(max_length=12, blank=True, choices=BackfillStand.choices)
    backfill_by = models.CharField(max_length=200, blank=True)
    backfill_since = models.DateTimeField(null=True)
    backfill_began_at = models.DateTimeField(null=True)
    backfill_ended_at = models.DateTimeField(null=True)
    backfill_total = models.IntegerField(default=0)
    backfill_done = models.IntegerField(default=0)
    backfill_at = models.JSONField(default=list)

    doubles = ArrayField(models.CharField(max_length=300), null=True)
    doubles_at = models.DateTimeField(null=True)
    doubles_error = models.CharField(max_length=40, blank=True, default="", db_default="")

    last_sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=40, blank=True)
    last_error_detail = models.CharField(max_length=200, blank=True)
    last_error_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    waits_for = models.CharField(max_length=40, blank=True)
    waits_until = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "source", "target", "destination"],
                condition=~Q(state="removed"),
                name="link_once",
            )
        ]
        indexes = [Index(fields=["organization", "target", "state"], name="link_by_target")]

    def __str__(self) -> str:
        return self.label or "a link"

    def hold(self) -> None:
        """As any row's; its connections and its place never change, and are not read again."""
        plain = [each.attname for each in self._meta.concrete_fields if not each.is_relation]
        rows = type(self).objects.select_for_update(no_key=True)
        self.refresh_from_db(fields=plain, from_queryset=rows)

    @property
    def is_live(self) -> bool:
        """Whether what happens is put down for it; a paused one sends it later."""
        return self.state in (LinkState.ACTIVE, LinkState.PAUSED)


class LinkRepository(TenantModel):
    """One repository in a link: whether it takes part, and what came of it so far.

    `sent` and `failed` count what the target took and refused for good; `unknown_subjects` counts
    what named only subjects that the target does not have.
    """

    link = models.ForeignKey(
        Link, on_delete=models.CASCADE, db_constraint=False, related_name="repositories"
    )
    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, db_constraint=False, related_name="links"
    )
    enabled = models.BooleanField(default=True)
    enabled_at = models.DateTimeField(null=True)
    erasing = models.BooleanField(default=False)  # what was written of it is being removed
    sent = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    unknown_subjects = models.IntegerField(default=0)
    last_sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=40, blank=True)
    last_error_detail = models.CharField(max_length=200, blank=True)
    last_error_at = models.DateTimeField(null=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            UniqueConstraint(
                fields=["organization", "link", "repository"], name="link_repository_once"
            )
        ]
        indexes = [
            Index(
                fields=["organization", "repository"],
                condition=Q(enabled=True),
                name="link_repository_live",
            )
        ]
