"""The ways to link Jira Cloud, each with what to click there."""

from __future__ import annotations

from connections.contracts import ClientCredentials, Method, MethodKind, Step
from integrations import atlassian_methods as ways
from integrations.jira.scopes import SITE_TICKS

SITE_CREDENTIALS_DOCS = (
    "https://developer.atlassian.com/cloud/jira/software/integrate-jsw-cloud-with-onpremises-tools/"
)
SITE_TOKEN_SECONDS = 900

# A token of a quarter of an hour, without a refresh token:
# https://developer.atlassian.com/cloud/jira/software/integrate-jsw-cloud-with-onpremises-tools/
SITE_CREDENTIALS = Method(
    key="site-credentials",
    kind=MethodKind.EXCHANGED,
    title="The site's OAuth credentials",
    summary="A client that a Jira admin makes for this portal. The only way to write the "
    "development panel; it opens nothing else and belongs to no person.",
    vocabulary=SITE_TICKS,
    credential_kind="site_oauth_credentials",
    fields=(ways.SITE_FIELD, ways.CLIENT_ID_FIELD, ways.secret_field("Client secret", "ATOA…")),
    steps=(
        Step(
            "As a Jira admin open Settings, Apps, OAuth credentials, and choose Create "
            "credentials.",
            url=SITE_CREDENTIALS_DOCS,
        ),
        Step("Give it the name that people will see on the panel.", copy="Portal"),
        Step("Paste this as the server base URL.", copy="{portal_url}"),
        Step("Paste this as the logo URL.", copy="{portal_url}/static/img/mark.svg"),
        Step("Tick Development information, Builds and Deployments, and nothing else."),
        Step("Create it and copy Client ID and Secret."),
    ),
    withdraw=(
        Step("As a Jira admin open Settings, Apps, OAuth credentials.", url=SITE_CREDENTIALS_DOCS),
        Step("Find them by their name and delete them. What was written stays on the issues."),
    ),
    acts_as="The portal as a tool of the site, not a person",
    lifetime="Until they are deleted; each access token lives for 15 minutes and is fetched anew",
    limits="Ordinary traffic and back-fill are limited apart; each says when to come back",
    exchange=ClientCredentials(
        token_url="https://api.atlassian.com/oauth/token",
        body="json",
        params={"audience": "api.atlassian.com"},
        default_lifetime_seconds=SITE_TOKEN_SECONDS,
    ),
    lookup=ways.CLOUD_ID_LOOKUP,
)

METHODS = (
    SITE_CREDENTIALS,
    ways.oauth("Jira"),
    ways.scoped_token("Jira"),
    ways.service_token("Jira"),
    ways.service_oauth("Jira"),
    ways.classic_token("Jira"),
)
