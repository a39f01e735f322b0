"""The pages of connections: an organization's, the way back from vendors, platform and support."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from connections.views import (
    activity,
    arriving,
    branches,
    calendar,
    campaigns,
    catalogue,
    connect_links,
    connect_sendings,
    connection,
    consumers,
    deeds,
    deliveries,
    departures,
    exports,
    guests,
    hooks,
    identities,
    imports,
    inboxes,
    leases,
    link_requests,
    linking,
    listing,
    network,
    policies,
    reference,
    relay_deeds,
    relay_setup,
    relays,
    replacement,
    restores,
    service_keys,
    support,
    syncing,
    trail,
)

# The way to a connection. Links, which join two of them, are in RELAYS.
LINK: list[URLPattern | URLResolver] = [
    path("what", linking.what, name="link_what"),
    path("scopes", linking.scopes, name="link_scopes"),
    path("how", linking.how, name="link_how"),
    path("consent", linking.consent, name="link_consent"),
    path("leave", linking.leave, name="link_leave"),
    path("check", arriving.check, name="link_check"),
    path("progress", arriving.progress, name="link_progress"),
    path("confirm-account", arriving.confirm_account, name="link_confirm_account"),
    path("abandon", linking.abandon, name="link_abandon"),
]

CONNECTION: list[URLPattern | URLResolver] = [
    path("", connection.overview, name="connection"),
    path("verification", connection.verification, name="connection_verification"),
    path("credential", connection.credential, name="connection_credential"),
    path("repositories", connection.repositories, name="connection_repositories"),
    path("workspaces", connection.workspaces, name="connection_workspaces"),
    path("sync", connection.sync, name="connection_sync"),
    path("links", relays.of_connection, name="connection_links"),
    path("leases", leases.of_connection, name="connection_leases"),
    path("record", connection.record, name="connection_record"),
    path("settings", connection.settings, name="connection_settings"),
    path("rotation", policies.own, name="connection_rotation"),
    path("rotation/set", policies.own_set, name="connection_rotation_set"),
    path("rotation/except", policies.exception, name="connection_exception"),
    path("rotation/except/end", policies.exception_end, name="connection_exception_end"),
    path("relink", linking.relink, name="connection_relink"),
    path("replace", replacement.replace, name="connection_replace"),
    path("replace/progress", replacement.progress, name="connection_replace_progress"),
    path("replace/<slug:deed>", replacement.act, name="connection_replace_act"),
    path("rotate", replacement.rotate, name="connection_rotate"),
    path("ends", replacement.ends, name="connection_ends"),
    path("verify", deeds.verify_now, name="connection_verify"),
    path("sync/choose", syncing.choose, name="connection_sync_choose"),
    path("hooks/", hooks.hooks, name="connection_hooks"),
    path("hooks/choose", hooks.choose, name="hooks_choose"),
    path("hooks/polling", hooks.poll_only, name="hooks_polling"),
    path("hooks/repair", hooks.repair, name="hooks_repair"),
    path("hooks/look", hooks.look, name="hooks_look"),
    path("hooks/cancel", hooks.cancel, name="hooks_cancel"),
    path("hooks/secret", hooks.new_secret, name="hooks_secret"),
    path("hooks/secret/end", hooks.end_former, name="hooks_secret_end"),
    path("hooks/test", hooks.test, name="hooks_test"),
    path("hooks/<uuid:hook_id>/repair", hooks.repair_one, name="hook_repair"),
    path("deliveries/", deliveries.log, name="connection_deliveries"),
    path("deliveries/<uuid:delivery_id>/", deliveries.one, name="connection_delivery"),
    path("deliveries/<uuid:delivery_id>/replay", deliveries.replay, name="delivery_replay"),
    path("deliveries/<uuid:delivery_id>/discard", deliveries.discard, name="delivery_discard"),
    path("deliveries/<uuid:delivery_id>/restore", deliveries.restore, name="delivery_restore"),
    path("deliveries/<uuid:delivery_id>/download", deliveries.download, name="delivery_download"),
    path("charts/<slug:name>.csv", deliveries.numbers, name="connection_chart"),
    path("sync/start", deeds.sync_now, name="connection_sync_start"),
    path("sync/<uuid:run_id>/cancel", deeds.cancel, name="connection_sync_cancel"),
    path("sync/<uuid:run_id>/accept", deeds.accept_shrink, name="connection_sync_accept"),
    path("workspaces/choose", deeds.choose_workspaces, name="connection_workspaces_choose"),
    path("edit", deeds.edit, name="connection_edit"),
    path("pause", deeds.pause, name="connection_pause"),
    path("resume", deeds.resume, name="connection_resume"),
    path("revoke", deeds.revoke, name="connection_revoke"),
]

RELAY: list[URLPattern | URLResolver] = [
    path("", relays.one, name="relay"),
    path("log", relays.log, name="relay_log"),
    path("outbox", relays.outbox, name="relay_outbox"),
    path("outbox/<slug:kind>", relay_deeds.decide, name="relay_decide"),
    path("commands", relays.commands, name="relay_commands"),
    path("settings", relay_deeds.settings, name="relay_settings"),
    path("repositories", relay_setup.repositories, name="relay_repositories"),
    path("repositories/fitting", relay_setup.fitting, name="relay_fitting"),
    path("repositories/parts", relay_deeds.parts, name="relay_parts"),
    path("options", relay_setup.options, name="relay_options"),
    path("look", relay_setup.look, name="relay_look"),
    path("start", relay_setup.start, name="relay_start"),
    path("start/estimate", relay_setup.estimate, name="relay_estimate"),
    path("discard", relay_setup.discard, name="relay_discard"),
    path("pause", relay_deeds.pause, name="relay_pause"),
    path("resume", relay_deeds.resume, name="relay_resume"),
    path("back-fill/stop", relay_deeds.stop_backfill, name="relay_stop_backfill"),
    path("remove", relay_deeds.remove, name="relay_remove"),
]

SERVICE_KEYS: list[URLPattern | URLResolver] = [
    path("", service_keys.keys, name="service_keys"),
    path("new", service_keys.new, name="service_key_new"),
    path("<uuid:key_id>/", service_keys.key, name="service_key"),
    path("<uuid:key_id>/edit", service_keys.edit, name="service_key_edit"),
    path("<uuid:key_id>/freeze", service_keys.freeze, name="service_key_freeze"),
    path("<uuid:key_id>/thaw", service_keys.thaw, name="service_key_thaw"),
    path("<uuid:key_id>/revoke", service_keys.revoke, name="service_key_revoke"),
]

ACTIVITY: list[URLPattern | URLResolver] = [
    path("", activity.index, name="activity"),
    path("<slug:name>.csv", activity.numbers, name="activity_chart"),
    path("missed/", activity.missed, name="activity_missed"),
    path("failed/", activity.letters, name="dead_letters"),
    path("failed/decide/<slug:kind>", activity.decide, name="dead_letters_decide"),
    path("failed/<uuid:deed_id>/", activity.deed, name="inbox_deed"),
    path("failed/<uuid:deed_id>/stop", activity.stop, name="inbox_deed_stop"),
    path("failed/<uuid:deed_id>/restore", activity.restore, name="inbox_deed_restore"),
]

CAMPAIGNS: list[URLPattern | URLResolver] = [
    path("", campaigns.index, name="campaigns"),
    path("new", campaigns.new, name="campaign_new"),
    path("<uuid:campaign_id>/", campaigns.campaign, name="campaign"),
    path("<uuid:campaign_id>/cancel", campaigns.cancel, name="campaign_cancel"),
    path(
        "<uuid:campaign_id>/items/<uuid:item_id>/exclude",
        campaigns.exclude,
        name="campaign_item_exclude",
    ),
    path(
        "<uuid:campaign_id>/items/<uuid:item_id>/include",
        campaigns.include,
        name="campaign_item_include",
    ),
]

IMPORT: list[URLPattern | URLResolver] = [
    path("", imports.one, name="import"),
    path("start", imports.start, name="import_start"),
    path("cancel", imports.cancel, name="import_cancel"),
    path("discard", imports.discard, name="import_discard"),
    path("undo", imports.undo, name="import_undo"),
    path("retry", imports.retry, name="import_retry"),
    path("report.csv", imports.report, name="import_report"),
]

EXPORT: list[URLPattern | URLResolver] = [
    path("", exports.exports, name="exports"),
    path("open_credentials.py", exports.script, name="export_script"),
    path("<uuid:export_id>/decide", exports.decide, name="export_decide"),
    path("<uuid:export_id>/cancel", exports.cancel, name="export_cancel"),
    path("<uuid:export_id>/download", exports.download, name="export_download"),
]

CALENDAR: list[URLPattern | URLResolver] = [
    path("", calendar.index, name="calendar"),
    path("changes/", calendar.changes, name="changes"),
    path("feed/", calendar.feed_settings, name="calendar_feed_settings"),
    path("feed/make", calendar.feed_make, name="calendar_feed_make"),
    path("feed/revoke", calendar.feed_revoke, name="calendar_feed_revoke"),
]

CONNECT_LINKS: list[URLPattern | URLResolver] = [
    path("", connect_links.sent, name="connect_sent"),
    path("new", connect_links.new, name="connect_new"),
    path("campaign/<uuid:campaign_id>/", connect_sendings.new, name="connect_sending_new"),
    path("sendings/<uuid:sending_id>/", connect_sendings.one, name="connect_sending"),
    path(
        "sendings/<uuid:sending_id>/cancel", connect_sendings.cancel, name="connect_sending_cancel"
    ),
    path("<uuid:connect_link_id>/", connect_links.one, name="connect_sent_one"),
    path("<uuid:connect_link_id>/revoke", connect_links.revoke, name="connect_revoke"),
    path("<uuid:connect_link_id>/agree", connect_links.agree, name="connect_agree"),
]

LINK_REQUESTS: list[URLPattern | URLResolver] = [
    path("", link_requests.requests, name="link_requests"),
    path("new", link_requests.new, name="link_request_new"),
    path("<uuid:request_id>/", link_requests.one, name="link_request"),
    path("<uuid:request_id>/approve", link_requests.approve, name="link_request_approve"),
    path("<uuid:request_id>/decline", link_requests.decline, name="link_request_decline"),
    path("<uuid:request_id>/withdraw", link_requests.withdraw, name="link_request_withdraw"),
]

# For people without an account, by the id of a link that their session has opened.
CONNECT: list[URLPattern | URLResolver] = [
    path("", guests.asked, name="connect"),
    path("begin", guests.begin, name="connect_begin"),
    path("consent", guests.consent, name="connect_consent"),
    path("leave", guests.leave, name="connect_leave"),
    path("check", guests.check, name="connect_check"),
    path("progress", guests.progress, name="connect_progress"),
    path("done", guests.done, name="connect_done"),
]

ORGANIZATION: list[URLPattern | URLResolver] = [
    path("", catalogue.overview, name="overview"),
    path("catalogue/", catalogue.catalogue, name="catalogue"),
    path("catalogue/<slug:connector>/", catalogue.product, name="product"),
    path("catalogue/<slug:connector>/link", linking.begin, name="link_begin"),
    path("linking/<uuid:link_id>/", include(LINK)),
    path("links/", relays.index, name="links"),
    path("links/new", relay_setup.new, name="relay_new"),
    path("links/<uuid:relay_id>/", include(RELAY)),
    path("branches/new", branches.new, name="branch_new"),
    path("branches/<uuid:wish_id>/", branches.one, name="branch"),
    path("connect-links/", include(CONNECT_LINKS)),
    path("requests/", include(LINK_REQUESTS)),
    path("connections/", listing.connections, name="connections"),
    path("members/<uuid:membership_id>/leaving/", departures.departure, name="departure"),
    path("connections/restored/", restores.own, name="restores"),
    path("connections/verify", listing.verify_many, name="connections_verify"),
    path("connections/<uuid:connection_id>/", include(CONNECTION)),
    path("activity/", include(ACTIVITY)),
    path("keys/", include(SERVICE_KEYS)),
    path("trail/", trail.trail, name="trail"),
    path("trail/trail.txt", trail.as_text, name="trail_text"),
    path("trail/look", trail.look, name="trail_look"),
    path("members/identities/", identities.identities, name="identities"),
    path("members/identities/<uuid:identity_id>/<slug:deed>", identities.say, name="identity_say"),
    path("calendar/", include(CALENDAR)),
    path("calendar/campaigns/", include(CAMPAIGNS)),
    path("settings/rotation/", policies.general, name="rotation_policy"),
    path("settings/import/", imports.imports, name="imports"),
    path("settings/import/example.csv", imports.example_file, name="import_example"),
    path("settings/import/<uuid:import_id>/", include(IMPORT)),
    path("settings/export/", include(EXPORT)),
    path("settings/consumers/", consumers.own, name="consumers"),
    path("settings/consumers/<uuid:consumer_id>/", consumers.own_one, name="consumer"),
]

NETWORK: list[URLPattern | URLResolver] = [
    path("", network.entries, name="platform_network"),
    path("new", network.new, name="platform_network_new"),
    path("<uuid:entry_id>/", network.entry, name="platform_network_entry"),
    path("<uuid:entry_id>/decide", network.decide, name="platform_network_decide"),
    path("<uuid:entry_id>/withdraw", network.withdraw, name="platform_network_withdraw"),
    path("<uuid:entry_id>/again", network.again, name="platform_network_again"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:organization_slug>/", include(ORGANIZATION)),
    path("api/", reference.reference, name="api_reference"),
    path("oauth/<slug:connector>/callback", arriving.callback, name="oauth_callback"),
    path("connect/<str:token>", guests.follow, name="connect_link"),
    path("connect/<uuid:connect_link_id>/", include(CONNECT)),
    path("platform/network/", include(NETWORK)),
    path("calendar/<str:token>.ics", calendar.feed, name="calendar_feed"),
    path("platform/changes/", calendar.platform_changes, name="platform_changes"),
    path("platform/webhooks/", inboxes.platform, name="platform_webhooks"),
    path("platform/links/", inboxes.relays, name="platform_relays"),
    path("platform/restores/", restores.platform, name="platform_restores"),
    path("platform/connectors/", consumers.platform, name="platform_connectors"),
    path(
        "platform/connectors/<uuid:consumer_id>/",
        consumers.platform_one,
        name="platform_consumer",
    ),
    path("support/<slug:slug>/connections/", support.connections, name="support_connections"),
    path(
        "support/<slug:slug>/connections/<uuid:connection_id>/",
        support.connection,
        name="support_connection",
    ),
    path("support/<slug:slug>/links/", support.links, name="support_links"),
    path("support/<slug:slug>/links/<uuid:relay_id>/", support.link, name="support_relay"),
]
