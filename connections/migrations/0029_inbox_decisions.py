"""Decisions about dead letters, what was missed, and deliveries counted by the hour."""

import uuid

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, lookup_function, same_organization, tenant_table

# What waits in each organization's inbox, and what failed there: counted, never what it says.
INBOXES = (
    "RETURNS TABLE (organization_id uuid, slug text, name text, waiting bigint,"
    " oldest timestamptz, dead bigint) LANGUAGE sql STABLE SECURITY DEFINER"
    " SET search_path = public AS $$"
    " SELECT o.id, o.slug::text, o.name::text, coalesce(w.waiting, 0), w.oldest,"
    " coalesce(f.dead, 0)"
    " FROM (SELECT d.organization_id AS id, count(*) FILTER (WHERE d.next_at <= moment)"
    " AS waiting, min(d.next_at) FILTER (WHERE d.next_at <= moment) AS oldest"
    " FROM connections_delivery d WHERE d.state = 'new' GROUP BY 1) w"
    " FULL JOIN (SELECT d.organization_id AS id, count(*) AS dead"
    " FROM connections_delivery d WHERE d.state = 'dead' GROUP BY 1) f USING (id)"
    " JOIN portal_organization o USING (id) WHERE EXISTS (SELECT FROM portal_user u"
    " WHERE u.id = asker AND u.is_operator AND u.is_active)"
    " ORDER BY w.oldest NULLS LAST, f.dead DESC NULLS LAST, 3 $$"
)


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0028_dirty_targets"),
        ("portal", "0012_ingest_role"),
    ]

    operations = [
        # The keys to organizations are checked last, under the new policies; the tables are empty.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="DeliveryHour",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("applied", models.IntegerField(default=0)),
                ("ignored", models.IntegerField(default=0)),
                ("dead", models.IntegerField(default=0)),
                ("discarded", models.IntegerField(default=0)),
                ("waiting", models.IntegerField(default=0)),
                ("counted_at", models.DateTimeField(default=django.utils.timezone.now)),
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
            name="InboxDeed",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("replay", "Apply again"),
                            ("discard", "Discard"),
                            ("restore", "Take back"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Under way"),
                            ("finished", "Finished"),
                            ("stopped", "Stopped"),
                        ],
                        default="running",
                        max_length=12,
                    ),
                ),
                ("event_key", models.CharField(blank=True, max_length=100)),
                ("error", models.CharField(blank=True, max_length=40)),
                ("delivery_id", models.UUIDField(null=True)),
                ("undoes_id", models.UUIDField(null=True)),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("total", models.IntegerField()),
                ("done", models.IntegerField(default=0)),
                ("asked_by", models.CharField(max_length=200)),
                ("asked_by_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("moved_at", models.DateTimeField(null=True)),
                ("stop_asked_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("ended_because", models.CharField(blank=True, max_length=40)),
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
            name="MissedEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("stream", models.CharField(max_length=40)),
                ("remote_id", models.CharField(max_length=200)),
                ("name", models.CharField(blank=True, max_length=300)),
                ("since", models.DateTimeField()),
                ("changed_at", models.DateTimeField(null=True)),
                ("found_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("before_hook", "It changed before the webhook was made or changed"),
                            ("no_hook", "The vendor has no webhook for it"),
                            ("hook_inactive", "The webhook at the vendor is not as it should be"),
                            ("address_off", "The webhook address is switched off here"),
                            ("refused", "Messages came without a right signature"),
                            ("silent", "Nothing at all came in that time"),
                            (
                                "too_large",
                                "Others came: this one was lost, or too large to be sent",
                            ),
                        ],
                        max_length=16,
                    ),
                ),
                ("arrived_at", models.DateTimeField(null=True)),
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
            model_name="delivery",
            name="deed_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="repository_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="tries",
            field=models.JSONField(
                db_default=models.Value([], output_field=models.JSONField()), default=list
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "dead")),
                fields=["organization", "-received_at", "id"],
                name="delivery_dead",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("repository_id__isnull", False)),
                fields=["organization", "repository_id", "-received_at", "id"],
                name="delivery_of_repository",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("deed_id__isnull", False)),
                fields=["organization", "deed_id"],
                name="delivery_of_deed",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("conflict", True)),
                fields=["organization", "sender_id"],
                name="delivery_conflicts",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["organization", "connection_id", "event_key", "-received_at", "id"],
                name="delivery_by_event",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "new"), _negated=True),
                fields=["organization", "connection_id", "state", "-received_at", "id"],
                name="delivery_by_outcome",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("error", "foreign")),
                fields=["organization", "connection_id", "-received_at", "id"],
                name="delivery_foreign",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("possible_replay", True)),
                fields=["organization", "connection_id", "-received_at", "id"],
                name="delivery_replays",
            ),
        ),
        migrations.AddField(
            model_name="deliveryhour",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="connections.connection",
            ),
        ),
        migrations.AddField(
            model_name="deliveryhour",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="portal.organization",
            ),
        ),
        migrations.AddField(
            model_name="inboxdeed",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="connections.connection",
            ),
        ),
        migrations.AddField(
            model_name="inboxdeed",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="portal.organization",
            ),
        ),
        migrations.AddField(
            model_name="missedevent",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="connections.connection",
            ),
        ),
        migrations.AddField(
            model_name="missedevent",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="portal.organization",
            ),
        ),
        migrations.AddField(
            model_name="missedevent",
            name="repository",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="connections.repository",
            ),
        ),
        migrations.AddField(
            model_name="missedevent",
            name="workspace",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="connections.workspace",
            ),
        ),
        migrations.AddIndex(
            model_name="deliveryhour",
            index=models.Index(fields=["organization", "hour"], name="delivery_hour_by_age"),
        ),
        migrations.AddIndex(
            model_name="deliveryhour",
            index=models.Index(
                condition=models.Q(("waiting__gt", 0)),
                fields=["organization", "connection"],
                name="delivery_hour_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="deliveryhour",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection", "hour"), name="delivery_hour_once"
            ),
        ),
        migrations.AddIndex(
            model_name="inboxdeed",
            index=models.Index(fields=["organization", "-created_at"], name="inbox_deed_by_age"),
        ),
        migrations.AddIndex(
            model_name="missedevent",
            index=models.Index(
                fields=["organization", "connection", "-found_at", "id"],
                name="missed_of_connection",
            ),
        ),
        migrations.AddIndex(
            model_name="missedevent",
            index=models.Index(fields=["organization", "-found_at"], name="missed_by_age"),
        ),
        tenant_table(
            "connections_inboxdeed",
            grants={"portal_app": "SELECT, INSERT, UPDATE", "portal_worker": READ_WRITE},
        ),
        tenant_table(
            "connections_missedevent",
            grants={"portal_app": "SELECT", "portal_worker": READ_WRITE},
        ),
        tenant_table(
            "connections_deliveryhour",
            grants={"portal_app": "SELECT, UPDATE (waiting)", "portal_worker": READ_WRITE},
        ),
        *(
            same_organization(f"connections_{table}", "connection_id", "connections_connection")
            for table in ("inboxdeed", "missedevent", "deliveryhour")
        ),
        same_organization("connections_missedevent", "workspace_id", "connections_workspace"),
        same_organization("connections_missedevent", "repository_id", "connections_repository"),
        RunSQL("GRANT UPDATE (deed_id) ON connections_delivery TO portal_app", RunSQL.noop),
        lookup_function("connections_inboxes", "(asker uuid, moment timestamptz)", INBOXES),
        RunSQL(
            [
                "SET LOCAL ROLE portal_lookup",
                "REVOKE EXECUTE ON FUNCTION connections_inboxes(uuid, timestamptz)"
                " FROM portal_worker",
                "RESET ROLE",
            ],
            RunSQL.noop,
        ),
    ]
