"""Everything about Bitbucket Data Center that is data: paths, OAuth manners, what changes when."""

from __future__ import annotations

from datetime import date

from connections.contracts import CodeLinks, Manifest, OAuth2, Retired, SelfHosted, Step
from integrations.bitbucket_data_center.changes import CHANGES
from integrations.bitbucket_data_center.hooks import RULES
from integrations.bitbucket_data_center.methods import METHODS, TOKEN_PREFIXES
from integrations.bitbucket_data_center.scopes import CAPABILITIES, IMPLIES

REST_DOCS = "https://developer.atlassian.com/server/bitbucket/rest/"
OAUTH_DOCS = (
    "https://confluence.atlassian.com/bitbucketserver/"
    "bitbucket-oauth-2-0-provider-api-1108483661.html"
)

CONSUMER_STEPS = (
    Step(
        "As an administrator of your Bitbucket open Administration, Application links, Create "
        "link, and choose External application, Incoming.",
        url=OAUTH_DOCS,
    ),
    Step("Name it so that people recognise it when they are asked to allow it.", copy="Portal"),
    Step("Paste this redirect URL. It must match to the letter.", copy="{callback_url}"),
    Step(
        "Tick the permissions your people may ask for. Repositories: Read is the least; a person "
        "can ask for fewer than the link has, never for more."
    ),
    Step("Save, and copy Client ID and Client secret: they are the key and the secret here."),
)

AUTHORIZATION_SERVER = OAuth2(
    authorize_url="rest/oauth2/latest/authorize",
    token_url="rest/oauth2/latest/token",
    pkce=True,
    client_auth="body",
    sends_scope=True,
    consumer_steps=CONSUMER_STEPS,
)

ENDPOINTS = (
    "api/latest/application-properties",
    "api/latest/users",
    "api/latest/users/{user}",
    "api/latest/projects",
    "api/latest/projects/{workspace}/repos",
    "access-tokens/latest/users/{user}",
    "access-tokens/latest/projects/{workspace}",
    "access-tokens/latest/projects/{workspace}/repos/{repository}",
    "api/latest/projects/{workspace}/permissions/groups",
    "api/latest/projects/{workspace}/webhooks",
    "api/latest/projects/{workspace}/webhooks/{hook}",
    "build-status/latest/commits/{commit}",
    *(
        f"api/latest/projects/{{workspace}}/repos/{{repository}}/{path}"
        for path in (
            *("branches", "tags", "commits", "commits/{commit}", "commits/{commit}/pull-requests"),
            *("pull-requests", "pull-requests/{pull_request}"),
            *("pull-requests/{pull_request}/activities", "webhooks", "webhooks/{hook}"),
            *("permissions/users", "permissions/groups"),
        )
    ),
)

RETIRED = (
    Retired(
        title="Bitbucket Server",
        on=date(2024, 2, 15),
        why="Atlassian ended the Server edition. What still runs gets no security fixes.",
        instead="Data Center has the same interface; both are linked the same way.",
        url="https://www.atlassian.com/migration/assess/journey-to-cloud",
    ),
    Retired(
        title="OAuth 1.0a application links",
        on=date(2024, 2, 15),
        why="Servers before 7.20 know no OAuth 2.0.",
        instead="Link those by an HTTP access token.",
        url=OAUTH_DOCS,
    ),
)

CODE_LINKS = CodeLinks(
    repository="{base}/projects/{workspace}/repos/{slug}/browse",
    branch="{repository}/browse?at=refs/heads/{branch}",
    commit="{repository}/commits/{hash}",
    pull_request="{repository}/pull-requests/{number}/overview",
    new_pull_request="{repository}/pull-requests?create&sourceBranch=refs/heads/{branch}",
    new_branch="{root}/plugins/servlet/create-branch?issueKey={issue}&issueSummary={summary}",
    new_branch_in="{root}/plugins/servlet/create-branch?repoId={id}&branchFrom=refs/heads/{start}"
    "&branchName={name}&issueKey={issue}&issueSummary={summary}",
    ending="/browse",
    root=r"https?://.+?(?=/(?:projects|users)/)",
)

MANIFEST = Manifest(
    contract_version=1,
    slug="bitbucket-data-center",
    name="Bitbucket Data Center",
    vendor="Atlassian",
    summary="Projects and repositories of a Bitbucket that your company runs itself.",
    gives=(
        "Projects",
        "Repositories with branches, tags and commits",
        "Pull requests with reviews",
        "Build results",
        "Members and groups of projects, for their administrators",
        "Permissions on repositories, for their administrators",
    ),
    takes="Its address, and an HTTP access token, OAuth or a password of an account there.",
    api_url="rest/",
    docs_url=REST_DOCS,
    methods=METHODS,
    capabilities=CAPABILITIES,
    implies=IMPLIES,
    oauth=AUTHORIZATION_SERVER,
    self_hosted=SelfHosted(
        label="Base URL of your Bitbucket",
        help="As it begins in the browser, with the context path where there is one. It needs "
        "https. A server inside a private network has to be allowed first by the people who run "
        "this portal.",
        placeholder="https://bitbucket.example.com/bitbucket",
    ),
    token_prefixes=TOKEN_PREFIXES,
    retired=RETIRED,
    changes=CHANGES,
    hooks=RULES,
    code_links=CODE_LINKS,
    branches="branches-create",
    endpoints=ENDPOINTS,
    workspace_word="project",
    unlisted="Bitbucket Data Center has no pipelines, and no list of deployments: it tells one to "
    "those who know its name. So neither is read.",
    quirks=(
        "A token that has expired is not refused: the server answers as to a stranger.",
        "401 can mean a missing permission, 404 a hidden project.",
        "Tokens work below /rest and /scm only since 8.9.22, 8.19.12 and 9.3.2.",
        "Pages say where the next one starts; a page may hold fewer than asked for.",
        "Nothing can be asked for by when it changed.",
        "Deployments are told one by one, to those who know their names; no list has them.",
        "A webhook that failed is not sent again.",
    ),
)
