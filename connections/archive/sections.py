"""Which rows of an organization an export holds, and which of their columns: no secret among them.

Columns are named one by one, so that a new one is left out until somebody has thought about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from connections.archive.code_sections import CODE
from connections.archive.link_sections import LINKS
from connections.archive.section import (
    PORTION as PORTION,
    Section as Section,
    plain as plain,
    section,
)
from connections.models import (
    AllowListEntry,
    Campaign,
    CampaignItem,
    Check,
    Connection,
    ConnectLink,
    ConnectSending,
    Consumer,
    Credential,
    Export,
    ImportBatch,
    ImportRow,
    Lease,
    LinkRequest,
    Member,
    Project,
    RefreshAttempt,
    Replacement,
    Repository,
    RotationPolicy,
    ServiceKey,
    SyncRun,
    UsedEndpoint,
    Verification,
    Workspace,
)
from portal.models import Invitation, Membership, Team, TeamMembership

SECTIONS: Final = (
    section(
        "members",
        Membership,
        "user_id user__email user__name role created_at",
    ),
    section(
        "invitations",
        Invitation,
        "email role invited_by_id created_at expires_at accepted_at revoked_at",
    ),
    section("teams", Team, "name parent_id created_at"),
    section("team_members", TeamMembership, "team_id user_id role"),
    section(
        "consumers",
        Consumer,
        "connector name client_id base_url secret_last_four created_at removed_at",
    ),
    section(
        "connections",
        Connection,
        "connector method name team_id consumer_id labels description capabilities reason fields",
        "account_id account_name account_kind account_url state paused_at suspect_since last_error",
        "last_error_at last_success_at rate granted_by_id granted_by_name linked_at created_at",
        "revoked_at orphaned_at verify_every_hours sync_every_minutes next_verification_at",
        "next_sync_at",
    ),
    section(
        "credentials",
        Credential,
        "connection_id kind vocabulary scopes last_four expires_at refreshable version",
        "refreshed_at used_at rotate_by rotate_because created_at replaced_at",
    ),
    section(
        "workspaces",
        Workspace,
        "connection_id remote_id slug name url personal administrator selected repository_count",
        "seen_at gone_at synced_at last_error",
    ),
    section("projects", Project, "workspace_id remote_id key name private url seen_at gone_at"),
    section(
        "workspace_members",
        Member,
        "workspace_id remote_id name permission url seen_at gone_at",
    ),
    section(
        "repositories",
        Repository,
        "workspace_id connection_id remote_id slug name full_name url private main_branch",
        "project_remote_id language size_bytes remote_updated_at seen_at gone_at last_error",
        "former_name renamed_at",
    ),
    *CODE,
    *LINKS,
    section(
        "verifications",
        Verification,
        "connection_id outcome requested_by started_at finished_at account_id credential_kind",
        "vocabulary scopes expires_at rate drift",
    ),
    section(
        "checks",
        Check,
        "verification_id position key capability workspace title outcome request status",
        "latency_ms proves error detail",
    ),
    section(
        "sync_runs",
        SyncRun,
        "connection_id state requested_by created_at started_at finished_at done total requests",
        "error error_detail shrink",
    ),
    section(
        "service_keys",
        ServiceKey,
        "name prefix scopes connectors connections networks distinct_per_hour created_by_name",
        "created_at expires_at last_used_at frozen_at frozen_because revoked_at revoked_because",
    ),
    section(
        "leases",
        Lease,
        "service_key_id connection_id at reason min_ttl_seconds outcome expires_at address",
        "request_id",
    ),
    section(
        "renewals",
        RefreshAttempt,
        "connection_id credential_id at caller parent_version received_version latency_ms answer",
        "decision reference",
    ),
    section(
        "replacements",
        Replacement,
        "connection_id old_id new_id automatic because stage method fields before found token_name",
        "old_token_id error error_detail user_id user_name created_at checked_at switched_at",
        "withdrawn_how withdrawn_by_name ended_at",
    ),
    section(
        "rotation_policies",
        RotationPolicy,
        "connection_id max_age_days forbids_personal told_roles told_people escalate_after_days",
        "excepted_until excepted_because excepted_by_name changed_at changed_by_name",
    ),
    section(
        "campaigns",
        Campaign,
        "title goal because due_at zone started_by_id started_by_name started_at ended_at",
        "cancelled_at cancelled_by_name",
    ),
    section(
        "campaign_items",
        CampaignItem,
        "campaign_id connection_id done_at excluded_at excluded_by_name excluded_because",
    ),
    section(
        "connect_links",
        ConnectLink,
        "connector relink_id connection_id team_id name capabilities reason to_name to_email",
        "message campaign_id sending_id sent_by_id sent_by_name created_at expires_at mailed_at",
        "opened_at opened_from begun_at linked_at linked_from linked_account revoked_at",
        "revoked_by_name",
    ),
    section(
        "connect_sendings",
        ConnectSending,
        "campaign_id owner_id to_name to_email message state error total left_out sent_by_id",
        "sent_by_name created_at finished_at",
    ),
    section(
        "link_requests",
        LinkRequest,
        "kind connector connection_id capabilities terms what why state asked_by_id asked_by_name",
        "also_asked_by formerly_asked_by asked_at expires_at decided_by_id decided_by_name",
        "decided_at decision_why used_at",
    ),
    section("used_endpoints", UsedEndpoint, "connection_id endpoint first_at last_at"),
    section(
        "imports",
        ImportBatch,
        "file_name shape state user_id user_name replaces rotate_by campaign_id total sound warned",
        "broken created_at started_at finished_at cancel_requested_at",
    ),
    section(
        "import_rows",
        ImportRow,
        "batch_id number connector method name team_id consumer_id fields capabilities labels",
        "description last_four expires_at refreshable level findings outcome code detail",
        "account_name other_name connection_id credential_id renewed_at done_at",
    ),
    section(
        "exports",
        Export,
        "state user_id user_name why fingerprint approval_id size sha256 error created_at",
        "started_at finished_at expires_at downloaded_at",
    ),
    section(
        "allow_list",
        AllowListEntry,
        # What it permits; why and by whom is of the platform, and may name others.
        "host networks ports http ca_pem state asked_at approved_at ended_at",
        of_platform=True,
    ),
)


# What of an organization is in no section of its own, by the name of its table's model.
LEFT_OUT: Final = {
    "Approval": "the record says who asked and who decided",
    "AuditEvent": "record.jsonl has all of them, chained",
    "AuditHead": "the manifest has it",
    "Breaker": "how a vendor is doing, of no organization",
    "CalendarFeed": "addresses that are secrets; make new ones elsewhere",
    "Candidate": "spare answers of a renewal, which are secrets",
    "ChatHook": "an address that is a secret",
    "DataKey": "key material",
    "Delivery": "messages of vendors; what they were about is in the rows that were fetched",
    "DeliveryClaim": "work of the portal",
    "DeliveryHour": "counts of deliveries, for a chart",
    "DirtyTarget": "work of the portal",
    "Inquiry": "work of the portal",
    "Dispatch": "mail on its way",
    "Erasure": "the record says who asked and who confirmed",
    "ExportPiece": "the file itself",
    "HeldBack": "a note of a restore, over when the connection is linked again",
    "HookEndpoint": "addresses and secrets; make new ones elsewhere",
    "Hook": "what was found at the vendor, which says it itself",
    "HookPlan": "chosen anew with a new address",
    "InboxDeed": "the record says who decided what about deliveries",
    "Intake": "secrets on their way in",
    "Job": "work of the portal",
    "KeyUse": "leases has each of them",
    "MissedEvent": "a measure of how well webhooks reach us; what was missed was read",
    "Notice": "told of what the other files and the record hold",
    "NoticeSettings": "what single people want by mail",
    "PendingLink": "a wizard that somebody has open",
    "Receipt": "copies of notices",
    "SealedValue": "credentials.sealed.jsonl has them, sealed to the owner's key",
    "RelayAttempt": "requests to targets, kept for thirty days; relayed says what came of them",
    "RequestBudget": "what the platform asked of vendors' accounts",
    "StreamRun": "where a reading resumes; sync_runs says how it ended",
    "StreamState": "where a reading resumes; sync_runs says how it ended",
    "SupportLook": "the record says who looked, and why",
    "SyncFailure": "details of a reading; sync_runs says how it ended",
    "Turn": "work of the portal",
}


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows as they stand in the file."""
    return (plain(row) for row in rows)
