"""A vendor's change may hit only credentials made before a day, or without an end."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function

# Beside the function of six arguments, which the release before calls.
HITS = """
RETURNS TABLE (connections bigint, organizations bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
SELECT count(*), count(DISTINCT c.organization_id) FROM connections_connection c
 WHERE c.connector = slug AND c.state <> 'revoked'
   AND (EXISTS (SELECT FROM connections_credential k WHERE k.connection_id = c.id
                   AND k.organization_id = c.organization_id AND k.replaced_at IS NULL
                   AND (k.scopes::text[] && words
                        OR k.kind = ANY (kinds) AND (made_before IS NULL OR k.expires_at IS NULL
                                                     OR k.created_at < made_before)))
        OR EXISTS (SELECT FROM connections_usedendpoint e WHERE e.connection_id = c.id
                      AND e.organization_id = c.organization_id AND e.endpoint = ANY (asked)
                      AND e.last_at >= since))
   AND EXISTS (SELECT FROM portal_user u
                WHERE u.id = asker AND u.is_operator AND u.is_active) $$
"""


class Migration(migrations.Migration):
    dependencies = [("connections", "0017_import_rows")]

    operations = [
        RunSQL(
            "GRANT SELECT (created_at, expires_at) ON connections_credential TO portal_lookup",
            "REVOKE SELECT (created_at, expires_at) ON connections_credential FROM portal_lookup",
        ),
        lookup_function(
            "connections_change_hits",
            "(asker uuid, slug text, kinds text[], words text[], asked text[], since timestamptz,"
            " made_before timestamptz)",
            HITS,
        ),
    ]
