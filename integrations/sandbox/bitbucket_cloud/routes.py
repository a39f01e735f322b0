"""Which path answers what, and which scopes it asks for in each vocabulary.

Scopes as in Bitbucket's OpenAPI document of August 2026; an empty tuple asks for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.bitbucket_cloud import endpoints
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.errors import gone, not_found
from integrations.sandbox.bitbucket_cloud.paging import Listing

Endpoint = Callable[[Call], dict[str, Any] | Listing]


@dataclass(frozen=True, slots=True)
class Route:
    """One path; `resource` names the request budget it draws from."""

    template: str
    oauth: tuple[str, ...]
    granular: tuple[str, ...]
    endpoint: Endpoint
    pattern: re.Pattern[str]
    resource: str


def route(template: str, oauth: str, granular: str, endpoint: Endpoint) -> Route:
    """Build a route; scopes are written as words."""
    pattern = re.compile("/2.0" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "/?")
    words = tuple(f"read:{thing}:bitbucket" for thing in granular.split())
    return Route(template, tuple(oauth.split()), words, endpoint, pattern, resource_of(template))


def resource_of(template: str) -> str:
    if template.endswith("/hooks") or template.startswith("/hook_events"):
        return "api-webhooks"
    return "api-repositories" if template.startswith("/repositories") else "api-other"


def removed(change: str) -> Endpoint:
    def endpoint(call: Call) -> dict[str, Any]:
        raise gone(change)

    return endpoint


def retired(call: Call) -> dict[str, Any]:
    """Native issues and wiki are gone; with which status is a switch."""
    if call.switches.removed_status == 410:
        raise gone("CHANGE-3110")
    call.repository()
    raise not_found("Resource not found")


REPOSITORY = "/repositories/{workspace}/{repo_slug}"
ROUTES = (
    route("/user", "account", "user", endpoints.user),
    route("/user/emails", "email", "user", endpoints.emails),
    route("/user/workspaces", "account", "workspace", endpoints.user_workspaces),
    route("/user/workspaces/{workspace}/permission", "account", "workspace",
          endpoints.user_permission),
    route("/user/workspaces/{workspace}/permissions/repositories", "account repository",
          "repository", endpoints.user_repository_permissions),
    route("/users/{selected_user}", "", "user", endpoints.other_user),
    route("/workspaces/{workspace}", "", "workspace", endpoints.workspace),
    route("/workspaces/{workspace}/members", "account", "workspace", endpoints.members),
    route("/workspaces/{workspace}/members/{member}", "account", "workspace", endpoints.member),
    route("/workspaces/{workspace}/permissions", "account", "workspace", endpoints.permissions),
    route("/workspaces/{workspace}/projects", "project", "project", endpoints.projects),
    route("/workspaces/{workspace}/projects/{project_key}", "project", "project",
          endpoints.project),
    route("/workspaces/{workspace}/hooks", "webhook", "webhook", endpoints.workspace_hooks),
    route("/repositories/{workspace}", "repository", "repository", endpoints.repositories),
    route(REPOSITORY, "repository", "repository", endpoints.repository),
    route(REPOSITORY + "/refs/branches", "repository", "repository", endpoints.branches),
    route(REPOSITORY + "/commits", "repository", "repository", endpoints.commits),
    route(REPOSITORY + "/pullrequests", "pullrequest", "pullrequest", endpoints.pull_requests),
    route(REPOSITORY + "/pullrequests/{pull_request_id}", "pullrequest", "pullrequest",
          endpoints.pull_request),
    route(REPOSITORY + "/pipelines", "pipeline", "pipeline", endpoints.pipelines),
    route(REPOSITORY + "/hooks", "webhook", "webhook", endpoints.hooks),
    route(REPOSITORY + "/permissions-config/users", "repository:admin", "repository",
          endpoints.repository_users),
    route(REPOSITORY + "/issues", "", "", retired),
    route(REPOSITORY + "/wiki", "", "", retired),
    route("/hook_events", "", "", endpoints.hook_events),
    route("/hook_events/{subject_type}", "", "", endpoints.hook_events_of),
    # Cross-workspace lists, removed on 14 April 2026.
    route("/workspaces", "", "", removed("CHANGE-2770")),
    route("/repositories", "", "", removed("CHANGE-2770")),
    route("/user/permissions/workspaces", "", "", removed("CHANGE-2770")),
    route("/user/permissions/repositories", "", "", removed("CHANGE-2770")),
)  # fmt: skip
# Lists that a caller without credentials may read, as far as they are public.
OPEN_TO_ALL = {
    "/repositories/{workspace}", REPOSITORY, REPOSITORY + "/refs/branches",
    REPOSITORY + "/commits", REPOSITORY + "/pullrequests", REPOSITORY + "/pipelines",
}  # fmt: skip


def find(path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a percent-encoded path and its still encoded parameters."""
    for candidate in ROUTES:
        found = candidate.pattern.fullmatch(path)
        if found is not None:
            return candidate, found.groupdict()
    return None
