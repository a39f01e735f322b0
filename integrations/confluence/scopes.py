"""What a person may want from Confluence Cloud, and what it costs in each of its scope languages.

The words are the granular ones of the OpenAPI documents of version 2 and of what only version 1
has; consents and tokens share them. A token without scopes has none.
"""

from __future__ import annotations

from connections.contracts import Capability
from integrations.atlassian import OAUTH, TOKEN, UNSCOPED

READ_SPACE = "read:space:confluence"
READ_PAGE, WRITE_PAGE = "read:page:confluence", "write:page:confluence"
READ_COMMENT, WRITE_COMMENT = "read:comment:confluence", "write:comment:confluence"
READ_LABEL, WRITE_LABEL = "read:label:confluence", "write:label:confluence"
READ_DETAILS = "read:content-details:confluence"

_NOT_BY_READING = "Only doing it would prove it, and verification changes nothing at Confluence."


def _all(*scopes: str) -> dict[str, tuple[str, ...]]:
    return {OAUTH: scopes, TOKEN: scopes, UNSCOPED: ()}


CAPABILITIES = (
    Capability(
        key="account-read",
        title="See who is linked and which sites",
        why="Shows whose account this is and which sites it reaches, so that you can choose.",
        scopes={OAUTH: ("read:me",), TOKEN: (READ_DETAILS,), UNSCOPED: ()},
        labels={OAUTH: ("View active user profile",), TOKEN: (READ_DETAILS,), UNSCOPED: ()},
        proof="GET me, or GET wiki/rest/api/user/current",
        minimal=True,
    ),
    Capability(
        key="spaces-read",
        title="Read spaces",
        why="Lists spaces, so that you can choose where pages go.",
        scopes=_all(READ_SPACE),
        labels=_all(READ_SPACE),
        proof="GET wiki/api/v2/spaces?limit=1",
        minimal=True,
    ),
    Capability(
        key="pages-read",
        title="Read pages",
        why="Reads pages with their comments and labels, to find the one that is meant.",
        scopes=_all(READ_PAGE, READ_COMMENT, READ_LABEL),
        labels=_all(READ_PAGE, READ_COMMENT, READ_LABEL),
        proof="GET wiki/api/v2/pages?limit=1",
    ),
    Capability(
        key="search",
        title="Search content",
        why="Finds pages by label and space.",
        scopes=_all(READ_DETAILS),
        labels=_all(READ_DETAILS),
        proof="GET wiki/rest/api/search?cql=type%3Dpage&limit=1",
    ),
    Capability(
        key="pages-write",
        title="Write pages, comments and labels",
        why="Keeps release notes and links to code on pages, labels them, and comments on them.",
        scopes=_all(READ_PAGE, WRITE_PAGE, WRITE_COMMENT, READ_LABEL, WRITE_LABEL),
        labels=_all(READ_PAGE, WRITE_PAGE, WRITE_COMMENT, READ_LABEL, WRITE_LABEL),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
)
