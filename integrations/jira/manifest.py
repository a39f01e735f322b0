"""Everything about Jira Cloud that is data."""

from __future__ import annotations

from connections.contracts import Manifest
from integrations import atlassian, atlassian_methods
from integrations.jira.methods import METHODS
from integrations.jira.relay import ENDPOINTS, RULES
from integrations.jira.scopes import CAPABILITIES

REST_DOCS = "https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/"

TITLES = {method.vocabulary: method.title for method in reversed(METHODS)}

MANIFEST = Manifest(
    contract_version=1,
    slug="jira",
    name="Jira",
    vendor="Atlassian",
    summary="Issues at your-site.atlassian.net, and the development panel beside them.",
    gives=("Sites", "Projects", "Issues by their keys", "People, to find who wrote a commit"),
    takes="A Jira site, and a Jira admin for the development panel.",
    api_url=atlassian.GATEWAY,
    docs_url=REST_DOCS,
    methods=METHODS,
    capabilities=CAPABILITIES,
    oauth=atlassian_methods.authorization_server(
        "Jira",
        "Tick the classic scopes your people may ask for: read:me, read:jira-work, read:jira-user "
        "and, to write, write:jira-work.",
    ),
    token_prefixes=atlassian_methods.TOKEN_PREFIXES,
    endpoints=(
        "me",
        "oauth/token/accessible-resources",
        "rest/api/3/myself",
        "rest/api/3/serverInfo",
        "rest/api/3/project/search",
        "rest/api/3/mypermissions",
        "rest/api/3/user/search",
        *ENDPOINTS,
    ),
    relay=RULES,
    workspace_word="site",
    aliases=("jira-cloud", "jira-software"),
    account_settings_url="https://id.atlassian.com/manage-profile/apps",
    quirks=(
        "Refresh tokens rotate. The old one can be exchanged again for ten minutes; later than "
        "that the whole grant is over.",
        "A dead grant is answered with 403, and so is one whose person changed the password.",
        "A site is listed once for each of its products.",
        "A token with scopes works at api.atlassian.com only, one without at the site only.",
        "Every API token ends within a year.",
        "People and their tokens cannot write the development panel.",
    ),
)
