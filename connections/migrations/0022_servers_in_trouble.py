"""Each server of a product that customers run has a breaker of its own, named by a keyed hash."""

from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function


class Migration(migrations.Migration):
    dependencies = [("connections", "0021_connect_sendings")]

    operations = [
        migrations.AddField(
            model_name="breaker",
            name="server",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
        migrations.AddField(
            model_name="connection",
            name="server",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
        RunSQL(
            [
                "GRANT SELECT (server) ON connections_breaker TO portal_support, portal_api",
                "GRANT SELECT (server) ON connections_connection"
                " TO portal_support, portal_api, portal_lookup",
            ],
            RunSQL.noop,
        ),
        # Workers tell everybody who is at a server in trouble; nobody else may ask who that is.
        lookup_function(
            "connections_at_server",
            "(wanted text)",
            "RETURNS TABLE (organization_id uuid)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT DISTINCT c.organization_id FROM connections_connection c"
            " WHERE c.server = wanted AND wanted <> '' AND c.state <> 'revoked' $$",
        ),
        RunSQL(
            [
                "SET LOCAL ROLE portal_lookup",
                "REVOKE EXECUTE ON FUNCTION connections_at_server(text) FROM portal_app",
                "RESET ROLE",
            ],
            RunSQL.noop,
        ),
    ]
