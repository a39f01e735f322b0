"""Who is let in at each address of ours: by permission, by role, or by what the name says."""

from __future__ import annotations

from portal.policy import Permission, Role
from tests.town import CHAT, TOLD

P = Permission
OPEN, SIGNED_IN, OWN_LINK = "open", "signed in", "own link"
OPERATOR, SUPPORT = "operator", "support"
GUESTS = (
    *("connect", "connect_begin", "connect_consent", "connect_leave", "connect_check"),
    *("connect_progress", "connect_done", "connect_link"),
)

ACCESS: dict[str, str | Permission | frozenset[Role]] = {
    **dict.fromkeys(("health_alive", "health_ready", "invitation", "invitation_link"), OPEN),
    "api_elsewhere": OPEN,  # 421 for everybody: the API has an address of its own
    "api_reference": OPEN,  # it says what the code says, and nothing of anybody
    # A connect link's address is what opens them; without it they are 404.
    **dict.fromkeys(GUESTS, OPEN),
    "oauth_callback": OPEN,  # it asks itself whether somebody is signed in
    **dict.fromkeys(
        ("home", "organizations", "organization_create", "invitation_accept"), SIGNED_IN
    ),
    "members": P.MEMBER_VIEW,
    **dict.fromkeys(("member_invite", "invitation_resend", "invitation_revoke"), P.MEMBER_INVITE),
    **dict.fromkeys(("member", "member_remove"), P.MEMBER_EDIT),
    **dict.fromkeys(("teams", "team"), P.MEMBER_VIEW),
    **dict.fromkeys(
        ("team_create", "team_remove", "team_member_set", "team_member_remove"), P.TEAM_EDIT
    ),
    **dict.fromkeys(("organization_settings", "organization_leave"), P.ORGANIZATION_VIEW),
    "organization_rename": P.ORGANIZATION_EDIT,
    "organization_transfer": P.ORGANIZATION_TRANSFER,
    **dict.fromkeys(("audit", "audit_verify"), P.AUDIT_VIEW),
    **dict.fromkeys(("overview", "catalogue", "product", "connections"), P.CONNECTION_VIEW),
    **dict.fromkeys(("trail", "trail_text", "trail_look"), P.CONNECTION_VIEW),
    # Links: made and changed by those who manage both ends; what is sent is their ends' details.
    **dict.fromkeys(
        ("links", "relay", "relay_settings", "relay_new", "connection_links"), P.RELAY_VIEW
    ),
    # The chooser; which repositories it shows is asked of each connection.
    "branch_new": P.RELAY_VIEW,
    "branch": P.RELAY_VIEW,
    **dict.fromkeys(("relay_log", "relay_outbox", "relay_commands"), P.AUDIT_VIEW),
    **dict.fromkeys(
        (
            *("relay_repositories", "relay_fitting", "relay_parts", "relay_options"),
            *("relay_look", "relay_start", "relay_estimate", "relay_discard", "relay_remove"),
        ),
        P.RELAY_EDIT,
    ),
    **dict.fromkeys(
        ("relay_pause", "relay_resume", "relay_stop_backfill", "relay_decide"), P.RELAY_RUN
    ),
    "identities": P.MEMBER_VIEW,
    "identity_say": P.IDENTITY_MAP,
    "link_begin": P.CONNECTION_LINK,
    **dict.fromkeys(
        (
            *("link_what", "link_scopes", "link_how", "link_consent", "link_leave", "link_check"),
            *("link_progress", "link_confirm_account", "link_abandon"),
        ),
        OWN_LINK,
    ),
    **dict.fromkeys(
        ("connection", "connection_repositories", "connection_sync", "connection_workspaces"),
        P.CONNECTION_VIEW,
    ),
    # Details of a connection: those who manage it or read the record.
    **dict.fromkeys(
        (
            *("connection_verification", "connection_credential", "connection_record"),
            *("connection_settings", "connection_deliveries", "connection_delivery"),
            "connection_hooks",
            *("connection_chart", "activity", "activity_chart", "activity_missed"),
            *("dead_letters", "inbox_deed"),
        ),
        P.AUDIT_VIEW,
    ),
    **dict.fromkeys(
        (
            *("delivery_replay", "delivery_discard", "delivery_restore", "delivery_download"),
            *("hooks_choose", "hooks_polling", "hooks_repair", "hook_repair", "hooks_look"),
            *("hooks_cancel", "hooks_secret", "hooks_secret_end", "hooks_test"),
            *("dead_letters_decide", "inbox_deed_stop", "inbox_deed_restore"),
        ),
        P.CONNECTION_MANAGE,
    ),
    "connections_verify": P.CONNECTION_VIEW,  # what is ticked is asked one by one
    **dict.fromkeys(
        (
            *("connection_relink", "connection_verify", "connection_sync_start"),
            *("connection_sync_cancel", "connection_sync_accept", "connection_workspaces_choose"),
            *("connection_edit", "connection_pause", "connection_resume", "connection_revoke"),
            *("connection_replace", "connection_replace_progress", "connection_replace_act"),
            *("connection_rotate", "connection_ends", "connection_sync_choose"),
        ),
        P.CONNECTION_MANAGE,
    ),
    **dict.fromkeys(
        (
            *("calendar", "changes", "campaigns", "campaign"),
            *("calendar_feed_settings", "calendar_feed_make", "calendar_feed_revoke"),
        ),
        P.CONNECTION_VIEW,
    ),
    "calendar_feed": OPEN,  # its address is the secret
    **dict.fromkeys(
        (
            *("campaign_new", "campaign_cancel"),
            *("campaign_item_exclude", "campaign_item_include"),
        ),
        P.CAMPAIGN_EDIT,
    ),
    **dict.fromkeys(
        ("rotation_policy", "connection_exception", "connection_exception_end"), P.ROTATION_EDIT
    ),
    "connection_rotation": P.AUDIT_VIEW,  # a connection's details
    "connection_rotation_set": P.CONNECTION_MANAGE,
    "platform_changes": OPERATOR,
    **dict.fromkeys(
        (
            *("connect_sent", "connect_new", "connect_sent_one", "connect_revoke"),
            *("connect_agree", "connect_sending_new", "connect_sending", "connect_sending_cancel"),
        ),
        P.CONNECT_LINK_SEND,
    ),
    **dict.fromkeys(("link_requests", "link_request_new"), P.CONNECTION_VIEW),
    # Somebody else's request is a 404 for those who do not answer it.
    **dict.fromkeys(
        (
            *("link_request", "link_request_approve", "link_request_decline"),
            "link_request_withdraw",
        ),
        P.LINK_REQUEST_DECIDE,
    ),
    "restores": P.AUDIT_VIEW,
    "departure": P.MEMBER_EDIT,
    # One's own notices; whose they are is part of every query.
    **dict.fromkeys(TOLD, P.ORGANIZATION_VIEW),
    **dict.fromkeys((f"platform_{name}" for name in TOLD), OPERATOR),
    **dict.fromkeys(("organization_erase", "organization_erase_end"), P.ORGANIZATION_ERASE),
    **dict.fromkeys((f"chat_channel{end}" for end in CHAT), P.ORGANIZATION_EDIT),
    **dict.fromkeys(("consumers", "consumer"), P.CONSUMER_EDIT),
    **dict.fromkeys(
        (
            *("imports", "import_example", "import", "import_start", "import_cancel"),
            *("import_discard", "import_undo", "import_retry", "import_report"),
        ),
        P.CONNECTION_IMPORT,
    ),
    **dict.fromkeys(
        ("exports", "export_script", "export_decide", "export_cancel", "export_download"),
        P.ORGANIZATION_EXPORT,
    ),
    **dict.fromkeys(("service_keys", "service_key", "connection_leases"), P.SERVICE_KEY_VIEW),
    **dict.fromkeys(
        (
            *("service_key_new", "service_key_edit", "service_key_freeze", "service_key_thaw"),
            "service_key_revoke",
        ),
        P.SERVICE_KEY_EDIT,
    ),
    **dict.fromkeys(
        (
            *("platform", "platform_organizations", "platform_keys", "platform_workers"),
            *("platform_restores", "platform_network", "platform_network_new"),
            *("platform_network_entry", "platform_network_decide", "platform_network_withdraw"),
            "platform_network_again",
            *("platform_record", "platform_connectors", "platform_consumer"),
            *("platform_queues", "platform_job_again", "platform_webhooks", "platform_relays"),
            *("platform_erasures", "platform_erasure_confirm", "platform_erasure_end"),
        ),
        OPERATOR,
    ),
    **dict.fromkeys(
        (
            *("support", "support_organization", "support_look", "support_end"),
            *("support_connections", "support_connection", "support_links", "support_relay"),
        ),
        SUPPORT,
    ),
}
