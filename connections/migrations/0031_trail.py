"""Who pushed, who is who at vendors, and looks that a person waits for."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, same_organization, tenant_table


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0030_hooks"),
        ("portal", "0012_ingest_role"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The keys to organizations are checked last, under the new policies; the tables are empty.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.AddField(
            model_name="commit",
            name="committer_email",
            field=models.CharField(blank=True, db_default="", default="", max_length=254),
        ),
        migrations.AddField(
            model_name="commit",
            name="committer_name",
            field=models.CharField(blank=True, db_default="", default="", max_length=300),
        ),
        migrations.AddField(
            model_name="commit",
            name="committer_remote_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.CreateModel(
            name="Inquiry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=8)),
                ("key", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("looking", "Looking"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("left", models.JSONField(default=list)),
                ("done", models.SmallIntegerField(default=0)),
                ("absent", models.BooleanField(default=False)),
                ("asked_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(null=True)),
                ("waits_until", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=40)),
                ("error_detail", models.CharField(blank=True, max_length=200)),
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
                        to="connections.repository",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "repository", "kind", "key"), name="inquiry_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Push",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("delivery_id", models.UUIDField()),
                ("commit", models.CharField(max_length=64)),
                ("is_head", models.BooleanField()),
                ("ref_kind", models.CharField(max_length=12)),
                ("ref_name", models.CharField(max_length=300)),
                ("former", models.CharField(blank=True, max_length=64)),
                ("by_remote_id", models.CharField(blank=True, max_length=200)),
                ("by_name", models.CharField(blank=True, max_length=300)),
                ("pushed_at", models.DateTimeField(null=True)),
                ("received_at", models.DateTimeField()),
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
                        to="connections.repository",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "indexes": [
                    models.Index(
                        fields=["organization", "commit"],
                        name="push_by_commit",
                        opclasses=["uuid_ops", "varchar_pattern_ops"],
                    ),
                    models.Index(
                        fields=["organization", "connection", "received_at"], name="push_by_age"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "organization",
                            "repository",
                            "commit",
                            "ref_kind",
                            "ref_name",
                            "former",
                        ),
                        name="push_once",
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="VendorIdentity",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("connector", models.CharField(max_length=40)),
                ("server", models.CharField(blank=True, max_length=32)),
                (
                    "kind",
                    models.CharField(
                        choices=[("account", "Account"), ("address", "Address in commits")],
                        max_length=8,
                    ),
                ),
                ("key", models.CharField(max_length=254)),
                ("name", models.CharField(blank=True, max_length=300)),
                (
                    "emails",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=254), default=list, size=None
                    ),
                ),
                ("url", models.CharField(blank=True, max_length=500)),
                (
                    "connections",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                ("first_seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "says",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Nobody said"),
                            ("member", "A member"),
                            ("bot", "Not a person"),
                        ],
                        default="",
                        max_length=8,
                    ),
                ),
                ("said_by", models.CharField(blank=True, max_length=200)),
                ("said_at", models.DateTimeField(null=True)),
                ("before", models.JSONField(null=True)),
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
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "connector", "server", "kind", "key"),
                        name="identity_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("says", "member"), ("user", None), _connector="OR"),
                        name="identity_member",
                    ),
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        tenant_table(
            "connections_push", grants={"portal_app": "SELECT", "portal_worker": READ_WRITE}
        ),
        same_organization("connections_push", "connection_id", "connections_connection"),
        same_organization("connections_push", "repository_id", "connections_repository"),
        tenant_table(
            "connections_vendoridentity",
            grants={"portal_app": "SELECT, UPDATE", "portal_worker": READ_WRITE},
        ),
        tenant_table("connections_inquiry"),
        same_organization("connections_inquiry", "connection_id", "connections_connection"),
        same_organization("connections_inquiry", "repository_id", "connections_repository"),
    ]
