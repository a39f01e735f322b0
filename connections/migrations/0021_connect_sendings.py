"""Connect links of a whole campaign are sent by a worker, whose progress is a row."""

import uuid

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import composite_key, same_organization, tenant_table

SEEN = (
    "id organization_id campaign_id owner_id to_name to_email message state error total left_out"
    " sent_by_id sent_by_name created_at finished_at"
).split()


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0020_request_terms"),
        ("portal", "0010_exported_invitations"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The keys to people are checked last, under the new policies; the tables are empty then.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="ConnectSending",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("to_name", models.CharField(blank=True, max_length=80)),
                ("to_email", models.EmailField(blank=True, max_length=254)),
                ("message", models.CharField(blank=True, max_length=500)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Being sent"),
                            ("done", "Sent"),
                            ("cancelled", "Cancelled"),
                            ("stopped", "Stopped"),
                        ],
                        default="running",
                        max_length=10,
                    ),
                ),
                ("error", models.CharField(blank=True, max_length=40)),
                ("total", models.IntegerField()),
                ("left_out", models.JSONField(default=list)),
                ("sent_by_name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(null=True)),
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
            model_name="connectlink",
            name="sending_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name="connectlink",
            index=models.Index(
                condition=models.Q(("sending_id__isnull", False)),
                fields=["organization", "sending_id"],
                name="connect_link_of_sending",
            ),
        ),
        migrations.AddField(
            model_name="connectsending",
            name="campaign",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="connections.campaign",
            ),
        ),
        migrations.AddField(
            model_name="connectsending",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="portal.organization",
            ),
        ),
        migrations.AddField(
            model_name="connectsending",
            name="owner",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="connectsending",
            name="sent_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="connectsending",
            index=models.Index(
                fields=["organization", "campaign", "-created_at"], name="sending_latest"
            ),
        ),
        migrations.AddConstraint(
            model_name="connectsending",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "running")),
                fields=("organization", "campaign"),
                name="sending_running_once",
            ),
        ),
        composite_key("connections_connectsending"),
        tenant_table("connections_connectsending", support=SEEN),
        same_organization("connections_connectsending", "campaign_id", "connections_campaign"),
        same_organization(
            "connections_connectlink",
            "sending_id",
            "connections_connectsending",
            on_delete="SET NULL",
        ),
    ]
