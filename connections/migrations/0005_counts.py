"""Counts connections by organization for operators, who see no content."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function


class Migration(migrations.Migration):
    dependencies = [("connections", "0004_consumers_in_use"), ("portal", "0003_lookups")]

    operations = [
        RunSQL(
            "GRANT SELECT (organization_id) ON connections_connection TO portal_lookup",
            RunSQL.noop,
        ),
        lookup_function(
            "connections_counted",
            "(asker uuid)",
            "RETURNS TABLE (organization_id uuid, live bigint)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT c.organization_id, count(*) FROM connections_connection c"
            " WHERE c.state <> 'revoked' AND EXISTS"
            " (SELECT FROM portal_user u WHERE u.id = asker AND u.is_operator AND u.is_active)"
            " GROUP BY c.organization_id $$",
        ),
    ]
