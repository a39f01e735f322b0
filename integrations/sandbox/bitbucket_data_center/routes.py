"""Every path below /rest that answers, with the permission a credential must hold for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.bitbucket_data_center import endpoints, tokens
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
    route("GET", REPOSITORY + "/pull-requests", "REPO_READ", endpoints.pull_requests),
    route("GET", REPOSITORY + "/webhooks", "REPO_ADMIN", endpoints.webhooks),
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
