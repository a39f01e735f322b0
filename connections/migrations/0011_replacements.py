"""A credential on its way to be replaced, and when one wants to be."""

import uuid

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import same_organization, tenant_table

REPLACEMENT = [
    "id",
    "organization_id",
    "connection_id",
    "old_id",
    "new_id",
    "automatic",
    "because",
    "stage",
    "method",
    "fields",
    "before",
    "found",
    "token_name",
    "old_token_id",
    "error",
    "error_detail",
    "user_id",
    "user_name",
    "created_at",
    "asked_at",
    "checked_at",
    "switched_at",
    "remind_at",
    "withdrawn_how",
    "withdrawn_by_name",
    "ended_at",
]


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0010_imports_and_exports"),
        ("portal", "0007_unread"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Replacement",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("old_id", models.UUIDField(null=True)),
                ("new_id", models.UUIDField(default=uuid.uuid4)),
                ("automatic", models.BooleanField(default=False)),
                (
                    "because",
                    models.CharField(
                        choices=[
                            ("person", "Somebody asked for it"),
                            ("marked", "It was marked for rotation"),
                            ("policy", "The rotation policy asks for it"),
                        ],
                        default="person",
                        max_length=12,
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("entering", "Waiting for the new secret"),
                            ("making", "Making a new token at the vendor"),
                            ("checking", "Checking the new one"),
                            ("checked", "Checked"),
                            ("switching", "Switching over"),
                            ("switched", "In use; the old one has to be withdrawn"),
                            ("withdrawing", "Withdrawing the old one"),
                            ("going_back", "Going back to the old one"),
                            ("dropping", "Forgetting the new one"),
                            ("done", "Done"),
                            ("went_back", "Went back to the old one"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        max_length=12,
                    ),
                ),
                ("method", models.CharField(max_length=40)),
                ("fields", models.JSONField(default=dict)),
                ("before", models.JSONField(default=dict)),
                ("found", models.JSONField(default=dict)),
                ("token_name", models.CharField(blank=True, max_length=120)),
                ("old_token_id", models.CharField(blank=True, max_length=120)),
                ("error", models.CharField(blank=True, max_length=40)),
                ("error_detail", models.CharField(blank=True, max_length=200)),
                ("user_name", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("checked_at", models.DateTimeField(null=True)),
                ("switched_at", models.DateTimeField(null=True)),
                ("remind_at", models.DateTimeField(null=True)),
                (
                    "withdrawn_how",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("vendor", "Withdrawn by us through the vendor's API"),
                            ("person", "Withdrawn by hand at the vendor"),
                            ("expired", "It had expired"),
                        ],
                        max_length=8,
                    ),
                ),
                ("withdrawn_by_name", models.CharField(blank=True, max_length=200)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name="credential",
            name="rotate_because",
            field=models.CharField(blank=True, db_default="", max_length=40),
        ),
        migrations.AddField(
            model_name="credential",
            name="rotate_by",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="token_id",
            field=models.CharField(blank=True, db_default="", max_length=120),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                condition=models.Q(("replaced_at", None), ("rotate_by__isnull", False)),
                fields=["organization", "rotate_by"],
                name="credential_rotate_due",
            ),
        ),
        migrations.AddField(
            model_name="replacement",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="replacements",
                to="connections.connection",
            ),
        ),
        migrations.AddField(
            model_name="replacement",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="portal.organization",
            ),
        ),
        migrations.AddField(
            model_name="replacement",
            name="user",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="replacement",
            index=models.Index(
                fields=["organization", "connection", "-created_at"], name="replacement_story"
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("organization", "connection"),
                name="replacement_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ended_at__isnull", False),
                        ("stage__in", ("done", "went_back", "cancelled", "failed")),
                    ),
                    models.Q(
                        models.Q(
                            ("stage__in", ("done", "went_back", "cancelled", "failed")),
                            _negated=True,
                        ),
                        ("ended_at", None),
                    ),
                    _connector="OR",
                ),
                name="replacement_ended_at",
            ),
        ),
        tenant_table("connections_replacement", support=REPLACEMENT),
        same_organization("connections_replacement", "connection_id", "connections_connection"),
        RunSQL(
            "GRANT SELECT (rotate_by, rotate_because, token_id) ON connections_credential"
            " TO portal_support",
            RunSQL.noop,
        ),
    ]
