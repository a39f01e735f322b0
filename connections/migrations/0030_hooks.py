"""How events arrive, and what the vendor has of ours in each container."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, same_organization, tenant_table

# What a person marks for a worker to do.
WISHES = "stand, wanted, due_at, purpose, round_id, attempts"


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0029_inbox_decisions"),
        ("portal", "0012_ingest_role"),
    ]

    operations = [
        # The keys to organizations are checked last, under the new policies; the tables are empty.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="Hook",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "stand",
                    models.CharField(
                        choices=[
                            ("new", "Not looked at yet"),
                            ("present", "As it should be"),
                            ("missing", "Missing"),
                            ("inactive", "Switched off"),
                            ("events", "Wrong triggers"),
                            ("address", "Wrong address"),
                            ("no_secret", "No secret"),
                            ("former", "Former secret"),
                            ("full", "No room"),
                            ("refused", "Refused"),
                            ("failing", "Out of reach"),
                            ("surplus", "Not needed any more"),
                        ],
                        default="new",
                        max_length=12,
                    ),
                ),
                ("remote_id", models.CharField(blank=True, max_length=200)),
                (
                    "extras",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200), default=list, size=None
                    ),
                ),
                (
                    "events",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100), default=list, size=None
                    ),
                ),
                ("secret_at", models.DateTimeField(null=True)),
                ("strangers", models.IntegerField(default=0)),
                ("lookalikes", models.IntegerField(default=0)),
                ("lookalike_host", models.CharField(blank=True, max_length=255)),
                ("seen_at", models.DateTimeField(null=True)),
                ("changed_at", models.DateTimeField(null=True)),
                (
                    "wanted",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Nothing"),
                            ("look", "Look"),
                            ("mend", "Repair"),
                            ("remove", "Remove"),
                        ],
                        max_length=8,
                    ),
                ),
                ("due_at", models.DateTimeField(null=True)),
                ("purpose", models.CharField(default="full", max_length=12)),
                ("round_id", models.UUIDField(null=True)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("lease_owner", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
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
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.repository",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.workspace",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["organization", "connection", "purpose", "due_at"],
                        name="hook_due",
                    ),
                    models.Index(
                        fields=["organization", "connection", "stand"], name="hook_by_stand"
                    ),
                    models.Index(fields=["organization", "repository"], name="hook_of_repository"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "workspace", "repository"),
                        name="hook_once",
                        nulls_distinct=False,
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="HookPlan",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "arrival",
                    models.CharField(
                        choices=[
                            ("polling", "At intervals only"),
                            ("workspace", "Webhooks of workspaces"),
                            ("repository", "Webhooks of repositories"),
                        ],
                        default="polling",
                        max_length=12,
                    ),
                ),
                (
                    "events",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100), default=list, size=None
                    ),
                ),
                ("mends_itself", models.BooleanField(default=False)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("next_at", models.DateTimeField(null=True)),
                ("round_id", models.UUIDField(null=True)),
                ("round_what", models.CharField(blank=True, max_length=8)),
                ("round_by", models.CharField(blank=True, max_length=200)),
                ("round_total", models.IntegerField(default=0)),
                ("round_began_at", models.DateTimeField(null=True)),
                ("round_ended_at", models.DateTimeField(null=True)),
                ("made", models.IntegerField(default=0)),
                ("changed", models.IntegerField(default=0)),
                ("removed", models.IntegerField(default=0)),
                ("failed", models.IntegerField(default=0)),
                ("waits_for", models.CharField(blank=True, max_length=40)),
                ("test_id", models.UUIDField(null=True)),
                ("test_by", models.CharField(blank=True, max_length=200)),
                ("test_asked_at", models.DateTimeField(null=True)),
                ("test_ended_at", models.DateTimeField(null=True)),
                ("test_stand", models.CharField(blank=True, max_length=24)),
                ("test_status", models.SmallIntegerField(null=True)),
                ("left_behind", models.JSONField(default=list)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hook_plans",
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
            ],
            options={
                "base_manager_name": "everywhere",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "connection"), name="hook_plan_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        tenant_table(
            "connections_hookplan",
            grants={"portal_app": "SELECT, INSERT, UPDATE", "portal_worker": READ_WRITE},
            sweeper=["organization_id", "connection_id", "next_at"],
        ),
        same_organization("connections_hookplan", "connection_id", "connections_connection"),
        tenant_table(
            "connections_hook",
            grants={"portal_app": f"SELECT, UPDATE ({WISHES})", "portal_worker": READ_WRITE},
        ),
        same_organization("connections_hook", "connection_id", "connections_connection"),
        same_organization("connections_hook", "workspace_id", "connections_workspace"),
        same_organization("connections_hook", "repository_id", "connections_repository"),
    ]
