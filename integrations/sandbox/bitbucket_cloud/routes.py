"""Which path answers what, and which scopes it asks for in each vocabulary.

Scopes as in Bitbucket's OpenAPI document of August 2026; an empty tuple asks for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.bitbucket_cloud import (
    build_endpoints,
    code_endpoints,
    endpoints,
    hook_endpoints,
    permission_endpoints,
    review_endpoints,
)
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.errors import gone, not_found
from integrations.sandbox.bitbucket_cloud.paging import Listing
from integrations.sandbox.http import Response

Endpoint = Callable[[Call], dict[str, Any] | Listing | Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One path and method; `resource` names the request budget it draws from."""

    method: str
    template: str
    oauth: tuple[str, ...]
    granular: tuple[str, ...]
    endpoint: Endpoint
    pattern: re.Pattern[str]
    resource: str


def route(
    template: str, oauth: str, granular: str, endpoint: Endpoint, method: str = "GET"
) -> Route:
    """Build a route; scopes are written as words, granular ones for reading without their verb.

    The name of a ref may hold slashes, percent-encoded or not.
    """
    path = re.sub(r"\{(name|revision)\}", r"(?P<\1>.+?)", template)
    pattern = re.compile("/2.0" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "/?")
    words = tuple(
        f"{thing}:bitbucket" if ":" in thing else f"read:{thing}:bitbucket"
        for thing in granular.split()
    )
    resource = resource_of(template)
    return Route(method, template, tuple(oauth.split()), words, endpoint, pattern, resource)


def resource_of(template: str) -> str:
    if "/hooks" in template or template.startswith("/hook_events"):
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
COMMIT = REPOSITORY + "/commit/{commit}"
PULL_REQUEST = REPOSITORY + "/pullrequests/{pull_request_id}"
PROJECT = "/workspaces/{workspace}/projects/{project_key}"
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
    route(PROJECT, "project", "project", endpoints.project),
    route(PROJECT + "/permissions-config/users", "project:admin", "project",
          permission_endpoints.project_users),
    route(PROJECT + "/permissions-config/groups", "project:admin", "project",
          permission_endpoints.project_groups),
    route("/workspaces/{workspace}/permissions/repositories", "account", "repository",
          permission_endpoints.of_workspace),
    route("/workspaces/{workspace}/permissions/repositories/{repo_slug}", "repository",
          "repository", permission_endpoints.of_repository),
    route("/repositories/{workspace}", "repository", "repository", endpoints.repositories),
    route(REPOSITORY, "repository", "repository", endpoints.repository),
    *(
        one
        for place in ("/workspaces/{workspace}/hooks", REPOSITORY + "/hooks")
        for one in (
            route(place, "webhook", "webhook", hook_endpoints.hooks),
            route(place, "webhook", "webhook write:webhook", hook_endpoints.create, "POST"),
            route(place + "/{uid}", "webhook", "webhook", hook_endpoints.hook),
            route(place + "/{uid}", "webhook", "webhook write:webhook", hook_endpoints.update,
                  "PUT"),
            route(place + "/{uid}", "webhook", "delete:webhook", hook_endpoints.delete,
                  "DELETE"),
        )
    ),
    # Code.
    route(REPOSITORY + "/refs", "repository", "repository", code_endpoints.refs),
    route(REPOSITORY + "/refs/branches", "repository", "repository", code_endpoints.branches),
    route(REPOSITORY + "/refs/branches", "repository:write", "repository write:repository",
          code_endpoints.make_branch, "POST"),
    route(REPOSITORY + "/refs/branches/{name}", "repository", "repository",
          code_endpoints.branch),
    route(REPOSITORY + "/refs/tags", "repository", "repository", code_endpoints.tags),
    route(REPOSITORY + "/refs/tags/{name}", "repository", "repository", code_endpoints.tag),
    route(REPOSITORY + "/commits", "repository", "repository", code_endpoints.commits),
    route(REPOSITORY + "/commits", "repository", "repository", code_endpoints.commits, "POST"),
    route(REPOSITORY + "/commits/{revision}", "repository", "repository",
          code_endpoints.commits),
    route(REPOSITORY + "/commits/{revision}", "repository", "repository",
          code_endpoints.commits, "POST"),
    route(COMMIT, "repository", "repository", code_endpoints.commit),
    route(COMMIT + "/pullrequests", "pullrequest", "pullrequest",
          code_endpoints.commit_pull_requests),
    route(COMMIT + "/statuses", "repository", "repository", code_endpoints.statuses),
    route(COMMIT + "/statuses/build", "repository", "repository",
          code_endpoints.report_status, "POST"),
    route(COMMIT + "/statuses/build/{key}", "repository", "repository", code_endpoints.status),
    # Reviews.
    route(REPOSITORY + "/pullrequests", "pullrequest", "pullrequest",
          review_endpoints.pull_requests),
    route(REPOSITORY + "/pullrequests/activity", "pullrequest", "pullrequest",
          review_endpoints.all_activity),
    route(PULL_REQUEST, "pullrequest", "pullrequest", review_endpoints.pull_request),
    route(PULL_REQUEST + "/activity", "pullrequest", "pullrequest", review_endpoints.activity),
    route(PULL_REQUEST + "/commits", "pullrequest", "pullrequest", review_endpoints.commits),
    route(PULL_REQUEST + "/comments", "pullrequest", "pullrequest", review_endpoints.comments),
    route(PULL_REQUEST + "/statuses", "pullrequest", "pullrequest", review_endpoints.statuses),
    # Builds.
    route(REPOSITORY + "/pipelines", "pipeline", "pipeline", build_endpoints.pipelines),
    route(REPOSITORY + "/pipelines/{pipeline_uuid}", "pipeline", "pipeline",
          build_endpoints.pipeline),
    route(REPOSITORY + "/pipelines/{pipeline_uuid}/steps", "pipeline", "pipeline",
          build_endpoints.steps),
    route(REPOSITORY + "/pipelines/{pipeline_uuid}/steps/{step_uuid}", "pipeline", "pipeline",
          build_endpoints.step),
    route(REPOSITORY + "/environments", "pipeline", "pipeline", build_endpoints.environments),
    route(REPOSITORY + "/environments/{environment_uuid}", "pipeline", "pipeline",
          build_endpoints.environment),
    route(REPOSITORY + "/deployments", "pipeline", "pipeline", build_endpoints.deployments),
    route(REPOSITORY + "/deployments/{deployment_uuid}", "pipeline", "pipeline",
          build_endpoints.deployment),
    # Permissions.
    route(REPOSITORY + "/permissions-config/users", "repository:admin", "repository",
          permission_endpoints.repository_users),
    route(REPOSITORY + "/permissions-config/users/{selected_user_id}", "repository:admin",
          "repository", permission_endpoints.repository_user),
    route(REPOSITORY + "/permissions-config/groups", "repository:admin", "repository",
          permission_endpoints.repository_groups),
    route(REPOSITORY + "/permissions-config/groups/{group_slug}", "repository:admin",
          "repository", permission_endpoints.repository_group),
    route(REPOSITORY + "/issues", "", "", retired),
    route(REPOSITORY + "/wiki", "", "", retired),
    route("/hook_events", "", "", hook_endpoints.hook_events),
    route("/hook_events/{subject_type}", "", "", hook_endpoints.hook_events_of),
    # Cross-workspace lists, removed on 14 April 2026.
    route("/workspaces", "", "", removed("CHANGE-2770")),
    route("/repositories", "", "", removed("CHANGE-2770")),
    route("/user/permissions/workspaces", "", "", removed("CHANGE-2770")),
    route("/user/permissions/repositories", "", "", removed("CHANGE-2770")),
)  # fmt: skip
# Lists that a caller without credentials may read, as far as they are public.
OPEN_TO_ALL = {
    "/repositories/{workspace}", REPOSITORY, REPOSITORY + "/refs/branches",
    REPOSITORY + "/refs/tags", REPOSITORY + "/commits", COMMIT, COMMIT + "/statuses",
    REPOSITORY + "/pullrequests", PULL_REQUEST, REPOSITORY + "/pipelines",
}  # fmt: skip


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a percent-encoded path and its still encoded parameters.

    When the path exists without the method, it is the route of another method.
    """
    other = None
    for candidate in ROUTES:
        found = candidate.pattern.fullmatch(path)
        if found is not None:
            if candidate.method == ("GET" if method == "HEAD" else method):
                return candidate, found.groupdict()
            other = other or (candidate, found.groupdict())
    return other


def methods(template: str) -> list[str]:
    """Return what may be asked at a path."""
    allowed = {one.method for one in ROUTES if one.template == template}
    return sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))
