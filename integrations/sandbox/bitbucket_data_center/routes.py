"""Every path below /rest that answers, with the permission a credential must hold for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.bitbucket_data_center import (
    code_endpoints,
    endpoints,
    hook_endpoints,
    review_endpoints,
    tokens,
)
from integrations.sandbox.bitbucket_data_center.call import Call

Endpoint = Callable[[Call], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Route:
    """`needs` is a permission; strangers are asked for none, they see what is public."""

    method: str
    template: str
    needs: str
    endpoint: Endpoint
    pattern: re.Pattern[str]


def route(method: str, template: str, needs: str, endpoint: Endpoint) -> Route:
    spelled = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
    pattern = re.compile(spelled.replace("/latest/", "/(?:latest|1\\.0)/") + "/?")
    return Route(method, template, needs, endpoint, pattern)


PROJECT = "/api/latest/projects/{projectKey}"
REPOSITORY = PROJECT + "/repos/{repositorySlug}"
COMMIT = REPOSITORY + "/commits/{commitId}"
PULL_REQUEST = REPOSITORY + "/pull-requests/{pullRequestId}"
USER_TOKENS = "/access-tokens/latest/users/{userSlug}"
PROJECT_TOKENS = "/access-tokens/latest/projects/{projectKey}"
REPOSITORY_TOKENS = PROJECT_TOKENS + "/repos/{repositorySlug}"

ROUTES = (
    route("GET", "/api/latest/application-properties", "", endpoints.application_properties),
    route("GET", "/api/latest/projects", "REPO_READ", endpoints.projects),
    route("GET", PROJECT, "REPO_READ", endpoints.project),
    route("GET", PROJECT + "/repos", "REPO_READ", endpoints.repositories),
    route("GET", PROJECT + "/permissions/users", "PROJECT_ADMIN", endpoints.permitted_users),
    route("GET", REPOSITORY, "REPO_READ", endpoints.repository),
    route("GET", PROJECT + "/permissions/groups", "PROJECT_ADMIN", endpoints.permitted_groups),
    route("GET", REPOSITORY + "/permissions/users", "REPO_ADMIN", endpoints.repository_users),
    route("GET", REPOSITORY + "/permissions/groups", "REPO_ADMIN", endpoints.repository_groups),
    route("GET", REPOSITORY + "/branches", "REPO_READ", code_endpoints.branches),
    route("POST", REPOSITORY + "/branches", "REPO_WRITE", code_endpoints.make_branch),
    route("GET", REPOSITORY + "/tags", "REPO_READ", code_endpoints.tags),
    route("GET", REPOSITORY + "/tags/{name}", "REPO_READ", code_endpoints.tag),
    route("GET", REPOSITORY + "/default-branch", "REPO_READ", code_endpoints.default_branch),
    route("GET", REPOSITORY + "/commits", "REPO_READ", code_endpoints.commits),
    route("GET", COMMIT, "REPO_READ", code_endpoints.commit),
    route("GET", COMMIT + "/pull-requests", "REPO_READ", code_endpoints.commit_pulls),
    route("GET", COMMIT + "/builds", "REPO_READ", code_endpoints.build),
    route("POST", COMMIT + "/builds", "REPO_READ", code_endpoints.report),
    route("GET", COMMIT + "/deployments", "REPO_READ", code_endpoints.deployment),
    route("GET", "/build-status/latest/commits/{commitId}", "", code_endpoints.builds),
    route("GET", REPOSITORY + "/pull-requests", "REPO_READ", review_endpoints.pull_requests),
    route("GET", PULL_REQUEST, "REPO_READ", review_endpoints.pull_request),
    route("GET", PULL_REQUEST + "/activities", "REPO_READ", review_endpoints.activities),
    *(
        each
        for place, needs in ((REPOSITORY, "REPO_ADMIN"), (PROJECT, "PROJECT_ADMIN"))
        for each in (
            route("GET", place + "/webhooks", needs, hook_endpoints.hooks),
            route("POST", place + "/webhooks", needs, hook_endpoints.create),
            route("POST", place + "/webhooks/test", needs, hook_endpoints.test),
            route("GET", place + "/webhooks/{webhookId}", needs, hook_endpoints.hook),
            route("PUT", place + "/webhooks/{webhookId}", needs, hook_endpoints.update),
            route("DELETE", place + "/webhooks/{webhookId}", needs, hook_endpoints.delete),
        )
    ),
    route("GET", "/api/latest/users", "", endpoints.users),
    route("GET", "/api/latest/users/{userSlug}", "", endpoints.user),
    route("GET", "/api/latest/inbox/pull-requests/count", "", endpoints.inbox_count),
    *(
        each
        for place in (USER_TOKENS, PROJECT_TOKENS, REPOSITORY_TOKENS)
        for each in (
            route("GET", place, "", tokens.listed),
            route("PUT", place, "", tokens.made),
            route("GET", place + "/{tokenId}", "", tokens.one),
            route("DELETE", place + "/{tokenId}", "", tokens.withdrawn),
        )
    ),
)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a path below /rest, still percent-encoded, with its parameters."""
    for candidate in ROUTES:
        found = candidate.pattern.fullmatch(path) if candidate.method == method else None
        if found is not None:
            return candidate, found.groupdict()
    return None
