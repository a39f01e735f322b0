"""What Atlassian announced to change at Bitbucket Cloud, dated, and whom each change hits."""

from __future__ import annotations

from datetime import date

from connections.contracts import VendorChange

REST_DOCS = "https://developer.atlassian.com/cloud/bitbucket/rest/intro/"
OAUTH_CHANGES = (
    "https://community.developer.atlassian.com/t/"
    "oauth-2-0-and-api-authentication-changes-for-bitbucket-cloud/99003"
)
WORKSPACE_APIS = "https://community.developer.atlassian.com/t/99972"
API_TOKENS = (
    "https://support.atlassian.com/atlassian-account/docs/"
    "manage-api-tokens-for-your-atlassian-account/"
)
COMMUNITY = "https://community.atlassian.com/forums/Bitbucket-articles/"
CONNECT_TO_FORGE = "https://developer.atlassian.com/platform/adopting-forge-from-connect/"

MEMBERSHIPS = (
    "https://developer.atlassian.com/cloud/bitbucket/"
    "announcement-breaking-change-workspace-membership/"
)

CROSS_WORKSPACE = (
    "GET repositories",
    "GET workspaces",
    "GET user/permissions/workspaces",
    "GET user/permissions/repositories",
)

# No source shows Bitbucket's word for it; the first is the one used here.
APP_PASSWORDS = frozenset({"apppassword", "app_password"})

CHANGES = (
    VendorChange(
        key="api-tokens-expire",
        on=date(2026, 5, 12),
        since=date(2024, 12, 15),
        title="API tokens live for a year at most",
        breaks="An API token made before 15 December 2024 ended between 14 March and 12 May 2026."
        " A newer one ends on the day it was given, and cannot be extended.",
        remedy="Replace each API token before its day. The calendar shows it.",
        url=API_TOKENS,
        credential_kinds=frozenset({"api_token"}),
        made_before=date(2024, 12, 15),
        goal="rotate",
    ),
    VendorChange(
        key="app-passwords-closed",
        on=date(2025, 9, 9),
        title="No new app passwords",
        breaks="App passwords can no longer be made.",
        remedy="Make an API token with scopes instead.",
        url=COMMUNITY + "ba-p/3106901",
        credential_kinds=APP_PASSWORDS,
        goal="rotate",
    ),
    VendorChange(
        key="app-passwords-removed",
        on=date(2026, 7, 28),
        since=date(2026, 6, 9),
        title="App passwords are removed",
        breaks="No app password works any more. From 9 June to 27 July 2026 they failed for a"
        " quarter of an hour or longer at a time, at 00, 06, 12 and 18 o’clock UTC.",
        remedy="Move each to an API token. Name, webhook address and history stay.",
        url=COMMUNITY + "bc-p/3248508",
        credential_kinds=APP_PASSWORDS,
        goal="rotate",
    ),
    VendorChange(
        key="oauth-2026",
        on=date(2026, 5, 4),
        title="OAuth: Bearer only, rotating refresh tokens",
        breaks="Tokens in the address or in a form are refused, and the implicit grant is gone. A"
        " refresh token is replaced at each use and ends after three months without one.",
        remedy="Nothing for connections here: they send a Bearer token and renew themselves.",
        url=OAUTH_CHANGES,
    ),
    VendorChange(
        key="client-credentials-2026",
        on=date(2026, 5, 4),
        title="A consumer that signs in by itself is an app user",
        breaks="It no longer acts as its owner, gets no refresh token, and, in a personal"
        " workspace, reaches that workspace only.",
        remedy="Nothing for connections here: each asks for a new token as before. What it reaches"
        " now, its next verification shows.",
        url=OAUTH_CHANGES,
        credential_kinds=frozenset({"client_credentials"}),
    ),
    VendorChange(
        key="cross-workspace-removed",
        on=date(2026, 4, 14),
        since=date(2026, 3, 23),
        title="Listing across all workspaces is removed",
        breaks="The endpoints that list repositories, workspaces or permissions of all workspaces"
        " at once answer 410.",
        remedy="Nothing for connections that read one workspace after the other, as they do here.",
        url=WORKSPACE_APIS,
        endpoints=CROSS_WORKSPACE,
    ),
    VendorChange(
        key="user-workspaces",
        on=date(2026, 1, 16),
        title="Workspaces are listed for each user",
        breaks="Nothing: these endpoints are new and take the place of those that were removed.",
        remedy="Nothing: they are what is read here.",
        url=WORKSPACE_APIS,
    ),
    VendorChange(
        key="members-without-dates",
        on=date(2026, 4, 30),
        since=date(2025, 9, 1),
        title="Members no longer tell when they came and were last seen",
        breaks="Workspaces moved to admin.atlassian.com: a membership has no “added_on” and no"
        " “last_accessed”, and people are invited there.",
        remedy="Nothing to do here: neither date is kept.",
        url=REST_DOCS,
        endpoints=("GET workspaces/{workspace}/members", "GET workspaces/{workspace}/permissions"),
    ),
    VendorChange(
        key="groups-read-only",
        on=date(2026, 4, 30),
        since=date(2025, 9, 1),
        title="Groups are read-only, and people are invited elsewhere",
        breaks="In workspaces that moved to admin.atlassian.com the 1.0 endpoints “groups” and"
        " “group-privileges” answer GET alone, and the invitations endpoint is switched off.",
        remedy="Nothing for connections here: none of them changes groups or invites people.",
        url=MEMBERSHIPS,
    ),
    VendorChange(
        key="addon-linkers-removed",
        on=date(2026, 8, 20),
        since=date(2026, 1, 1),
        title="Linkers of apps are removed",
        breaks="The endpoints “addon/linkers” are gone in the course of 2026. The day here is that"
        " of the first description of the API without them.",
        remedy="Nothing for connections here: none of them is a Connect app.",
        url=REST_DOCS,
    ),
    VendorChange(
        key="scaled-rate-limits",
        on=date(2025, 12, 31),
        since=date(2024, 1, 1),
        title="Limits of API requests grow with the workspace",
        breaks="In paid workspaces of more than 100 seats access tokens and Forge apps may ask up"
        " to 10,000 times an hour. Credentials that act as a person stay at 1,000.",
        remedy="Nothing has to be done. A connection that runs out of requests gets more with an"
        " access token of its workspace.",
        url="https://bitbucket.org/blog/introducing-scaled-rate-limits-for-bitbucket-cloud-api",
    ),
    VendorChange(
        key="connect-ends",
        on=date(2026, 12, 31),
        since=date(2026, 2, 2),
        title="Connect apps are no longer supported",
        breaks="Since 2 February 2026 no Connect app can be installed; support ends with December"
        " 2026.",
        remedy="Nothing for connections here: none of them is a Connect app.",
        url=CONNECT_TO_FORGE,
    ),
    VendorChange(
        key="issues-and-wikis-removed",
        on=date(2026, 8, 20),
        title="Native issues and wikis are removed",
        breaks="Bitbucket’s own issue tracker and wiki are gone, with their endpoints and scopes.",
        remedy="Leave the scopes “issue” and “wiki” out at the next link. Issues live in Jira.",
        url=COMMUNITY + "Announcing-sunset-of-Bitbucket-Issues-and-Wikis/ba-p/3193882",
        scopes=frozenset({"issue", "issue:write", "wiki"}),
        goal="relink",
    ),
    VendorChange(
        key="larger-tokens",
        on=date(2026, 9, 1),
        title="Tokens grew past 2,500 characters",
        breaks="What keeps tokens in short columns cuts them off. After a renewal the refresh"
        " token before lives for about ten minutes.",
        remedy="Nothing here. Services that lease tokens must have room for them.",
        url="https://github.com/git-ecosystem/git-credential-manager/pull/2433",
    ),
)

# The paths that are asked here besides the probes of capabilities.
ENDPOINTS = (
    "user",
    "user/workspaces",
    "workspaces/{workspace}",
    "workspaces/{workspace}/members",
    "workspaces/{workspace}/permissions",
    "workspaces/{workspace}/projects",
    "workspaces/{workspace}/projects/{project}",
    "repositories/{workspace}",
    "repositories/{workspace}/{repository}",
    *(
        f"repositories/{{workspace}}/{{repository}}/{path}"
        for path in (
            *("refs", "refs/branches", "refs/branches/{name}", "refs/tags/{name}"),
            *("commits", "commit/{commit}"),
            *("commit/{commit}/statuses", "commit/{commit}/pullrequests"),
            *("pullrequests", "pullrequests/{pull_request}"),
            *("pipelines", "pipelines/{pipeline}", "pipelines/{pipeline}/steps"),
            *("deployments", "deployments/{deployment}", "environments"),
            *("permissions-config/users", "permissions-config/groups"),
            *("hooks", "hooks/{hook}"),
        )
    ),
    "workspaces/{workspace}/hooks",
    "workspaces/{workspace}/hooks/{hook}",
)
