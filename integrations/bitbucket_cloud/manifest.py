"""Everything about Bitbucket Cloud that is data: addresses, OAuth manners, what was removed."""

from __future__ import annotations

from datetime import date

from connections.contracts import CodeLinks, Manifest, OAuth2, Retired, Step
from integrations.bitbucket_cloud.changes import CHANGES, ENDPOINTS
from integrations.bitbucket_cloud.hooks import RULES
from integrations.bitbucket_cloud.methods import METHODS, TOKEN_PREFIXES
from integrations.bitbucket_cloud.scopes import CAPABILITIES, IMPLIES

REST_DOCS = "https://developer.atlassian.com/cloud/bitbucket/rest/intro/"
CONSUMER_DOCS = "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/"
OAUTH_CHANGES = (
    "https://community.developer.atlassian.com/t/"
    "oauth-2-0-and-api-authentication-changes-for-bitbucket-cloud/99003"
)
CHANGELOG = "https://developer.atlassian.com/cloud/bitbucket/changelog/"

CONSUMER_STEPS = (
    Step(
        "Open the workspace that shall own the consumer: Settings, Apps and features, OAuth "
        "consumers, Add consumer.",
        url=CONSUMER_DOCS,
    ),
    Step("Name it so that people recognise it when they are asked to allow it.", copy="Portal"),
    Step("Paste this callback URL. It must match to the letter.", copy="{callback_url}"),
    Step("Paste this URL as the consumer's home.", copy="{portal_url}"),
    Step("Tick “This is a private consumer”: the secret stays on this server."),
    Step(
        "Tick the permissions your people may ask for. Account: Read and Repositories: Read are "
        "the least; a person can ask for fewer than the consumer has, never for more."
    ),
    Step("Save, open the consumer in the list, and copy Key and Secret."),
)

AUTHORIZATION_SERVER = OAuth2(
    authorize_url="https://bitbucket.org/site/oauth2/authorize",
    token_url="https://bitbucket.org/site/oauth2/access_token",
    # Undocumented at Bitbucket Cloud and tolerated; it protects wherever it is honoured.
    pkce=True,
    client_auth="basic",
    sends_scope=True,
    grace_seconds=600,  # github.com/git-ecosystem/git-credential-manager/pull/2433 (Sep 2026)
    refresh_idle_days=90,
    dead_grant=(("invalid_request", "refresh_token"),),  # readthedocs.org issue 2992
    wrong_client=(
        ("unauthorized_client", ""),  # harness issue 1650: a wrong secret
        ("invalid_grant", "cannot use client_credentials"),  # composer issue 10678
        ("invalid_grant", "unsupported grant type"),  # bitbucket.org/site/master issue 16249
        ("invalid_request", "no callback uri"),  # jonhadfield/soba issue 50
        ("invalid_request", "redirect_uri"),
    ),
    consumer_steps=CONSUMER_STEPS,
)

RETIRED = (
    Retired(
        title="Native issues and wikis",
        on=date(2026, 8, 20),
        why="Atlassian removed Bitbucket's own issue tracker and wiki.",
        instead="Issues live in Jira and pages in Confluence. Link Jira to see issues beside "
        "branches and pull requests.",
        url="https://community.atlassian.com/forums/Bitbucket-articles/"
        "Announcing-sunset-of-Bitbucket-Issues-and-Wikis/ba-p/3193882",
    ),
    Retired(
        title="App passwords",
        on=date(2026, 7, 28),
        why="Atlassian removed app passwords; none of them works any more.",
        instead="Create an API token with scopes.",
        url="https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens/",
    ),
    Retired(
        title="Listing across all workspaces",
        on=date(2026, 4, 14),
        why="Atlassian removed the endpoints that list repositories and permissions of all "
        "workspaces at once.",
        instead="Workspaces are found one by one, and repositories are listed in each.",
        url=f"{CHANGELOG}#CHANGE-2770",
    ),
)

CODE_LINKS = CodeLinks(
    repository="https://bitbucket.org/{workspace}/{slug}",
    branch="{repository}/branch/{branch}",
    commit="{repository}/commits/{hash}",
    pull_request="{repository}/pull-requests/{number}",
    new_pull_request="{repository}/pull-requests/new?source={branch}",
    new_branch="{root}/branch/create?issueKey={issue}&issueSummary={summary}",
)

MANIFEST = Manifest(
    contract_version=1,
    slug="bitbucket-cloud",
    name="Bitbucket Cloud",
    vendor="Atlassian",
    summary="Repositories, pull requests and pipelines at bitbucket.org.",
    gives=(
        "Workspaces and members",
        "Projects",
        "Repositories with branches, tags and commits",
        "Pull requests with reviews",
        "Build results, pipelines and deployments",
        "Permissions on repositories",
    ),
    takes="A Bitbucket account, or an access token of a workspace, project or repository.",
    api_url="https://api.bitbucket.org/2.0/",
    docs_url=REST_DOCS,
    methods=METHODS,
    capabilities=CAPABILITIES,
    implies=IMPLIES,
    oauth=AUTHORIZATION_SERVER,
    token_prefixes=TOKEN_PREFIXES,
    retired=RETIRED,
    changes=CHANGES,
    hooks=RULES,
    code_links=CODE_LINKS,
    branches="branches-create",
    endpoints=ENDPOINTS,
    workspace_word="workspace",
    aliases=("bitbucket", "bitbucket.org"),
    account_settings_url="https://bitbucket.org/account/settings/app-authorizations/",
    quirks=(
        "Refresh tokens rotate and the old one lives about ten minutes.",
        "Pull requests do not come with the repository scope.",
        "429 answers are plain text and say nothing of when to try again.",
        "Pages of pull requests hold at most 50 items, all others 100.",
        "Webhooks over 256 KB are not sent, and nobody says so.",
        "When a pull request was merged or declined is not told, only by whom.",
    ),
)
