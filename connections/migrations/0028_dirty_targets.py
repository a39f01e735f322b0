"""What workers have in hand of the inbox, and what webhooks named and has to be fetched."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
import uuid
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, same_organization, tenant_table


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0027_receiving"),
        ("portal", "0012_ingest_role"),
    ]

    operations = [
        # The keys to organizations are checked last, under the new policies; the table is empty.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="DirtyTarget",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("stream", models.CharField(max_length=40)),
                ("key", models.CharField(blank=True, max_length=200)),
                ("told_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("told", models.IntegerField(default=1)),
                (
                    "told_by",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                ("due_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("fetched_at", models.DateTimeField(null=True)),
                ("attempts", models.SmallIntegerField(default=0)),
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
                        name="dirty_target_due",
                    ),
                    models.Index(fields=["organization", "fetched_at"], name="dirty_target_by_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "organization",
                            "connection",
                            "workspace",
                            "repository",
                            "stream",
                            "key",
                        ),
                        name="dirty_target_once",
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
            name="DeliveryClaim",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("until", models.DateTimeField()),
                (
                    "deliveries",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "indexes": [
                    models.Index(fields=["organization", "until"], name="delivery_claim_ends")
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        tenant_table("connections_deliveryclaim", grants={"portal_worker": READ_WRITE}),
        tenant_table(
            "connections_dirtytarget",
            grants={"portal_app": "SELECT", "portal_worker": READ_WRITE},
            sweeper=["organization_id", "connection_id", "due_at", "lease_until"],
        ),
        same_organization("connections_dirtytarget", "connection_id", "connections_connection"),
        same_organization("connections_dirtytarget", "workspace_id", "connections_workspace"),
        same_organization("connections_dirtytarget", "repository_id", "connections_repository"),
        # A delivery is written when it is settled and when what it named was fetched. With room
        # beside it the second of these touches no index.
        RunSQL("ALTER TABLE connections_delivery SET (fillfactor = 50)", RunSQL.noop),
    ]
