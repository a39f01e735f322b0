"""What the ingest process's role may do on the ground floor: prove its key and say that it lives.
It reads no table of organizations; the first floor gives it functions."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

# Roles belong to the whole server; a migration may not make one.
ROLE_EXISTS = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portal_ingest') THEN
        RAISE EXCEPTION 'The role portal_ingest is missing. Let an administrator run portal/sql/roles.sql again.';
    END IF;
END $$
"""

# As migration 0009 made it, and one more role. Old code calls it the same way.
BEAT = """
CREATE OR REPLACE FUNCTION portal_beat(
    me uuid, its_host text, its_pid integer, held jsonb, used jsonb)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS $$
 INSERT INTO portal_heartbeat
 (id, kind, host, pid, hands, started_at, seen_at, keys, active)
 VALUES (me, CASE session_user WHEN 'portal_api' THEN 'api' WHEN 'portal_ingest' THEN 'ingest'
         ELSE 'web' END,
 left(its_host, 100), its_pid, 0, now(), now(), held, used)
 ON CONFLICT (id) DO UPDATE SET seen_at = now(), keys = excluded.keys,
 active = excluded.active WHERE portal_heartbeat.kind = excluded.kind $$
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0011_teams_once")]

    operations = [
        RunSQL(ROLE_EXISTS, RunSQL.noop),
        # Only the lookup role's own functions read these: secrets of webhooks, one at a time.
        RunSQL(
            [
                "CREATE POLICY webhook_secrets ON portal_sealedvalue FOR SELECT TO portal_lookup"
                " USING (domain = 'webhook')",
                "GRANT SELECT (organization_id, table_name, row_id, field, domain, blob)"
                " ON portal_sealedvalue TO portal_lookup",
                # What arrived is work, in the same statement; no other kind is asked for so.
                "CREATE POLICY arrivals ON portal_job FOR INSERT TO portal_lookup"
                " WITH CHECK (kind = 'apply_deliveries')",
                "CREATE POLICY waiting ON portal_job FOR SELECT TO portal_lookup"
                " USING (kind = 'apply_deliveries')",
                "GRANT INSERT, SELECT (organization_id, kind, dedupe, done_at)"
                " ON portal_job TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        RunSQL(
            [
                "GRANT SELECT ON portal_keycheck, django_migrations TO portal_ingest",
                "SET LOCAL ROLE portal_lookup",
                BEAT,
                "GRANT EXECUTE ON FUNCTION portal_wrapping_keys() TO portal_ingest",
                "GRANT EXECUTE ON FUNCTION portal_beat(uuid, text, integer, jsonb, jsonb)"
                " TO portal_ingest",
                "GRANT EXECUTE ON FUNCTION portal_unburied(uuid[]) TO portal_ingest",
                "RESET ROLE",
            ],
            RunSQL.noop,
        ),
    ]
