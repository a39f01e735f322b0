"""What a person may want from Jira Cloud, and what it costs in each of its scope languages.

Consents and tokens share the classic words; a token without scopes has none, and what a site's own
OAuth credentials may do is ticked when they are made. Scopes per endpoint are those of Jira's
OpenAPI documents.
"""

from __future__ import annotations

from connections.contracts import Capability
from integrations.atlassian import OAUTH, TOKEN, UNSCOPED

SITE_TICKS = "site"

DEVINFO, BUILDS, DEPLOYMENTS = "development information", "builds", "deployments"

READ_WORK, WRITE_WORK, READ_USER = "read:jira-work", "write:jira-work", "read:jira-user"

_ONLY_DEVELOPMENT = (
    "A site's OAuth credentials open development information, builds and deployments, and nothing "
    "else."
)
_ONLY_SITE = (
    "Jira takes development information from a site's own OAuth credentials only, not from people "
    "or their tokens. Issue links can be written instead."
)


def _by_scope(*scopes: str) -> dict[str, tuple[str, ...]]:
    return {OAUTH: scopes, TOKEN: scopes, UNSCOPED: ()}


CAPABILITIES = (
    Capability(
        key="account-read",
        title="See who is linked and which sites",
        why="Shows whose account this is and which Jira sites it reaches, so that you can choose.",
        scopes={OAUTH: ("read:me",), TOKEN: (READ_USER,), UNSCOPED: (), SITE_TICKS: ()},
        labels={
            OAUTH: ("View active user profile",),
            TOKEN: (READ_USER,),
            UNSCOPED: (),
            SITE_TICKS: (),
        },
        proof="GET me, or GET rest/api/3/myself",
        minimal=True,
    ),
    Capability(
        key="projects-read",
        title="Read projects",
        why="Lists projects with their keys, so that you see where an issue key leads.",
        scopes=_by_scope(READ_WORK),
        labels={OAUTH: ("View Jira issue data",), TOKEN: (READ_WORK,), UNSCOPED: ()},
        proof="GET rest/api/3/project/search?maxResults=1",
        minimal=True,
        unavailable={SITE_TICKS: _ONLY_DEVELOPMENT},
    ),
    Capability(
        key="issues-read",
        title="Read issues",
        why="Finds out whether an issue exists and what state it is in.",
        scopes=_by_scope(READ_WORK),
        labels={OAUTH: ("View Jira issue data",), TOKEN: (READ_WORK,), UNSCOPED: ()},
        proof="GET rest/api/3/mypermissions: BROWSE_PROJECTS in some project",
        unavailable={SITE_TICKS: _ONLY_DEVELOPMENT},
    ),
    Capability(
        key="people-read",
        title="Find people",
        why="Finds the person behind a commit's e-mail address, so that a command in its message "
        "runs for the right one.",
        scopes=_by_scope(READ_USER),
        labels={OAUTH: ("View user profiles",), TOKEN: (READ_USER,), UNSCOPED: ()},
        proof="GET rest/api/3/user/search?query=a&maxResults=1",
        unavailable={SITE_TICKS: _ONLY_DEVELOPMENT},
    ),
    Capability(
        key="relay-development",
        title="Write the development panel",
        why="Shows branches, commits, pull requests, builds and deployments on the issues they "
        "name.",
        scopes={SITE_TICKS: (DEVINFO, BUILDS, DEPLOYMENTS)},
        labels={SITE_TICKS: ("Development information", "Builds", "Deployments")},
        proof="GET of what no one wrote: a property, a build and a deployment",
        writes=True,
        unavailable={OAUTH: _ONLY_SITE, TOKEN: _ONLY_SITE, UNSCOPED: _ONLY_SITE},
    ),
    Capability(
        key="relay-links",
        title="Write links, comments, worklogs and transitions",
        why="Links pull requests on the issues they name where there is no development panel, and "
        "does what commands in commit messages ask for.",
        scopes=_by_scope(READ_WORK, WRITE_WORK),
        labels={
            OAUTH: ("View Jira issue data", "Create and manage issues"),
            TOKEN: (READ_WORK, WRITE_WORK),
            UNSCOPED: (),
        },
        proof="GET rest/api/3/mypermissions: LINK_ISSUES, ADD_COMMENTS, WORK_ON_ISSUES and "
        "TRANSITION_ISSUES in some project",
        writes=True,
        unavailable={SITE_TICKS: _ONLY_DEVELOPMENT},
    ),
)
