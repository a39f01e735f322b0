"""Counts who renews tokens with a consumer: the platform's serves organizations it cannot see."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function


class Migration(migrations.Migration):
    dependencies = [("connections", "0003_lookups")]

    operations = [
        RunSQL(
            [
                "CREATE POLICY lookup ON connections_connection FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (id, consumer_id, state) ON connections_connection TO portal_lookup",
                "CREATE POLICY lookup ON connections_consumer FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (id, organization_id) ON connections_consumer TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        # Nobody but the consumer's own organization, or the platform for its own, is told.
        lookup_function(
            "connections_using_consumer",
            "(wanted uuid)",
            "RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT count(*) FROM connections_connection c"
            " JOIN connections_consumer k ON k.id = c.consumer_id"
            " WHERE k.id = wanted AND c.state <> 'revoked' AND k.organization_id ="
            " nullif(current_setting('app.organization_id', true), '')::uuid $$",
        ),
    ]
