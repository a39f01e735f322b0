"""What the api process's role may do on the ground floor: open access tokens, ask workers for two
kinds of work, and prove its key. The first floor grants it the rest."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import CURRENT

# Roles belong to the whole server; a migration may not make one.
ROLE_EXISTS = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portal_api') THEN
        RAISE EXCEPTION 'The role portal_api is missing. Let an administrator run portal/sql/roles.sql again.';
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0005_notices")]

    operations = [
        RunSQL(ROLE_EXISTS, RunSQL.noop),
        # Sealed values and data keys: of the domain `access` and no other.
        *(
            RunSQL(
                [
                    f"CREATE POLICY api_read ON {table} FOR SELECT TO portal_api"
                    f" USING (organization_id = {CURRENT})",
                    f"CREATE POLICY api_domain ON {table} AS RESTRICTIVE TO portal_api"
                    " USING (domain = 'access') WITH CHECK (false)",
                    f"GRANT SELECT ON {table} TO portal_api",
                ],
                RunSQL.noop,
            )
            for table in ("portal_sealedvalue", "portal_datakey")
        ),
        # It asks for work and cannot read what waits, nor ask for anything else.
        RunSQL(
            [
                "CREATE POLICY api_insert ON portal_job FOR INSERT TO portal_api"
                f" WITH CHECK (organization_id = {CURRENT})",
                "CREATE POLICY api_kinds ON portal_job AS RESTRICTIVE TO portal_api"
                " WITH CHECK (kind IN ('refresh_credential', 'look_at_connection'))",
                "GRANT INSERT ON portal_job TO portal_api",
            ],
            RunSQL.noop,
        ),
        RunSQL(
            [
                "GRANT SELECT ON portal_keycheck, portal_heartbeat, django_migrations"
                " TO portal_api",
                "SET LOCAL ROLE portal_lookup",
                "GRANT EXECUTE ON FUNCTION portal_wrapping_keys() TO portal_api",
                "RESET ROLE",
            ],
            RunSQL.noop,
        ),
    ]
