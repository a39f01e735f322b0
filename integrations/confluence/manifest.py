"""Everything about Confluence Cloud that is data."""

from __future__ import annotations

from connections.contracts import Manifest
from integrations import atlassian, atlassian_methods as ways
from integrations.confluence.scopes import CAPABILITIES

REST_DOCS = "https://developer.atlassian.com/cloud/confluence/rest/v2/intro/"

METHODS = (
    ways.oauth("Confluence"),
    ways.scoped_token("Confluence"),
    ways.service_token("Confluence"),
    ways.service_oauth("Confluence"),
    ways.classic_token("Confluence"),
)
TITLES = {method.vocabulary: method.title for method in reversed(METHODS)}

MANIFEST = Manifest(
    contract_version=1,
    slug="confluence",
    name="Confluence",
    vendor="Atlassian",
    summary="Spaces and pages at your-site.atlassian.net/wiki.",
    gives=("Sites", "Spaces", "Pages with comments and labels"),
    takes="A Confluence site, and an account that may open it.",
    api_url=atlassian.GATEWAY,
    docs_url=REST_DOCS,
    methods=METHODS,
    capabilities=CAPABILITIES,
    oauth=ways.authorization_server(
        "Confluence",
        "Tick read:me and the granular scopes your people may ask for: read:space:confluence, "
        "read:page:confluence, read:comment:confluence, read:label:confluence and "
        "read:content-details:confluence; to write, write:page:confluence, "
        "write:comment:confluence and write:label:confluence.",
    ),
    token_prefixes=ways.TOKEN_PREFIXES,
    endpoints=(
        "me",
        "oauth/token/accessible-resources",
        "wiki/rest/api/user/current",
        "wiki/api/v2/spaces",
    ),
    workspace_word="site",
    aliases=("confluence-cloud",),
    account_settings_url="https://id.atlassian.com/manage-profile/apps",
    quirks=(
        "Refresh tokens rotate. The old one can be exchanged again for ten minutes; later than "
        "that the whole grant is over.",
        "A site is listed once for each of its products.",
        "A token with scopes works at api.atlassian.com only, one without at the site only.",
        "Every API token ends within a year.",
        "Labels are written by version 1 of the API only, and cannot hold dots.",
        "A page is updated by naming its next version: two writers meet in a conflict.",
    ),
)
