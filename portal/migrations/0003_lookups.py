"""What people look up before they act for an organization: invitations, and the platform's counts."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import CURRENT, lookup_function

_INVITATION = (
    "RETURNS TABLE (id uuid, organization_id uuid, slug text, name text, email text, role text,"
    " invited_by text, expires_at timestamptz)"
    " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
    " SELECT i.id, o.id, o.slug::text, o.name::text, i.email::text, i.role::text,"
    " coalesce(nullif(u.name, ''), u.email, '')::text, i.expires_at"
    " FROM portal_invitation i JOIN portal_organization o ON o.id = i.organization_id"
    " LEFT JOIN portal_user u ON u.id = i.invited_by_id"
    " WHERE i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now() AND "
)


class Migration(migrations.Migration):
    dependencies = [("portal", "0002_row_security")]

    operations = [
        RunSQL(
            [
                "CREATE POLICY lookup ON portal_invitation FOR SELECT TO portal_lookup USING (true)",
                "GRANT SELECT (id, organization_id, email, role, token_hash, invited_by_id,"
                " expires_at, accepted_at, revoked_at) ON portal_invitation TO portal_lookup",
                "GRANT SELECT (id, email, name, is_active, is_operator, is_support)"
                " ON portal_user TO portal_lookup",
                "GRANT SELECT (created_at) ON portal_organization TO portal_lookup",
                "CREATE POLICY lookup ON portal_job FOR SELECT TO portal_lookup USING (true)",
                "GRANT SELECT (kind, run_at, lease_until, created_at, done_at, failed_at)"
                " ON portal_job TO portal_lookup",
                # `verify_audit` walks every organization's chain.
                "CREATE POLICY sweeper ON portal_organization FOR SELECT TO portal_sweeper"
                " USING (true)",
                "GRANT SELECT (id, slug, name) ON portal_organization TO portal_sweeper",
                # The mail that tells an organization's owners of a look is a worker's job.
                "CREATE POLICY worker_read ON portal_supportlook FOR SELECT TO portal_worker"
                f" USING (organization_id = {CURRENT})",
                "GRANT SELECT ON portal_supportlook TO portal_worker",
            ],
            RunSQL.noop,
        ),
        lookup_function(
            "portal_invitation_by_hash", "(wanted bytea)", _INVITATION + "i.token_hash = wanted $$"
        ),
        lookup_function(
            "portal_invitations_for",
            "(addresses text[])",
            _INVITATION + "lower(i.email) = ANY (addresses) ORDER BY lower(o.name) $$",
        ),
        # Counts for operators; support finds one organization by its exact name in the address.
        lookup_function(
            "portal_organizations",
            "(asker uuid)",
            "RETURNS TABLE (id uuid, slug text, name text, created_at timestamptz,"
            " members bigint, invitations bigint)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT o.id, o.slug::text, o.name::text, o.created_at,"
            " (SELECT count(*) FROM portal_membership m WHERE m.organization_id = o.id),"
            " (SELECT count(*) FROM portal_invitation i WHERE i.organization_id = o.id"
            " AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now())"
            " FROM portal_organization o"
            " WHERE o.id <> '00000000-0000-0000-0000-000000000000' AND EXISTS"
            " (SELECT FROM portal_user u WHERE u.id = asker AND u.is_operator AND u.is_active)"
            " ORDER BY lower(o.name), o.slug $$",
        ),
        lookup_function(
            "portal_organization_for_support",
            "(wanted text, asker uuid)",
            "RETURNS TABLE (id uuid, slug text, name text)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT o.id, o.slug::text, o.name::text FROM portal_organization o"
            " WHERE o.slug = wanted AND o.id <> '00000000-0000-0000-0000-000000000000' AND EXISTS"
            " (SELECT FROM portal_user u WHERE u.id = asker AND u.is_support AND u.is_active) $$",
        ),
        lookup_function(
            "portal_job_counts",
            "(asker uuid)",
            "RETURNS TABLE (kind text, waiting bigint, due bigint, running bigint,"
            " done_today bigint, failed_today bigint, oldest_due timestamptz)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT j.kind::text,"
            " count(*) FILTER (WHERE j.done_at IS NULL AND j.run_at > now()),"
            " count(*) FILTER (WHERE j.done_at IS NULL AND j.run_at <= now()"
            " AND (j.lease_until IS NULL OR j.lease_until < now())),"
            " count(*) FILTER (WHERE j.done_at IS NULL AND j.lease_until >= now()),"
            " count(*) FILTER (WHERE j.done_at IS NOT NULL AND j.failed_at IS NULL),"
            " count(*) FILTER (WHERE j.failed_at IS NOT NULL),"
            " min(j.run_at) FILTER (WHERE j.done_at IS NULL AND j.run_at <= now()"
            " AND (j.lease_until IS NULL OR j.lease_until < now()))"
            " FROM portal_job j WHERE (j.done_at IS NULL OR j.done_at > now() - interval '1 day')"
            " AND EXISTS"
            " (SELECT FROM portal_user u WHERE u.id = asker AND u.is_operator AND u.is_active)"
            " GROUP BY 1 ORDER BY 1 $$",
        ),
    ]
