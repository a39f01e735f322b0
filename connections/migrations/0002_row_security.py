"""Row-level security, composite keys and grants of the first floor."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, composite_key, same_organization, tenant_table

READ = "SELECT"
APPEND_UPDATE = "SELECT, INSERT, UPDATE"

CONNECTION = (
    "id organization_id connector method name team_id consumer_id labels description capabilities"
    " account_name account_kind account_url state paused_at suspect_since last_error last_error_at"
    " last_success_at rate granted_by_id granted_by_name linked_at created_at revoked_at"
    " verify_every_hours sync_every_minutes next_verification_at next_sync_at reason fields"
    " account_id"
).split()
CREDENTIAL = (
    "id organization_id connection_id kind vocabulary scopes last_four fingerprint expires_at"
    " refreshable version refreshed_at created_at replaced_at lease_owner lease_until"
).split()
WORKSPACE = (
    "id organization_id remote_id seen_run seen_at gone_at connection_id slug name url personal"
    " administrator selected repository_count last_error synced_at"
).split()
REPOSITORY = (
    "id organization_id remote_id seen_run seen_at gone_at workspace_id connection_id slug name"
    " full_name url private main_branch project_remote_id language size_bytes remote_updated_at"
    " last_error"
).split()
VERIFICATION = (
    "id organization_id connection_id outcome requested_by started_at finished_at account_id"
    " credential_kind vocabulary scopes expires_at rate drift"
).split()
CHECK = (
    "id organization_id verification_id position key capability workspace title outcome request"
    " status latency_ms proves error detail"
).split()
RUN = (
    "id organization_id connection_id state requested_by created_at started_at finished_at"
    " cancel_requested_at done total requests now_reading error error_detail shrink"
).split()
STREAM = (
    "id organization_id run_id workspace_id stream state checkpoint pages done total failures"
    " error error_detail finished_at"
).split()
FAILURE = "id organization_id run_id stream workspace_name label code detail at".split()

# Whose connections are seen: the organization's own, and those of the teams that were entered.
TEAMS = (
    "team_id IS NULL OR (SELECT current_setting('app.teams')) = '*'"
    " OR team_id::text = ANY (string_to_array((SELECT current_setting('app.teams')), ','))"
)


class Migration(migrations.Migration):
    dependencies = [("connections", "0001_initial"), ("portal", "0002_row_security")]

    operations = [
        composite_key("connections_consumer"),
        tenant_table(
            "connections_consumer",
            grants={"portal_app": READ_WRITE, "portal_worker": APPEND_UPDATE},
            platform_readable=True,
            support=("id", "organization_id", "connector", "name"),
        ),
        composite_key("connections_connection"),
        tenant_table(
            "connections_connection",
            support=CONNECTION,
            sweeper=(
                "id",
                "organization_id",
                "state",
                "paused_at",
                "next_verification_at",
                "next_sync_at",
            ),
        ),
        RunSQL(
            f"CREATE POLICY teams ON connections_connection AS RESTRICTIVE"
            f" TO portal_app, portal_worker USING ({TEAMS}) WITH CHECK ({TEAMS})",
            RunSQL.noop,
        ),
        same_organization(
            "connections_connection", "team_id", "portal_team", on_delete="RESTRICT"
        ),
        # A consumer is the organization's own or the platform's, so its key is the plain id.
        RunSQL(
            [
                "ALTER TABLE connections_connection NO FORCE ROW LEVEL SECURITY",
                "ALTER TABLE connections_consumer NO FORCE ROW LEVEL SECURITY",
                "ALTER TABLE connections_connection ADD CONSTRAINT connection_consumer FOREIGN KEY"
                " (consumer_id) REFERENCES connections_consumer (id) ON DELETE RESTRICT",
                "ALTER TABLE connections_connection FORCE ROW LEVEL SECURITY",
                "ALTER TABLE connections_consumer FORCE ROW LEVEL SECURITY",
            ],
            RunSQL.noop,
        ),
        tenant_table("connections_credential", support=CREDENTIAL),
        same_organization("connections_credential", "connection_id", "connections_connection"),
        tenant_table("connections_pendinglink"),
        same_organization("connections_pendinglink", "relink_id", "connections_connection"),
        same_organization("connections_pendinglink", "connection_id", "connections_connection"),
        same_organization("connections_pendinglink", "team_id", "portal_team"),
        composite_key("connections_workspace"),
        tenant_table(
            "connections_workspace",
            grants={"portal_app": "SELECT, UPDATE", "portal_worker": READ_WRITE},
            support=WORKSPACE,
        ),
        same_organization("connections_workspace", "connection_id", "connections_connection"),
        *(
            operation
            for table in ("project", "member", "repository")
            for operation in (
                tenant_table(
                    f"connections_{table}",
                    grants={"portal_app": READ, "portal_worker": READ_WRITE},
                    support=REPOSITORY if table == "repository" else (),
                ),
                same_organization(
                    f"connections_{table}", "workspace_id", "connections_workspace"
                ),
            )
        ),
        same_organization("connections_repository", "connection_id", "connections_connection"),
        composite_key("connections_verification"),
        tenant_table("connections_verification", support=VERIFICATION),
        same_organization("connections_verification", "connection_id", "connections_connection"),
        tenant_table("connections_check", support=CHECK),
        same_organization("connections_check", "verification_id", "connections_verification"),
        composite_key("connections_syncrun"),
        tenant_table("connections_syncrun", support=RUN),
        same_organization("connections_syncrun", "connection_id", "connections_connection"),
        tenant_table("connections_streamrun", support=STREAM),
        same_organization("connections_streamrun", "run_id", "connections_syncrun"),
        same_organization("connections_streamrun", "workspace_id", "connections_workspace"),
        tenant_table("connections_syncfailure", support=FAILURE),
        same_organization("connections_syncfailure", "run_id", "connections_syncrun"),
    ]
