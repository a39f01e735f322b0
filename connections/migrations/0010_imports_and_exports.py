"""Imports with their rows, exports with the pieces of their file."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, composite_key, same_organization, tenant_table

PLATFORM = "00000000-0000-0000-0000-000000000000"


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0009_ledgers"),
        ("portal", "0007_unread"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Export",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Waiting for a second person"),
                            ("queued", "Waiting for a worker"),
                            ("running", "Being written"),
                            ("ready", "Ready to download"),
                            ("refused", "Refused by the second person"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired and deleted"),
                        ],
                        default="queued",
                        max_length=12,
                    ),
                ),
                ("user_name", models.CharField(max_length=200)),
                ("why", models.CharField(blank=True, max_length=300)),
                ("public_key", models.BinaryField(max_length=32, null=True)),
                ("fingerprint", models.CharField(blank=True, max_length=80)),
                ("approval_id", models.UUIDField(null=True)),
                ("done", models.IntegerField(default=0)),
                ("total", models.IntegerField(null=True)),
                ("now_writing", models.CharField(blank=True, max_length=80)),
                ("record_sequence", models.BigIntegerField(null=True)),
                ("size", models.BigIntegerField(default=0)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("error", models.CharField(blank=True, max_length=40)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("cancel_requested_at", models.DateTimeField(null=True)),
                ("downloaded_at", models.DateTimeField(null=True)),
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
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
            name="ExportPiece",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.IntegerField()),
                ("content", models.BinaryField()),
                (
                    "export",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pieces",
                        to="connections.export",
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
            name="ImportBatch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("file_name", models.CharField(max_length=120)),
                ("shape", models.CharField(max_length=16)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ready", "Checked, nothing imported yet"),
                            ("running", "Importing"),
                            ("done", "Finished"),
                            ("cancelled", "Cancelled"),
                            ("undoing", "Being undone"),
                            ("undone", "Undone"),
                            ("discarded", "Discarded"),
                        ],
                        default="ready",
                        max_length=12,
                    ),
                ),
                ("user_name", models.CharField(max_length=200)),
                ("replaces", models.BooleanField(default=False)),
                ("rotate_by", models.DateTimeField(null=True)),
                ("campaign_id", models.UUIDField(null=True)),
                ("total", models.IntegerField(default=0)),
                ("sound", models.IntegerField(default=0)),
                ("warned", models.IntegerField(default=0)),
                ("broken", models.IntegerField(default=0)),
                ("waits_for", models.CharField(blank=True, max_length=40)),
                ("waits_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("cancel_requested_at", models.DateTimeField(null=True)),
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
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
            name="ImportRow",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.IntegerField()),
                ("connector", models.CharField(blank=True, max_length=40)),
                ("method", models.CharField(blank=True, max_length=40)),
                ("name", models.CharField(blank=True, max_length=80)),
                ("fields", models.JSONField(default=dict)),
                (
                    "capabilities",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None
                    ),
                ),
                (
                    "labels",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None
                    ),
                ),
                ("description", models.TextField(blank=True, max_length=4000)),
                ("last_four", models.CharField(blank=True, max_length=4)),
                ("expires_at", models.DateTimeField(null=True)),
                ("refreshable", models.BooleanField(default=False)),
                (
                    "level",
                    models.CharField(
                        choices=[
                            ("ok", "Ready"),
                            ("warning", "Ready, with a warning"),
                            ("error", "Cannot be imported"),
                        ],
                        default="ok",
                        max_length=8,
                    ),
                ),
                ("findings", models.JSONField(default=list)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("created", "Imported"),
                            ("dead", "Imported, needs a new credential"),
                            ("replaced", "Credential replaced in place"),
                            ("skipped", "Skipped, linked already"),
                            ("failed", "Failed"),
                            ("refused", "Not imported"),
                            ("cancelled", "Cancelled before its turn"),
                            ("undone", "Undone"),
                        ],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=40)),
                ("detail", models.CharField(blank=True, max_length=200)),
                ("account_name", models.CharField(blank=True, max_length=200)),
                ("other_name", models.CharField(blank=True, max_length=80)),
                ("credential_id", models.UUIDField(null=True)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="connections.importbatch",
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="connections.connection",
                    ),
                ),
                (
                    "consumer",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="connections.consumer",
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
                    "team",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="portal.team",
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
            model_name="export",
            index=models.Index(fields=["organization", "-created_at"], name="export_latest"),
        ),
        migrations.AddConstraint(
            model_name="exportpiece",
            constraint=models.UniqueConstraint(
                fields=("organization", "export", "number"), name="export_piece_once"
            ),
        ),
        migrations.AddIndex(
            model_name="importbatch",
            index=models.Index(fields=["organization", "-created_at"], name="import_latest"),
        ),
        migrations.AddIndex(
            model_name="importrow",
            index=models.Index(
                fields=["organization", "batch", "outcome", "number"], name="import_row_outcome"
            ),
        ),
        migrations.AddConstraint(
            model_name="importrow",
            constraint=models.UniqueConstraint(
                fields=("organization", "batch", "number"), name="import_row_once"
            ),
        ),
        composite_key("connections_importbatch"),
        tenant_table(
            "connections_importbatch",
            grants={"portal_app": "SELECT, INSERT, UPDATE", "portal_worker": READ_WRITE},
        ),
        tenant_table(
            "connections_importrow",
            grants={"portal_app": "SELECT, INSERT", "portal_worker": READ_WRITE},
        ),
        same_organization("connections_importrow", "batch_id", "connections_importbatch"),
        same_organization("connections_importrow", "team_id", "portal_team", on_delete="SET NULL"),
        same_organization(
            "connections_importrow",
            "connection_id",
            "connections_connection",
            on_delete="SET NULL",
        ),
        composite_key("connections_export"),
        tenant_table(
            "connections_export",
            grants={"portal_app": "SELECT, INSERT, UPDATE", "portal_worker": READ_WRITE},
        ),
        # The web process gives the file out and cannot change it.
        tenant_table(
            "connections_exportpiece",
            grants={"portal_app": "SELECT", "portal_worker": READ_WRITE},
        ),
        same_organization("connections_exportpiece", "export_id", "connections_export"),
        # The foreign keys made at the end look at these tables through their policies.
        RunSQL(f"SET LOCAL app.organization_id = '{PLATFORM}'", RunSQL.noop),
    ]
