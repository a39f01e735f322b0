"""What a person may want from Bitbucket Data Center, and what it costs in its three languages.

OAuth and HTTP access tokens share words; a password knows none, and can what its account can.
"""

from __future__ import annotations

from connections.contracts import Capability

OAUTH = "oauth"
TOKEN = "http_token"
PASSWORD = "password"

# https://confluence.atlassian.com/bitbucketserver/http-access-tokens-939515499.html: project
# permissions are inherited by the project's repositories. For OAuth scopes the same page of
# incoming links says that each includes the weaker ones.
IMPLIES: dict[str, tuple[str, ...]] = {
    "PROJECT_ADMIN": ("PROJECT_WRITE", "REPO_ADMIN"),
    "PROJECT_WRITE": ("PROJECT_READ", "REPO_WRITE"),
    "PROJECT_READ": ("REPO_READ",),
    "REPO_ADMIN": ("REPO_WRITE",),
    "REPO_WRITE": ("REPO_READ",),
    "REPO_READ": ("PUBLIC_REPOS",),
}

REPOSITORY_TOKEN_OFFERS = frozenset({"REPO_READ", "REPO_WRITE", "REPO_ADMIN"})
PROJECT_TOKEN_OFFERS = REPOSITORY_TOKEN_OFFERS | {"PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"}
USER_TOKEN_OFFERS = PROJECT_TOKEN_OFFERS

_NOT_BY_READING = "Only doing it would prove it, and verification changes nothing at Bitbucket."
_REPOSITORY = "api/latest/projects/{workspace}/repos/{repository}"


def _words(*scopes: str) -> dict[str, tuple[str, ...]]:
    return {OAUTH: scopes, TOKEN: scopes, PASSWORD: ()}


def _boxes(oauth: str, token: str) -> dict[str, tuple[str, ...]]:
    return {OAUTH: (oauth,), TOKEN: (token,), PASSWORD: ()}


_READ = _boxes("Repositories: Read", "Repository permissions: Repository read")
_WRITE = _boxes("Repositories: Write", "Repository permissions: Repository write")
_ADMIN = _boxes("Repositories: Admin", "Repository permissions: Repository admin")
_PROJECT_ADMIN = _boxes("Projects: Admin", "Project permissions: Project admin")

CAPABILITIES = (
    Capability(
        key="repositories-read",
        title="Read repositories",
        why="Lists repositories, and reads their branches, commits and build results.",
        scopes=_words("REPO_READ"),
        labels=_READ,
        probe=_REPOSITORY,
        minimal=True,
    ),
    Capability(
        key="projects-read",
        title="See who is linked and which projects",
        why="Shows whose account this is and which projects it reaches, so that you can choose.",
        scopes=_words("REPO_READ"),
        labels=_READ,
        probe="api/latest/projects/{workspace}",
        minimal=True,
    ),
    Capability(
        key="pullrequests-read",
        title="Read pull requests",
        why="Reads pull requests with reviewers and approvals.",
        scopes=_words("REPO_READ"),
        labels=_READ,
        probe=_REPOSITORY + "/pull-requests?limit=1",
    ),
    Capability(
        key="members-read",
        title="See project members",
        why="Lists who was given a project, so that changes can be matched to people. Bitbucket "
        "shows this to project administrators only.",
        scopes=_words("PROJECT_ADMIN"),
        labels=_PROJECT_ADMIN,
        probe="api/latest/projects/{workspace}/permissions/users?limit=1",
        writes=True,
    ),
    Capability(
        key="permissions-read",
        title="See repository permissions",
        why="Reads who may read, write and administer a repository. Bitbucket shows this to its "
        "administrators only.",
        scopes=_words("REPO_ADMIN"),
        labels=_ADMIN,
        probe=_REPOSITORY + "/permissions/users?limit=1",
        writes=True,
    ),
    Capability(
        key="webhooks-manage",
        title="Manage webhooks",
        why="Creates, repairs and removes the webhooks that tell us about changes at once.",
        scopes=_words("REPO_ADMIN"),
        labels=_ADMIN,
        probe=_REPOSITORY + "/webhooks",
        writes=True,
    ),
    Capability(
        key="statuses-write",
        title="Set build statuses",
        why="Reports results of builds on commits. Bitbucket asks for no more than reading.",
        scopes=_words("REPO_READ"),
        labels=_READ,
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="branches-create",
        title="Create branches",
        why="Makes a branch in the name of the linked account when somebody asks for it at an "
        "issue. The same permission could push.",
        scopes=_words("REPO_WRITE"),
        labels=_WRITE,
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="pullrequests-write",
        title="Comment on and approve pull requests",
        why="Comments, approves and updates pull requests in the name of the linked account.",
        scopes=_words("REPO_WRITE"),
        labels=_WRITE,
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
)
