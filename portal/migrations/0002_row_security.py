"""Row-level security, grants, lookups and the platform's own organization."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import (
    APPEND,
    READ_WRITE,
    append_only,
    composite_key,
    global_table,
    lookup_function,
    same_organization,
    tenant_table,
)

PLATFORM = "00000000-0000-0000-0000-000000000000"


def lookup_reads(table: str, columns: str) -> RunSQL:
    """What the lookup role may read of a table, in all organizations."""
    return RunSQL(
        [
            f"CREATE POLICY lookup ON {table} FOR SELECT TO portal_lookup USING (true)",
            f"GRANT SELECT ({columns}) ON {table} TO portal_lookup",
        ],
        RunSQL.noop,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0001_initial"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("sessions", "0001_initial"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
        ("usersessions", "0001_initial"),
    ]

    operations = [
        RunSQL(
            f"INSERT INTO portal_organization (id, slug, name, created_at)"
            f" VALUES ('{PLATFORM}', 'platform', 'Platform', now())",
            RunSQL.noop,
        ),
        # What belongs to one organization.
        tenant_table(
            "portal_organization",
            column="id",
            grants={"portal_app": READ_WRITE, "portal_worker": "SELECT"},
            support=("id", "slug", "name", "created_at"),
        ),
        composite_key("portal_team"),
        tenant_table(
            "portal_team",
            grants={"portal_app": READ_WRITE, "portal_worker": "SELECT"},
            support=("id", "organization_id", "name", "parent_id"),
        ),
        same_organization("portal_team", "parent_id", "portal_team", on_delete="RESTRICT"),
        tenant_table(
            "portal_membership",
            grants={"portal_app": READ_WRITE, "portal_worker": "SELECT"},
            support=("id", "organization_id", "user_id", "role"),
        ),
        tenant_table(
            "portal_teammembership",
            grants={"portal_app": READ_WRITE, "portal_worker": "SELECT"},
            support=("id", "organization_id", "team_id", "user_id", "role"),
        ),
        same_organization("portal_teammembership", "team_id", "portal_team"),
        tenant_table("portal_invitation", grants={"portal_app": READ_WRITE}),
        tenant_table(
            "portal_supportlook",
            grants={"portal_app": "SELECT, INSERT, UPDATE"},
        ),
        tenant_table(
            "portal_auditevent",
            grants={"portal_app": APPEND, "portal_worker": APPEND},
            support=(
                "id",
                "organization_id",
                "sequence",
                "at",
                "action",
                "actor_kind",
                "actor_name",
                "subject_kind",
                "subject_id",
                "subject_name",
                "details",
            ),
        ),
        append_only("portal_auditevent"),
        tenant_table(
            "portal_audithead",
            grants={
                "portal_app": "SELECT, INSERT, UPDATE",
                "portal_worker": "SELECT, INSERT, UPDATE",
            },
        ),
        # Work: the sweeper claims in all organizations and sees queue columns only.
        tenant_table(
            "portal_job",
            grants={"portal_app": APPEND, "portal_worker": READ_WRITE},
            sweeper=(
                "id",
                "organization_id",
                "kind",
                "priority",
                "run_at",
                "attempts",
                "lease_owner",
                "lease_until",
                "created_at",
                "done_at",
                "failed_at",
            ),
        ),
        RunSQL(
            [
                "CREATE POLICY sweeper_claims ON portal_job FOR UPDATE TO portal_sweeper"
                " USING (true) WITH CHECK (true)",
                "GRANT UPDATE (lease_owner, lease_until, attempts) ON portal_job TO portal_sweeper",
            ],
            RunSQL.noop,
        ),
        # Keys and sealed values: see portal/models/keys.py.
        tenant_table(
            "portal_datakey",
            grants={"portal_app": APPEND, "portal_worker": "SELECT, INSERT, UPDATE"},
        ),
        RunSQL(
            [
                "CREATE POLICY web_domain ON portal_datakey AS RESTRICTIVE TO portal_app"
                " USING (domain = 'mfa') WITH CHECK (domain = 'mfa')",
                "CREATE POLICY worker_domains ON portal_datakey AS RESTRICTIVE TO portal_worker"
                " USING (domain <> 'mfa') WITH CHECK (domain <> 'mfa')",
            ],
            RunSQL.noop,
        ),
        lookup_reads("portal_datakey", "domain, kek_version, state"),
        lookup_function(
            "portal_wrapping_keys",
            "()",
            "RETURNS TABLE (domain text, version integer, data_keys bigint)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT k.domain::text, k.kek_version::integer, count(*) FROM portal_datakey k"
            " WHERE k.state <> 'destroyed' GROUP BY 1, 2 $$",
            also="portal_owner",
        ),
        global_table("portal_keycheck", {"portal_app": "SELECT", "portal_worker": "SELECT"}),
        tenant_table("portal_sealedvalue", grants={"portal_worker": READ_WRITE}),
        tenant_table(
            "portal_intake",
            grants={
                "portal_app": "SELECT (id, organization_id, table_name, row_id, field,"
                " created_at, expires_at), INSERT, DELETE",
                "portal_worker": "SELECT, DELETE",
            },
        ),
        # What belongs to no organization.
        global_table("portal_user", {"portal_app": READ_WRITE, "portal_worker": "SELECT"}),
        RunSQL(
            "GRANT SELECT (id, email, name, is_active) ON portal_user TO portal_support",
            RunSQL.noop,
        ),
        global_table(
            "portal_heartbeat", {"portal_app": "SELECT", "portal_worker": READ_WRITE}
        ),
        global_table("django_session", {"portal_app": READ_WRITE}),
        global_table("django_content_type", {"portal_app": "SELECT", "portal_worker": "SELECT"}),
        global_table(
            "account_emailaddress", {"portal_app": READ_WRITE, "portal_worker": "SELECT"}
        ),
        global_table("account_emailconfirmation", {"portal_app": READ_WRITE}),
        global_table("mfa_authenticator", {"portal_app": READ_WRITE}),
        global_table("usersessions_usersession", {"portal_app": READ_WRITE}),
        global_table("socialaccount_socialapp", {"portal_app": "SELECT"}),
        global_table("socialaccount_socialaccount", {"portal_app": READ_WRITE}),
        global_table("socialaccount_socialtoken", {"portal_app": READ_WRITE}),
        global_table(
            "django_migrations",
            dict.fromkeys(("portal_app", "portal_worker", "portal_sweeper"), "SELECT"),
        ),
        # A person's own memberships, before an organization is known.
        lookup_reads("portal_organization", "id, slug, name"),
        lookup_reads("portal_membership", "organization_id, user_id, role"),
        lookup_reads("portal_teammembership", "organization_id, user_id, team_id, role"),
        lookup_function(
            "portal_memberships_of",
            "(wanted uuid)",
            "RETURNS TABLE (organization_id uuid, slug text, name text, role text, teams uuid[])"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT o.id, o.slug::text, o.name::text, m.role::text,"
            " ARRAY(SELECT t.team_id FROM portal_teammembership t"
            " WHERE t.organization_id = o.id AND t.user_id = wanted)"
            " FROM portal_membership m JOIN portal_organization o ON o.id = m.organization_id"
            " WHERE m.user_id = wanted ORDER BY lower(o.name), o.slug $$",
        ),
    ]
