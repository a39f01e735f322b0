"""Code and what happens to it, how far each stream is held, and what the vendor is asked."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
import uuid
from django.db import migrations, models
from django.db.migrations.operations import RunSQL
from django.db.models.functions import Coalesce

from portal.rls import READ_WRITE, composite_key, same_organization, tenant_table

IN_REPOSITORY = ("branch", "build", "commit", "deployment", "permission", "pipeline", "pullrequest")
READ = {"portal_app": "SELECT", "portal_worker": READ_WRITE}
STATE = [
    "id",
    "organization_id",
    "connection_id",
    "workspace_id",
    "repository_id",
    "stream",
    "stand",
    "due_at",
    "held",
    "last_success_at",
    "failing_since",
    "error",
]


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0025_teams_once"),
        ("portal", "0011_teams_once"),
    ]

    operations = [
        # The keys to organizations are checked last, under the new policies; the tables are empty.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.AddField(
            model_name="connection",
            name="budget_id",
            field=models.UUIDField(null=True),
        ),
        migrations.CreateModel(
            name="Branch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("remote_id", models.CharField(max_length=200)),
                ("seen_run", models.UUIDField(null=True)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("gone_at", models.DateTimeField(null=True)),
                ("kind", models.CharField(max_length=12)),
                ("name", models.CharField(max_length=300)),
                ("target", models.CharField(max_length=64)),
                ("committed_at", models.DateTimeField(null=True)),
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
                        fields=("organization", "repository", "remote_id"), name="branch_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Build",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("remote_id", models.CharField(max_length=200)),
                ("seen_run", models.UUIDField(null=True)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("gone_at", models.DateTimeField(null=True)),
                ("commit", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=200)),
                ("name", models.CharField(blank=True, max_length=300)),
                ("state", models.CharField(max_length=12)),
                ("url", models.CharField(blank=True, max_length=500)),
                ("refname", models.CharField(blank=True, max_length=300)),
                ("remote_created_at", models.DateTimeField(null=True)),
                ("remote_updated_at", models.DateTimeField(null=True)),
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
                    models.Index(fields=["organization", "commit"], name="build_by_commit"),
                    models.Index(fields=["organization", "url"], name="build_by_url"),
                    models.Index(
                        models.F("organization"),
                        models.F("connection"),
                        Coalesce("remote_updated_at", "remote_created_at"),
                        name="build_by_end",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "repository", "remote_id"), name="build_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Commit",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("remote_id", models.CharField(max_length=200)),
                ("seen_run", models.UUIDField(null=True)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("gone_at", models.DateTimeField(null=True)),
                ("message", models.CharField(blank=True, max_length=1000)),
                (
                    "parents",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64), default=list, size=None
                    ),
                ),
                ("author_remote_id", models.CharField(blank=True, max_length=200)),
                ("author_name", models.CharField(blank=True, max_length=300)),
                ("author_email", models.CharField(blank=True, max_length=254)),
                ("committed_at", models.DateTimeField(null=True)),
                ("url", models.CharField(blank=True, max_length=500)),
                (
                    "pulls",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), null=True, size=None
                    ),
                ),
                ("pulls_said", models.CharField(blank=True, max_length=20)),
                ("pulls_at", models.DateTimeField(null=True)),
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
                        fields=["organization", "remote_id"],
                        name="commit_by_hash",
                        opclasses=["uuid_ops", "varchar_pattern_ops"],
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "repository", "remote_id"), name="commit_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Deployment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("remote_id", models.CharField(max_length=200)),
                ("seen_run", models.UUIDField(null=True)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("gone_at", models.DateTimeField(null=True)),
                ("environment", models.CharField(max_length=200)),
                ("environment_kind", models.CharField(blank=True, max_length=40)),
                ("state", models.CharField(max_length=12)),
                ("commit", models.CharField(blank=True, max_length=64)),
                ("pipeline_remote_id", models.CharField(blank=True, max_length=200)),
                ("by_remote_id", models.CharField(blank=True, max_length=200)),
                ("by_name", models.CharField(blank=True, max_length=300)),
                ("started_at", models.DateTimeField(null=True)),
                ("completed_at", models.DateTimeField(null=True)),
                ("remote_updated_at", models.DateTimeField(null=True)),
                ("url", models.CharField(blank=True, max_length=500)),
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
                    models.Index(fields=["organization", "commit"], name="deployment_by_commit"),
                    models.Index(
                        models.F("organization"),
                        models.F("connection"),
                        Coalesce("completed_at", "remote_updated_at", "started_at"),
                        name="deployment_by_end",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "repository", "remote_id"), name="deployment_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Group",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("remote_id", models.CharField(max_length=200)),
                ("seen_run", models.UUIDField(null=True)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("gone_at", models.DateTimeField(null=True)),
                ("name", models.CharField(max_length=300)),
                ("permission", models.CharField(blank=True, max_length=40)),
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
                    "workspace",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="connections.workspace",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "workspace", "remote_id"), name="vendor_group_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Permission",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("remote_id", models.CharField(max_length=200)),
                ("seen_run", models.UUIDField(null=True)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("gone_at", models.DateTimeField(null=True)),
                ("subject_kind", models.CharField(max_length=12)),
                ("subject_remote_id", models.CharField(max_length=200)),
                ("subject_name", models.CharField(blank=True, max_length=300)),
                ("permission", models.CharField(max_length=40)),
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
                        fields=("organization", "repository", "remote_id"), name="permission_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Pipeline",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("remote_id", models.CharField(max_length=200)),
                ("seen_run", models.UUIDField(null=True)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("gone_at", models.DateTimeField(null=True)),
                ("number", models.IntegerField()),
                ("state", models.CharField(max_length=12)),
                ("commit", models.CharField(blank=True, max_length=64)),
                ("refname", models.CharField(blank=True, max_length=300)),
                ("trigger", models.CharField(blank=True, max_length=40)),
                ("creator_remote_id", models.CharField(blank=True, max_length=200)),
                ("creator_name", models.CharField(blank=True, max_length=300)),
                ("steps", models.JSONField(default=list)),
                ("remote_created_at", models.DateTimeField(null=True)),
                ("completed_at", models.DateTimeField(null=True)),
                ("seconds", models.IntegerField(null=True)),
                ("url", models.CharField(blank=True, max_length=500)),
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
                    models.Index(fields=["organization", "commit"], name="pipeline_by_commit"),
                    models.Index(
                        models.F("organization"),
                        models.F("connection"),
                        Coalesce("completed_at", "remote_created_at"),
                        name="pipeline_by_end",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "repository", "remote_id"), name="pipeline_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="PullRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("remote_id", models.CharField(max_length=200)),
                ("seen_run", models.UUIDField(null=True)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("gone_at", models.DateTimeField(null=True)),
                ("number", models.IntegerField()),
                ("title", models.CharField(max_length=500)),
                ("state", models.CharField(max_length=12)),
                ("draft", models.BooleanField(default=False)),
                ("author_remote_id", models.CharField(blank=True, max_length=200)),
                ("author_name", models.CharField(blank=True, max_length=300)),
                ("closed_by_remote_id", models.CharField(blank=True, max_length=200)),
                ("closed_by_name", models.CharField(blank=True, max_length=300)),
                ("participants", models.JSONField(default=list)),
                ("source_branch", models.CharField(blank=True, max_length=300)),
                ("source_hash", models.CharField(blank=True, max_length=64)),
                ("source_repository", models.CharField(blank=True, max_length=400)),
                ("destination_branch", models.CharField(blank=True, max_length=300)),
                ("destination_hash", models.CharField(blank=True, max_length=64)),
                ("merge_hash", models.CharField(blank=True, max_length=64)),
                ("remote_created_at", models.DateTimeField(null=True)),
                ("remote_updated_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("version", models.IntegerField(default=0)),
                ("url", models.CharField(blank=True, max_length=500)),
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
                        fields=["organization", "connection", "-remote_updated_at", "id"],
                        name="pull_request_by_change",
                    ),
                    models.Index(
                        fields=["organization", "merge_hash"], name="pull_request_by_merge"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "repository", "remote_id"), name="pull_request_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="RequestBudget",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account", models.BinaryField(max_length=32)),
                ("connector", models.CharField(max_length=40)),
                ("per_hour", models.IntegerField()),
                ("spent", models.JSONField(default=dict)),
                ("said_remaining", models.IntegerField(null=True)),
                ("said_at", models.DateTimeField(null=True)),
                ("blocked_until", models.DateTimeField(null=True)),
                ("refusals", models.IntegerField(default=0)),
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
                    models.UniqueConstraint(fields=("organization", "account"), name="budget_once")
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="StreamState",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("stream", models.CharField(max_length=40)),
                (
                    "stand",
                    models.CharField(
                        choices=[
                            ("new", "Not read yet"),
                            ("reading", "Being read"),
                            ("current", "Complete"),
                            ("partial", "Complete with failures"),
                            ("held_back", "Removals held back"),
                            ("failing", "Failing"),
                        ],
                        default="new",
                        max_length=12,
                    ),
                ),
                ("wanted", models.CharField(blank=True, default="first", max_length=12)),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ("pass_id", models.UUIDField(null=True)),
                ("pass_started_at", models.DateTimeField(null=True)),
                ("is_full", models.BooleanField(default=True)),
                ("checkpoint", models.TextField(null=True)),
                ("pages", models.IntegerField(default=0)),
                ("read", models.IntegerField(default=0)),
                ("rejected", models.IntegerField(default=0)),
                ("total", models.IntegerField(null=True)),
                ("since", models.DateTimeField(null=True)),
                ("etag", models.CharField(blank=True, max_length=200)),
                ("held", models.IntegerField(default=0)),
                ("requests", models.IntegerField(default=0)),
                ("last_success_at", models.DateTimeField(null=True)),
                ("last_full_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("attempts", models.IntegerField(default=0)),
                ("error", models.CharField(blank=True, max_length=40)),
                ("error_detail", models.CharField(blank=True, max_length=200)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stream_states",
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
                        to="connections.repository",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="connections.workspace",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["organization", "connection", "due_at"],
                        name="stream_state_due",
                    ),
                    models.Index(
                        fields=["organization", "connection", "stand", "repository"],
                        name="stream_state_by_stand",
                    ),
                    models.Index(
                        fields=["organization", "repository"], name="stream_state_of_repository"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "workspace", "repository", "stream"),
                        name="stream_state_once",
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
            name="SyncSettings",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "chosen",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), null=True, size=None
                    ),
                ),
                ("keep_days", models.IntegerField(default=400, null=True)),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("polling", "Ask at intervals only"),
                            ("hooks", "Receive webhooks too"),
                        ],
                        default="polling",
                        max_length=12,
                    ),
                ),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sync_settings",
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
                        fields=("organization", "connection"), name="sync_settings_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        composite_key("connections_repository"),
        *(
            operation
            for name in IN_REPOSITORY
            for operation in (
                tenant_table(f"connections_{name}", grants=READ),
                same_organization(f"connections_{name}", "repository_id", "connections_repository"),
                same_organization(f"connections_{name}", "connection_id", "connections_connection"),
            )
        ),
        tenant_table("connections_group", grants=READ),
        same_organization("connections_group", "workspace_id", "connections_workspace"),
        tenant_table(
            "connections_streamstate",
            grants={"portal_app": "SELECT, UPDATE", "portal_worker": READ_WRITE},
            support=STATE,
        ),
        same_organization("connections_streamstate", "connection_id", "connections_connection"),
        same_organization("connections_streamstate", "workspace_id", "connections_workspace"),
        same_organization("connections_streamstate", "repository_id", "connections_repository"),
        tenant_table(
            "connections_requestbudget",
            grants={"portal_app": "SELECT", "portal_worker": READ_WRITE},
            platform_readable=True,
        ),
        tenant_table("connections_syncsettings"),
        same_organization("connections_syncsettings", "connection_id", "connections_connection"),
        RunSQL("GRANT SELECT (budget_id) ON connections_connection TO portal_support"),
    ]
