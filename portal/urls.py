"""The site map, by strings: the first floor is included by its name."""

from django.conf import settings
from django.urls import URLPattern, include, path

from portal.views import (
    audit,
    chat,
    erasures,
    gallery,
    health,
    home,
    invitations,
    members,
    notices,
    organization,
    platform,
    queues,
    service,
    support,
    teams,
)

ORGANIZATION = "o/<slug:organization_slug>/"

people = [
    path("members/", members.members, name="members"),
    path("members/invite/", members.invite, name="member_invite"),
    path("members/<uuid:membership_id>/", members.member, name="member"),
    path("members/<uuid:membership_id>/remove/", members.remove, name="member_remove"),
    path("invitations/<uuid:invitation_id>/resend/", members.resend, name="invitation_resend"),
    path("invitations/<uuid:invitation_id>/revoke/", members.revoke, name="invitation_revoke"),
    path("teams/", teams.team_list, name="teams"),
    path("teams/new/", teams.create, name="team_create"),
    path("teams/<uuid:team_id>/", teams.team, name="team"),
    path("teams/<uuid:team_id>/remove/", teams.remove, name="team_remove"),
    path("teams/<uuid:team_id>/members/", teams.member_set, name="team_member_set"),
    path(
        "teams/<uuid:team_id>/members/<uuid:membership_id>/remove/",
        teams.member_remove,
        name="team_member_remove",
    ),
    path("settings/", organization.settings, name="organization_settings"),
    path("settings/rename/", organization.rename, name="organization_rename"),
    path("settings/transfer/", organization.transfer, name="organization_transfer"),
    path("settings/leave/", organization.leave, name="organization_leave"),
    path("settings/erase/", erasures.ask, name="organization_erase"),
    path("settings/erase/end/", erasures.take_back, name="organization_erase_end"),
    path("settings/chat/", chat.channel, name="chat_channel"),
    path("settings/chat/state/", chat.state, name="chat_channel_state"),
    path("settings/chat/test/", chat.test, name="chat_channel_test"),
    path("settings/chat/again/", chat.again, name="chat_channel_again"),
    path("settings/chat/remove/", chat.remove, name="chat_channel_remove"),
    path("audit/", audit.record, name="audit"),
    path("audit/verify/", audit.verify, name="audit_verify"),
]

told = [
    ("", notices.notices, "notices"),
    ("bell/", notices.bell, "notices_bell"),
    ("read/", notices.read_all, "notices_read_all"),
    ("settings/", notices.settings, "notice_settings"),
    ("settings/address/", notices.send_code, "notice_address"),
    ("settings/address/confirm/", notices.confirm_address, "notice_address_confirm"),
    ("<uuid:receipt_id>/", notices.follow, "notice_follow"),
    ("<uuid:receipt_id>/read/", notices.read, "notice_read"),
]
people += [path(f"notices/{route}", view, name=name) for route, view, name in told]

staff = [
    path("platform/", platform.index, name="platform"),
    path("platform/organizations/", platform.organizations, name="platform_organizations"),
    path("platform/keys/", platform.keys, name="platform_keys"),
    path("platform/erasures/", erasures.index, name="platform_erasures"),
    path(
        "platform/erasures/<uuid:erasure_id>/confirm/",
        erasures.confirm,
        name="platform_erasure_confirm",
    ),
    path("platform/erasures/<uuid:erasure_id>/end/", erasures.end, name="platform_erasure_end"),
    path("platform/queues/", queues.index, name="platform_queues"),
    path(
        "platform/queues/failed/<uuid:job_id>/again/", queues.try_again, name="platform_job_again"
    ),
    path("platform/workers/", platform.workers, name="platform_workers"),
    path("platform/record/", platform.record, name="platform_record"),
    *(
        path(f"platform/notices/{route}", notices.of_platform(view), name=f"platform_{name}")
        for route, view, name in told
    ),
    path("support/", support.index, name="support"),
    path("support/<slug:slug>/", support.reason, name="support_organization"),
    path("support/<slug:slug>/look/", support.look, name="support_look"),
    path("support/<slug:slug>/end/", support.end, name="support_end"),
]

for_builders: list[URLPattern] = (
    [path("gallery/", gallery.gallery, name="gallery")] if settings.DEBUG else []
)

urlpatterns = [
    path("", home.home, name="home"),
    path("organizations/", home.organizations, name="organizations"),
    path("organizations/new/", home.create, name="organization_create"),
    path("invitation/", invitations.invitation, name="invitation"),
    path("invitations/<str:token>/", invitations.follow, name="invitation_link"),
    path("invitations/<uuid:invitation_id>/accept/", invitations.accept, name="invitation_accept"),
    path("accounts/", include("allauth.urls")),
    path(ORGANIZATION, include(people)),
    *staff,
    *for_builders,
    *(
        path(route, service.elsewhere, name="api_elsewhere")
        for route in ("api/v1", "api/v1/", "api/v1/<path:rest>")
    ),
    path("health/alive/", health.alive, name="health_alive"),
    path("health/ready/", health.ready, name="health_ready"),
    path("", include("connections.urls")),
]

handler400 = "portal.views.problems.bad_request"
handler403 = "portal.views.problems.forbidden"
handler404 = "portal.views.problems.not_found"
handler500 = "portal.views.problems.server_error"
