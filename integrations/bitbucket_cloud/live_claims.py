"""What we believe of Bitbucket Cloud, as data: endpoints that answer, endpoints that are gone,
behaviours no source settles. The sandbox has a switch for each of the behaviours.
"""

from __future__ import annotations

REPOSITORY = "repositories/{workspace}/{repository}"
CHANGED = "updated_on%3E2020-01-01T00%3A00%3A00%2B00%3A00"

# key, path, claim. A page is asked for with the size we use.
ENDPOINTS = (
    ("user", "user", "GET /user says who we are"),
    ("emails", "user/emails", "GET /user/emails lists addresses"),
    ("workspaces", "user/workspaces?pagelen=100", "GET /user/workspaces lists workspaces"),
    ("permission", "user/workspaces/{workspace}/permission", "A workspace tells our permission"),
    (
        "own_repositories",
        "user/workspaces/{workspace}/permissions/repositories?pagelen=100",
        "A workspace tells our permission on repositories",
    ),
    ("workspace", "workspaces/{workspace}", "A workspace is read by its slug"),
    ("workspace_uuid", "workspaces/{workspace_uuid}", "A workspace is read by its uuid"),
    ("members", "workspaces/{workspace}/members?pagelen=100", "Members come by the hundred"),
    ("permissions", "workspaces/{workspace}/permissions?pagelen=100", "Members' permissions"),
    ("projects", "workspaces/{workspace}/projects?pagelen=100", "Projects come by the hundred"),
    ("project", "workspaces/{workspace}/projects/{project}", "A project is read by its key"),
    ("workspace_hooks", "workspaces/{workspace}/hooks?pagelen=100", "Workspace webhooks"),
    (
        "repositories",
        "repositories/{workspace}?pagelen=100",
        "Repositories come by the hundred",
    ),
    (
        "repositories_of_project",
        "repositories/{workspace}?pagelen=100&q=project.key%3D%22{project}%22",
        "Repositories can be asked for by project",
    ),
    ("repository", REPOSITORY, "A repository is read by its slug"),
    (
        "changed_repositories",
        "repositories/{workspace}?pagelen=100&sort=created_on&q=" + CHANGED,
        "Repositories can be asked for by when they changed",
    ),
    ("refs", REPOSITORY + "/refs?pagelen=100", "One list has branches and tags"),
    ("branches", REPOSITORY + "/refs/branches?pagelen=100", "Branches come by the hundred"),
    ("commits", REPOSITORY + "/commits?pagelen=100", "Commits come by the hundred"),
    ("pullrequests", REPOSITORY + "/pullrequests?pagelen=50", "Pull requests come by the fifty"),
    (
        "changed_pullrequests",
        REPOSITORY + "/pullrequests?pagelen=50&state=OPEN&state=MERGED&sort=created_on"
        "&fields=next%2Cvalues.id%2Cvalues.participants.approved&q=" + CHANGED,
        "Pull requests can be asked for by when they changed, with participants",
    ),
    (
        "pipelines",
        REPOSITORY + "/pipelines?sort=-created_on&pagelen=100",
        "Pipelines come by the hundred, newest first",
    ),
    ("deployments", REPOSITORY + "/deployments?pagelen=100", "Deployments come by the hundred"),
    ("environments", REPOSITORY + "/environments?pagelen=100", "Environments have names"),
    ("hooks", REPOSITORY + "/hooks?pagelen=100", "Webhooks of a repository"),
    (
        "repository_users",
        REPOSITORY + "/permissions-config/users?pagelen=100",
        "Permissions of a repository",
    ),
    (
        "repository_groups",
        REPOSITORY + "/permissions-config/groups?pagelen=100",
        "Permissions of groups on a repository",
    ),
    ("hook_events", "hook_events", "The catalogue of webhook events is public"),
)

REMOVED = (
    ("removed_workspaces", "workspaces", "GET /workspaces answers 410 and its announcement"),
    ("removed_repositories", "repositories", "GET /repositories answers 410"),
    (
        "removed_workspace_permissions",
        "user/permissions/workspaces",
        "GET /user/permissions/workspaces answers 410",
    ),
    (
        "removed_repository_permissions",
        "user/permissions/repositories",
        "GET /user/permissions/repositories answers 410",
    ),
)

BEHAVIOURS = {
    "workspace_shape": "Items of /user/workspaces tell administrator, and no name",
    "is_personal": "A workspace tells whether it is personal",
    "access_token_user": "An access token may not read /user, yet the headers name its scopes",
    "oauth_credential_type": "X-Credential-Type says oauth2 for an OAuth token",
    "collapse_scopes": "X-OAuth-Scopes leaves out what another of its scopes implies",
    "accepted_scopes": "X-Accepted-OAuth-Scopes names what an endpoint asks for",
    "api_token_as_bearer": "An API token works as Bearer too",
    "rate_limit": "X-RateLimit-Limit says 1000",
    "anonymous_rate_limit": "X-RateLimit-Limit says 60 without a credential",
    "page_limit": "A page of 51 pull requests is refused",
    "next_link": "The link to the next page leads to the same place, and works",
    "missing_repository": "A missing repository is 404 in JSON",
    "missing_pull_request": "A missing pull request is 404 in plain text",
    "removed_status": "Native issues and wiki answer 404 or 410",
    "permissions_by_uuid": "Workspace permissions want the slug and refuse the uuid",
    "compress": "Answers are compressed",
}

TOKEN_CLAIMS = {
    "scope_key": "A token answer says scope, not scopes",
    "access_token_seconds": "An access token lives 3600 or 7200 seconds",
    "token_length": "Access tokens may be longer than 2,500 characters",
    "token_state": "A token answer has a state",
}

_BROWSER = "Needs a person's consent in a browser; link by OAuth once and look at the record."
_SPENDING = "Would spend a refresh token or wait for months."
_EXHAUSTING = "Would use up the account's hourly budget."
_GONE = "Nobody can make an app password any more to try it with."
_CHANGING = "Needs something changed at Bitbucket, which we only read."

UNTRIED = {
    "narrow_scopes": ("scope= on authorize narrows what the consumer ticked", _BROWSER),
    "code_seconds": ("An authorization code lives ten minutes", _BROWSER),
    "verify_pkce": ("A code_challenge that was sent is enforced", _BROWSER),
    "denial_error": ("A refused consent comes back as access_denied", _BROWSER),
    "rotation": ("Each refresh gives a new refresh token", _SPENDING),
    "refresh_grace_seconds": ("A spent refresh token works for ten minutes", _SPENDING),
    "grace_returns": ("A refresh token used again gives a newer pair", _SPENDING),
    "refresh_reuse": ("A spent refresh token used again harms no other token", _SPENDING),
    "refresh_ends_access": ("A refresh leaves the former access token alone", _SPENDING),
    "refresh_idle_seconds": ("An unused refresh token dies after three months", _SPENDING),
    "dead_refresh_error": ("A dead refresh token is invalid_grant", _SPENDING),
    "dead_refresh_status": ("A dead refresh token is a 400", _SPENDING),
    "rate_limit_answer": ("429 is plain text without Retry-After", _EXHAUSTING),
    "retry_after_seconds": ("Retry-After is not sent", _EXHAUSTING),
    "app_passwords_end": ("App passwords answer 401 since 28 July 2026", _GONE),
    "not_modified_counts": ("A 304 costs as much as a 200", _EXHAUSTING),
    "commit_links": ("The pull requests of a commit are indexed", _CHANGING),
    "q_replaces_state": ("A q that names state replaces the default OPEN", _CHANGING),
    "approvals_move_pull_request": ("An approval moves the pull request's updated_on", _CHANGING),
    "pull_requests_move_repository": (
        "A pull request leaves the repository's updated_on alone",
        _CHANGING,
    ),
}
