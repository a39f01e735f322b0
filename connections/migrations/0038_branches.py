"""Branches that people have made, longer messages of commits, and comments of reviews counted."""

import uuid

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, same_organization, tenant_table

POINTS = (("connection_id", "connection"), ("repository_id", "repository"))


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0037_relayed_repositories"),
        ("portal", "0012_ingest_role"),
    ]

    operations = [
        # The keys to organizations are checked last, under the new policies; the table is empty.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.AddField(
            model_name="pullrequest",
            name="comments",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="commit",
            name="message",
            field=models.CharField(blank=True, max_length=10000),
        ),
        migrations.CreateModel(
            name="BranchWish",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("start", models.CharField(max_length=300)),
                ("subject", models.CharField(blank=True, max_length=255)),
                ("asked_by", models.CharField(blank=True, max_length=200)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "stand",
                    models.CharField(
                        choices=[
                            ("waiting", "On its way"),
                            ("made", "Made"),
                            ("refused", "Not made"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
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
                        related_name="+",
                        to="connections.repository",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "indexes": [
                    models.Index(
                        fields=["organization", "repository", "-asked_at"],
                        name="branch_wish_recent",
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        tenant_table(
            "connections_branchwish",
            grants={"portal_app": "SELECT, INSERT", "portal_worker": READ_WRITE},
        ),
        *(
            same_organization("connections_branchwish", column, f"connections_{target}")
            for column, target in POINTS
        ),
    ]
