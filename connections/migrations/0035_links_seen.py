"""What support reads of links, and what operators count of their outboxes."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function

LINK = (
    "paused_by, created_by, removal_began_at, removal_by, removal_total, removal_done,"
    " removal_left, backfill_by, backfill_since, backfill_began_at, backfill_ended_at"
)
OUTBOXES = (
    "RETURNS TABLE (organization_id uuid, slug text, name text, links bigint, failing bigint,"
    " waiting bigint, oldest timestamptz, dead bigint) LANGUAGE sql STABLE SECURITY DEFINER"
    " SET search_path = public AS $$"
    " SELECT o.id, o.slug::text, o.name::text, l.links, l.failing, coalesce(w.waiting, 0),"
    " w.oldest, coalesce(f.dead, 0)"
    " FROM (SELECT k.organization_id AS id, count(*) FILTER (WHERE k.state = 'active') AS links,"
    " count(*) FILTER (WHERE k.state = 'active' AND k.failing_since IS NOT NULL) AS failing"
    " FROM connections_link k WHERE k.state <> 'removed' GROUP BY 1) l"
    " LEFT JOIN (SELECT i.organization_id AS id, count(*) AS waiting,"
    " min(coalesce(i.heard_at, i.changed_at)) FILTER (WHERE i.urgency = 0) AS oldest"
    " FROM connections_relayitem i JOIN connections_link k ON k.id = i.link_id"
    " WHERE i.due_at <= moment AND k.state = 'active' GROUP BY 1) w USING (id)"
    " LEFT JOIN (SELECT i.organization_id AS id, count(*) AS dead"
    " FROM connections_relayitem i WHERE i.state = 'dead' GROUP BY 1) f USING (id)"
    " JOIN portal_organization o USING (id) WHERE EXISTS (SELECT FROM portal_user u"
    " WHERE u.id = asker AND u.is_operator AND u.is_active)"
    " ORDER BY w.oldest NULLS LAST, l.failing DESC, f.dead DESC NULLS LAST, 3 $$"
)


class Migration(migrations.Migration):
    dependencies = [("connections", "0034_links")]

    operations = [
        RunSQL(
            [
                f"GRANT SELECT ({LINK}) ON connections_link TO portal_support",
                "GRANT SELECT (heard_at, urgency) ON connections_relayitem TO portal_support",
                "CREATE POLICY lookup ON connections_link FOR SELECT TO portal_lookup USING (true)",
                "CREATE POLICY lookup ON connections_relayitem FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (id, organization_id, state, failing_since) ON connections_link"
                " TO portal_lookup",
                "GRANT SELECT (organization_id, link_id, state, due_at, heard_at, changed_at,"
                " urgency) ON connections_relayitem TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        lookup_function("connections_outboxes", "(asker uuid, moment timestamptz)", OUTBOXES),
        RunSQL(
            [
                "SET LOCAL ROLE portal_lookup",
                "REVOKE EXECUTE ON FUNCTION connections_outboxes(uuid, timestamptz)"
                " FROM portal_worker",
                "RESET ROLE",
            ],
            RunSQL.noop,
        ),
    ]
