"""Finds a link by the hash of its state, before the organization is known."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function


class Migration(migrations.Migration):
    dependencies = [("connections", "0002_row_security")]

    operations = [
        RunSQL(
            [
                "CREATE POLICY lookup ON connections_pendinglink FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (id, organization_id, user_id, state_hash)"
                " ON connections_pendinglink TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        lookup_function(
            "connections_link_by_state",
            "(wanted bytea, person uuid)",
            "RETURNS TABLE (id uuid, organization_id uuid, slug text)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT l.id, o.id, o.slug::text FROM connections_pendinglink l"
            " JOIN portal_organization o ON o.id = l.organization_id"
            " JOIN portal_membership m ON m.organization_id = o.id AND m.user_id = person"
            " WHERE l.state_hash = wanted AND l.user_id = person $$",
        ),
    ]
