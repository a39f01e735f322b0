"""How much is unread comes with a person's memberships: a bell costs no statement of its own."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import lookup_function

READS = {
    "portal_receipt": "organization_id, notice_id, user_id, read_at",
    "portal_notice": "organization_id, id, team_id",
}


class Migration(migrations.Migration):
    dependencies = [("portal", "0006_api_role")]

    operations = [
        *(
            RunSQL(
                [
                    f"CREATE POLICY lookup ON {table} FOR SELECT TO portal_lookup USING (true)",
                    f"GRANT SELECT ({columns}) ON {table} TO portal_lookup",
                ],
                RunSQL.noop,
            )
            for table, columns in READS.items()
        ),
        # `portal_memberships_of` stays for the version before this one, which runs beside it while
        # an upgrade lasts. A team's notices are counted for its people and for who sees all teams.
        lookup_function(
            "portal_places_of",
            "(person uuid)",
            "RETURNS TABLE (organization_id uuid, slug text, name text, role text, teams uuid[],"
            " unread bigint)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT o.id, o.slug::text, o.name::text, m.role::text, here.teams,"
            " (SELECT count(*) FROM (SELECT FROM portal_receipt r"
            " JOIN portal_notice n ON n.organization_id = r.organization_id AND n.id = r.notice_id"
            " WHERE r.organization_id = o.id AND r.user_id = person AND r.read_at IS NULL"
            " AND (n.team_id IS NULL OR n.team_id = ANY (here.teams) OR m.role <> 'member')"
            " LIMIT 100) counted)"
            " FROM portal_membership m JOIN portal_organization o ON o.id = m.organization_id"
            " CROSS JOIN LATERAL (SELECT ARRAY(SELECT t.team_id FROM portal_teammembership t"
            " WHERE t.organization_id = o.id AND t.user_id = person) AS teams) here"
            " WHERE m.user_id = person ORDER BY lower(o.name), o.slug $$",
        ),
    ]
