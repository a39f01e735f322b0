"""The web process finds the calendar feeds under a data key of its own, in all organizations."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function


class Migration(migrations.Migration):
    dependencies = [("connections", "0018_changes_by_age")]

    operations = [
        RunSQL(
            "GRANT SELECT (sealed) ON connections_calendarfeed TO portal_lookup",
            "REVOKE SELECT (sealed) ON connections_calendarfeed FROM portal_lookup",
        ),
        lookup_function(
            "connections_feeds_under",
            "(version bytea)",
            "RETURNS TABLE (id uuid, organization_id uuid)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT f.id, f.organization_id FROM connections_calendarfeed f"
            " WHERE f.revoked_at IS NULL AND substring(f.sealed FROM 1 FOR 2) = 'P1'::bytea"
            " AND substring(f.sealed FROM 4 FOR 4) = version $$",
        ),
    ]
