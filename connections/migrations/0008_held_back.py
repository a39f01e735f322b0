"""The exact list of what a restored database must not use, for its people and for operators."""

import uuid

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function, tenant_table

COLUMNS = ["id", "organization_id", "connection_id", "name", "because", "at"]
BECAUSE = [
    ("spent", "Its refresh token was used after the backup"),
    ("relinked", "It was linked again after the backup"),
    ("revoked", "It was revoked after the backup"),
    ("missing", "It was linked after the backup and is not in it"),
]


class Migration(migrations.Migration):
    dependencies = [("connections", "0007_leases"), ("portal", "0006_api_role")]

    operations = [
        migrations.CreateModel(
            name="HeldBack",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("connection_id", models.UUIDField()),
                ("name", models.CharField(max_length=80)),
                ("because", models.CharField(choices=BECAUSE, max_length=12)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
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
            options={"ordering": ["-at", "name"], "base_manager_name": "everywhere"},
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        tenant_table(
            "connections_heldback",
            grants={"portal_app": "SELECT", "portal_worker": "SELECT, INSERT"},
            support=COLUMNS,
        ),
        RunSQL(
            [
                "CREATE POLICY lookup ON connections_heldback FOR SELECT TO portal_lookup"
                " USING (true)",
                f"GRANT SELECT ({', '.join(COLUMNS)}) ON connections_heldback TO portal_lookup",
                "GRANT SELECT (orphaned_at) ON connections_connection TO portal_api",
                "GRANT SELECT (id, linked_at) ON connections_connection TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        lookup_function(
            "connections_held_back",
            "(asker uuid)",
            "RETURNS TABLE (slug text, connection_id uuid, name text, because text,"
            " at timestamptz, linked_at timestamptz)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT o.slug::text, h.connection_id, h.name::text, h.because::text, h.at,"
            " CASE WHEN c.linked_at > h.at THEN c.linked_at END"
            " FROM connections_heldback h"
            " JOIN portal_organization o ON o.id = h.organization_id"
            " LEFT JOIN connections_connection c"
            " ON c.id = h.connection_id AND c.organization_id = h.organization_id"
            " WHERE EXISTS"
            " (SELECT FROM portal_user u WHERE u.id = asker AND u.is_operator AND u.is_active)"
            " ORDER BY h.at DESC, o.slug, h.name LIMIT 1000 $$",
        ),
    ]
