"""Links between connections: what takes part, what is to be sent, and what came of it."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, composite_key, same_organization, tenant_table

LINK = [
    "id",
    "organization_id",
    "source_id",
    "target_id",
    "destination_id",
    "label",
    "way",
    "state",
    "paused_at",
    "choice",
    "includes_new",
    "created_at",
    "activated_at",
    "removal",
    "removal_ended_at",
    "backfill_stand",
    "backfill_total",
    "backfill_done",
    "last_sent_at",
    "last_error",
    "last_error_at",
    "failing_since",
    "waits_for",
    "waits_until",
]
IN_LINK = [
    "id",
    "organization_id",
    "link_id",
    "repository_id",
    "enabled",
    "sent",
    "failed",
    "unknown_subjects",
    "last_sent_at",
    "last_error",
    "last_error_at",
]
ATTEMPT = [
    "id",
    "organization_id",
    "link_id",
    "at",
    "request",
    "latency_ms",
    "answer",
    "events",
    "accepted",
    "failed",
]
ITEM = [
    "id",
    "organization_id",
    "link_id",
    "kind",
    "state",
    "cause",
    "changed_at",
    "due_at",
    "attempts",
    "error",
    "sent_at",
]
# What a person decides about an item: send it again, or never.
WISHES = "state, cause, due_at, urgency, attempts, error, error_detail, changed_at, sequence"
POINTS = (
    ("link", "source_id", "connection"),
    ("link", "target_id", "connection"),
    ("link", "destination_id", "workspace"),
    ("linkrepository", "link_id", "link"),
    ("linkrepository", "repository_id", "repository"),
    ("relayitem", "link_id", "link"),
    ("relayitem", "connection_id", "connection"),
    ("relayitem", "repository_id", "repository"),
    ("relayattempt", "link_id", "link"),
    ("smartdeed", "link_id", "link"),
    ("smartdeed", "connection_id", "connection"),
    ("smartdeed", "repository_id", "repository"),
)


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0033_held_heads"),
        ("portal", "0012_ingest_role"),
    ]

    operations = [
        # The keys to organizations are checked last, under the new policies; the tables are empty.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.AddField(
            model_name="repository",
            name="relayed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="Link",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("label", models.CharField(blank=True, max_length=200)),
                ("way", models.CharField(max_length=40)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Not active yet"),
                            ("active", "Active"),
                            ("paused", "Paused"),
                            ("removing", "Being removed"),
                            ("removed", "Removed"),
                        ],
                        default="draft",
                        max_length=12,
                    ),
                ),
                ("paused_by", models.CharField(blank=True, max_length=200)),
                ("paused_at", models.DateTimeField(null=True)),
                (
                    "choice",
                    models.CharField(
                        choices=[
                            ("all", "All repositories"),
                            ("listed", "Chosen repositories"),
                            ("pattern", "Repositories whose name fits a pattern"),
                        ],
                        default="listed",
                        max_length=12,
                    ),
                ),
                ("pattern", models.CharField(blank=True, max_length=400)),
                ("includes_new", models.BooleanField(default=False)),
                ("options", models.JSONField(default=dict)),
                ("created_by", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("activated_at", models.DateTimeField(null=True)),
                (
                    "removal",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Not asked"),
                            ("keep", "It stays at the target"),
                            ("erase", "It is removed from the target"),
                        ],
                        max_length=8,
                    ),
                ),
                ("removal_by", models.CharField(blank=True, max_length=200)),
                ("removal_began_at", models.DateTimeField(null=True)),
                ("removal_ended_at", models.DateTimeField(null=True)),
                ("removal_total", models.IntegerField(default=0)),
                ("removal_done", models.IntegerField(default=0)),
                ("removal_left", models.IntegerField(default=0)),
                (
                    "backfill_stand",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Never asked for"),
                            ("drawing", "Looking what there is"),
                            ("sending", "Sending"),
                            ("done", "Finished"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=12,
                    ),
                ),
                ("backfill_by", models.CharField(blank=True, max_length=200)),
                ("backfill_since", models.DateTimeField(null=True)),
                ("backfill_began_at", models.DateTimeField(null=True)),
                ("backfill_ended_at", models.DateTimeField(null=True)),
                ("backfill_total", models.IntegerField(default=0)),
                ("backfill_done", models.IntegerField(default=0)),
                ("backfill_at", models.JSONField(default=list)),
                ("last_sent_at", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=40)),
                ("last_error_detail", models.CharField(blank=True, max_length=200)),
                ("last_error_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("waits_for", models.CharField(blank=True, max_length=40)),
                ("waits_until", models.DateTimeField(null=True)),
                (
                    "destination",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links_in",
                        to="connections.workspace",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links_out",
                        to="connections.connection",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links_in",
                        to="connections.connection",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="LinkRepository",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("enabled_at", models.DateTimeField(null=True)),
                ("erasing", models.BooleanField(default=False)),
                ("sent", models.IntegerField(default=0)),
                ("failed", models.IntegerField(default=0)),
                ("unknown_subjects", models.IntegerField(default=0)),
                ("last_sent_at", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=40)),
                ("last_error_detail", models.CharField(blank=True, max_length=200)),
                ("last_error_at", models.DateTimeField(null=True)),
                (
                    "link",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="repositories",
                        to="connections.link",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links",
                        to="connections.repository",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="RelayAttempt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("request", models.CharField(max_length=60)),
                ("latency_ms", models.IntegerField(default=0)),
                ("answer", models.CharField(max_length=40)),
                ("detail", models.CharField(blank=True, max_length=200)),
                ("events", models.JSONField(default=dict)),
                ("accepted", models.IntegerField(default=0)),
                ("failed", models.IntegerField(default=0)),
                (
                    "unknown_subjects",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), default=list, size=None
                    ),
                ),
                ("items", models.JSONField(default=list)),
                (
                    "link",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="connections.link",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="RelayItem",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("key", models.CharField(max_length=200)),
                ("sequence", models.BigIntegerField()),
                ("sent_sequence", models.BigIntegerField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("nothing", "Names no subject"),
                            ("dead", "Failed"),
                            ("discarded", "Discarded"),
                        ],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("webhook", "A webhook told of it"),
                            ("sync", "A sync found it"),
                            ("backfill", "Back-fill"),
                            ("replay", "Sent again"),
                            ("person", "A person asked for it"),
                        ],
                        max_length=12,
                    ),
                ),
                ("heard_at", models.DateTimeField(null=True)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("due_at", models.DateTimeField(null=True)),
                ("urgency", models.SmallIntegerField(default=0)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("lease_owner", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=40)),
                ("error_detail", models.CharField(blank=True, max_length=200)),
                (
                    "subjects",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), default=list, size=None
                    ),
                ),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.connection",
                    ),
                ),
                (
                    "link",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="connections.link",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.repository",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="SmartDeed",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("commit", models.CharField(max_length=64)),
                ("subject", models.CharField(max_length=255)),
                ("index", models.SmallIntegerField()),
                ("command", models.CharField(max_length=60)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("skipped", "Not run"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("author", models.CharField(blank=True, max_length=300)),
                ("detail", models.CharField(blank=True, max_length=200)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("due_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.connection",
                    ),
                ),
                (
                    "link",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deeds",
                        to="connections.link",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.repository",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name="link",
            index=models.Index(fields=["organization", "target", "state"], name="link_by_target"),
        ),
        migrations.AddConstraint(
            model_name="link",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "removed"), _negated=True),
                fields=("organization", "source", "target", "destination"),
                name="link_once",
            ),
        ),
        migrations.AddIndex(
            model_name="linkrepository",
            index=models.Index(
                condition=models.Q(("enabled", True)),
                fields=["organization", "repository"],
                name="link_repository_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="linkrepository",
            constraint=models.UniqueConstraint(
                fields=("organization", "link", "repository"), name="link_repository_once"
            ),
        ),
        migrations.AddIndex(
            model_name="relayattempt",
            index=models.Index(
                fields=["organization", "link", "-at", "id"], name="relay_attempt_of_link"
            ),
        ),
        migrations.AddIndex(
            model_name="relayattempt",
            index=models.Index(fields=["organization", "at"], name="relay_attempt_by_age"),
        ),
        migrations.AddIndex(
            model_name="relayitem",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["organization", "link", "urgency", "due_at"],
                name="relay_item_due",
            ),
        ),
        migrations.AddIndex(
            model_name="relayitem",
            index=models.Index(
                condition=models.Q(("state", "dead")),
                fields=["organization", "link", "-changed_at", "id"],
                name="relay_item_dead",
            ),
        ),
        migrations.AddIndex(
            model_name="relayitem",
            index=models.Index(
                fields=["organization", "link", "state", "changed_at"], name="relay_item_state"
            ),
        ),
        migrations.AddConstraint(
            model_name="relayitem",
            constraint=models.UniqueConstraint(
                fields=("organization", "link", "repository", "kind", "key"), name="relay_item_once"
            ),
        ),
        migrations.AddIndex(
            model_name="smartdeed",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["organization", "link", "due_at"],
                name="smart_deed_due",
            ),
        ),
        migrations.AddIndex(
            model_name="smartdeed",
            index=models.Index(
                fields=["organization", "link", "-created_at", "id"], name="smart_deed_of_link"
            ),
        ),
        migrations.AddConstraint(
            model_name="smartdeed",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection", "commit", "subject", "index"),
                name="smart_deed_once",
            ),
        ),
        composite_key("connections_link"),
        tenant_table(
            "connections_link",
            grants={"portal_app": "SELECT, INSERT, UPDATE", "portal_worker": READ_WRITE},
            support=LINK,
            sweeper=["id", "organization_id", "target_id", "state", "waits_until"],
        ),
        tenant_table(
            "connections_linkrepository",
            grants={"portal_app": "SELECT, INSERT, UPDATE", "portal_worker": READ_WRITE},
            support=IN_LINK,
        ),
        tenant_table(
            "connections_relayitem",
            grants={"portal_app": f"SELECT, UPDATE ({WISHES})", "portal_worker": READ_WRITE},
            support=ITEM,
            sweeper=["organization_id", "link_id", "due_at", "lease_until"],
        ),
        tenant_table(
            "connections_relayattempt",
            grants={"portal_app": "SELECT", "portal_worker": READ_WRITE},
            support=ATTEMPT,
        ),
        tenant_table(
            "connections_smartdeed",
            grants={"portal_app": "SELECT, UPDATE (state, detail, due_at, attempts)"}
            | {"portal_worker": READ_WRITE},
            sweeper=["organization_id", "link_id", "due_at"],
        ),
        *(
            same_organization(f"connections_{table}", column, f"connections_{target}")
            for table, column, target in POINTS
        ),
    ]
