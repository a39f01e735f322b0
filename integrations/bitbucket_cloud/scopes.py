"""What a person may want from Bitbucket Cloud, and what it costs in its three scope languages.

OAuth consumers and access tokens share words; API tokens have their own. Scopes per endpoint are
those of Bitbucket's OpenAPI document of August 2026.
"""

from __future__ import annotations

from connections.contracts import Capability

OAUTH = "oauth"
API_TOKEN = "api_token"
ACCESS_TOKEN = "access_token"

# https://developer.atlassian.com/cloud/bitbucket/rest/intro/
# `repository:admin` and `project:admin` imply nothing. The lines on account, pipelines and runners
# are observed, not documented (TruffleHog's analyzer; recorded headers), and needed because
# X-OAuth-Scopes names only the strongest of a family. Scopes of API tokens imply nothing at all.
IMPLIES: dict[str, tuple[str, ...]] = {
    "project": ("repository",),
    "repository:write": ("repository",),
    "pullrequest": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write"),
    "account:write": ("account",),
    "issue:write": ("issue",),
    "snippet:write": ("snippet",),
    "pipeline:write": ("pipeline",),
    "pipeline:variable": ("pipeline:write", "pipeline"),
    "runner:write": ("runner",),
}

# https://developer.atlassian.com/cloud/bitbucket/rest/intro/
REPOSITORY_TOKEN_OFFERS = frozenset(
    {
        "repository",
        "repository:write",
        "repository:admin",
        "repository:delete",
        "pullrequest",
        "pullrequest:write",
        "webhook",
        "pipeline",
        "pipeline:write",
        "pipeline:variable",
        "runner",
        "runner:write",
    }
)
PROJECT_TOKEN_OFFERS = REPOSITORY_TOKEN_OFFERS | {"project"}
WORKSPACE_TOKEN_OFFERS = PROJECT_TOKEN_OFFERS | {"project:admin", "account"}

_NOT_BY_READING = "Only doing it would prove it, and verification changes nothing at Bitbucket."


def _shared(*scopes: str, granular: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {OAUTH: scopes, ACCESS_TOKEN: scopes, API_TOKEN: granular}


def _boxes(*boxes: str, granular: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {OAUTH: boxes, ACCESS_TOKEN: boxes, API_TOKEN: granular}


_READ_REPOSITORY = ("read:repository:bitbucket",)
_WRITE_REPOSITORY = ("write:repository:bitbucket", *_READ_REPOSITORY)
_READ_WORKSPACE = ("read:workspace:bitbucket",)
_READ_IDENTITY = ("read:user:bitbucket", *_READ_WORKSPACE)
_READ_PROJECT = ("read:project:bitbucket",)
_READ_PULL_REQUEST = ("read:pullrequest:bitbucket", *_READ_REPOSITORY)
_WRITE_PULL_REQUEST = ("write:pullrequest:bitbucket", *_READ_PULL_REQUEST)
_READ_PIPELINE = ("read:pipeline:bitbucket",)
_WRITE_PIPELINE = ("write:pipeline:bitbucket", *_READ_PIPELINE)
_WEBHOOKS = ("read:webhook:bitbucket", "write:webhook:bitbucket", "delete:webhook:bitbucket")

_READING = (
    Capability(
        key="repositories-read",
        title="Read repositories",
        why="Lists repositories with their main branch, and reads their commits and build results.",
        scopes=_shared("repository", granular=_READ_REPOSITORY),
        labels=_boxes("Repositories: Read", granular=_READ_REPOSITORY),
        probe="repositories/{workspace}?pagelen=1",
        minimal=True,
    ),
    Capability(
        key="workspaces-read",
        title="See who is linked and which workspaces",
        why="Shows whose account this is and which workspaces it reaches, so that you can choose.",
        scopes={OAUTH: ("account",), API_TOKEN: _READ_IDENTITY, ACCESS_TOKEN: ()},
        labels={OAUTH: ("Account: Read",), API_TOKEN: _READ_IDENTITY, ACCESS_TOKEN: ()},
        probe="workspaces/{workspace}",
        minimal=True,
    ),
    Capability(
        key="members-read",
        title="See workspace members",
        why="Lists who belongs to a workspace, so that changes can be matched to people.",
        scopes=_shared("account", granular=_READ_WORKSPACE),
        labels=_boxes("Account: Read", granular=_READ_WORKSPACE),
        probe="workspaces/{workspace}/members?pagelen=1",
    ),
    Capability(
        key="projects-read",
        title="Read projects",
        why="Lists projects, so that repositories appear grouped as they are at Bitbucket.",
        scopes=_shared("project", granular=_READ_PROJECT),
        labels=_boxes("Projects: Read", granular=_READ_PROJECT),
        probe="workspaces/{workspace}/projects?pagelen=1",
    ),
    Capability(
        key="pullrequests-read",
        title="Read pull requests",
        why="Reads pull requests with reviewers and approvals. The repository scope alone does not "
        "open them.",
        scopes=_shared("pullrequest", granular=_READ_PULL_REQUEST),
        labels=_boxes("Pull requests: Read", granular=_READ_PULL_REQUEST),
        probe="repositories/{workspace}/{repository}/pullrequests?pagelen=1",
    ),
    Capability(
        key="pipelines-read",
        title="Read pipelines and deployments",
        why="Reads pipeline runs, environments and deployments.",
        scopes=_shared("pipeline", granular=_READ_PIPELINE),
        labels=_boxes("Pipelines: Read", granular=_READ_PIPELINE),
        probe="repositories/{workspace}/{repository}/pipelines?pagelen=1",
    ),
)

_CHANGING = (
    Capability(
        key="permissions-read",
        title="See repository permissions",
        why="Reads who may read, write and administer a repository. For OAuth, Bitbucket has no "
        "smaller scope for this than repository administration, which can also change settings.",
        scopes={OAUTH: ("repository:admin",), API_TOKEN: _READ_REPOSITORY},
        labels={OAUTH: ("Repositories: Admin",), API_TOKEN: _READ_REPOSITORY},
        probe="repositories/{workspace}/{repository}/permissions-config/users?pagelen=1",
        writes=True,
        unavailable={
            ACCESS_TOKEN: "Access tokens cannot read permissions. Use OAuth or an API "
            "token of a repository administrator."
        },
    ),
    Capability(
        key="webhooks-manage",
        title="Manage webhooks",
        why="Creates, repairs and removes the webhooks that tell us about changes at once.",
        scopes=_shared("webhook", granular=_WEBHOOKS),
        labels=_boxes("Webhooks: Read and write", granular=_WEBHOOKS),
        probe="repositories/{workspace}/{repository}/hooks?pagelen=1",
        writes=True,
    ),
    Capability(
        key="statuses-write",
        title="Set build statuses",
        why="Reports results of builds on commits. Bitbucket asks for no more than the scope that "
        "reads repositories, and for write access of the account itself.",
        scopes=_shared("repository", granular=_READ_REPOSITORY),
        labels=_boxes("Repositories: Read", granular=_READ_REPOSITORY),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="branches-create",
        title="Create branches",
        why="Makes a branch in the name of the linked account when somebody asks for it at an "
        "issue. The same scope could push.",
        scopes=_shared("repository:write", granular=_WRITE_REPOSITORY),
        labels=_boxes("Repositories: Write", granular=_WRITE_REPOSITORY),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="pullrequests-write",
        title="Comment on and approve pull requests",
        why="Comments, approves and updates pull requests in the name of the linked account. "
        "Bitbucket grants writing to repositories along with it.",
        scopes=_shared("pullrequest:write", granular=_WRITE_PULL_REQUEST),
        labels=_boxes("Pull requests: Write", granular=_WRITE_PULL_REQUEST),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="pipelines-run",
        title="Run and stop pipelines",
        why="Starts and stops pipelines in the name of the linked account.",
        scopes=_shared("pipeline:write", granular=_WRITE_PIPELINE),
        labels=_boxes("Pipelines: Write", granular=_WRITE_PIPELINE),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
)

CAPABILITIES = _READING + _CHANGING
