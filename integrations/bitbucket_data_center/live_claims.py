"""What we believe of Bitbucket Data Center, as data: endpoints that answer, behaviours that no
source settles. The sandbox has a switch for each of those it can take either way.
"""

from __future__ import annotations

API = "api/latest"
PROJECT = API + "/projects/{project}"
REPOSITORY = PROJECT + "/repos/{repository}"

# key, path, claim. A page is asked for with the size we use.
ENDPOINTS = (
    ("properties", API + "/application-properties", "The server tells its version"),
    ("user", API + "/users/{user}", "The user whom the header names is read by that name"),
    ("projects", API + "/projects?start=0&limit=100", "Projects come by the hundred"),
    ("project", PROJECT, "A project is read by its key"),
    ("repositories", PROJECT + "/repos?start=0&limit=100", "Repositories come by the hundred"),
    ("repository", REPOSITORY, "A repository is read by its slug"),
    ("branches", REPOSITORY + "/branches?orderBy=ALPHABETICAL&limit=100", "Branches by name"),
    ("tags", REPOSITORY + "/tags?orderBy=ALPHABETICAL&limit=100", "Tags by name"),
    ("commits", REPOSITORY + "/commits?ignoreMissing=true&limit=1", "Commits of a repository"),
    ("pull_requests", REPOSITORY + "/pull-requests?limit=1", "Pull requests of a repository"),
    ("members", PROJECT + "/permissions/users?start=0&limit=100", "Who was given a project"),
    ("groups", PROJECT + "/permissions/groups?start=0&limit=100", "Groups that were given it"),
    (
        "repository_users",
        REPOSITORY + "/permissions/users?start=0&limit=100",
        "Who was given a repository",
    ),
    (
        "repository_groups",
        REPOSITORY + "/permissions/groups?start=0&limit=100",
        "Which groups were given a repository",
    ),
    ("webhooks", REPOSITORY + "/webhooks", "Webhooks of a repository"),
    ("own_tokens", "access-tokens/latest/users/{user}?start=0&limit=100", "A user's own tokens"),
    (
        "project_tokens",
        "access-tokens/latest/projects/{project}?start=0&limit=100",
        "A project's tokens, for its administrators",
    ),
)

BEHAVIOURS = {
    "version": "The server's line still gets security fixes",
    "user_header": "Every answer says in X-AUSERNAME to whom it was given",
    "refused_token": "A wrong bearer token counts as anonymous and is not refused",
    "anonymous_user": "A stranger may not read a user",
    "next_page_start": "A page that is not the last says where the next one starts",
    "iso_dates": "REST answers carry dates as milliseconds",
    "newest_pull_requests": "The newest pull requests are those that changed last",
    "page_limit": "A limit of 1000 is honoured or cut, and not refused",
    "missing_project": "A missing project is 404 with an envelope of errors",
    "user_token_as_basic": "A user's token works as Basic password too",
    "bucket_size": "Rate-limit headers are sent",
}

_BROWSER = "Needs a person's consent in a browser; link by OAuth once and look at the record."
_WRITING = "Would make or withdraw a token; rotate one by hand and look at the record."
_CHANGING = "Would change something there; do it by hand and look at the webhook."
_EXHAUSTING = "Would use up the account's budget."

UNTRIED = {
    "context_path": ("All addresses lie below the base URL", "Shown by everything above."),
    "access_token_seconds": ("An OAuth access token lives an hour", _BROWSER),
    "code_seconds": ("An authorization code lives ten minutes", _BROWSER),
    "reused_refresh": ("A spent refresh token is invalid_grant", _BROWSER),
    "tokens_make_tokens": ("An HTTP access token may make and withdraw others", _WRITING),
    "reviews_move_pull_request": ("A review leaves a pull request's updatedDate alone", _CHANGING),
    "objection_event": ("A wish for changes is pr:reviewer:changes_requested", _CHANGING),
    "refill_per_second": ("Five requests come back each second", _EXHAUSTING),
    "retry_after": ("429 says when to try again", _EXHAUSTING),
}
