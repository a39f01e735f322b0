"""Bitbucket's two scope vocabularies and what each word brings with it.

Sources: https://developer.atlassian.com/cloud/bitbucket/rest/intro/ (OAuth 2.0 scopes, Forge and
API-token scopes), read in June 2026.
"""

from __future__ import annotations

from collections.abc import Iterable

# OAuth and access-token scopes: word → (what it implies, label on Bitbucket's screens).
OAUTH: dict[str, tuple[tuple[str, ...], str]] = {
    "account": ((), "Account: Read"),
    "account:write": (("account",), "Account: Write"),
    "email": ((), "Account: Email"),
    "project": (("repository",), "Projects: Read"),
    "project:admin": ((), "Projects: Admin"),
    "repository": ((), "Repositories: Read"),
    "repository:write": (("repository",), "Repositories: Write"),
    "repository:admin": ((), "Repositories: Admin"),
    "repository:delete": ((), "Repositories: Delete"),
    "pullrequest": (("repository",), "Pull requests: Read"),
    "pullrequest:write": (("pullrequest", "repository:write"), "Pull requests: Write"),
    "webhook": ((), "Webhooks: Read and write"),
    "pipeline": ((), "Pipelines: Read"),
    "pipeline:write": (("pipeline",), "Pipelines: Write"),
    "pipeline:variable": (("pipeline:write",), "Pipelines: Edit variables"),
    "runner": ((), "Runners: Read"),
    "runner:write": (("runner",), "Runners: Write"),
    "snippet": ((), "Snippets: Read"),
    "snippet:write": (("snippet",), "Snippets: Write"),
    "issue": ((), "Issues: Read"),
    "issue:write": (("issue",), "Issues: Write"),
    "wiki": ((), "Wikis: Read and write"),
}
REPOSITORY_TOKEN = {
    "repository", "repository:write", "repository:admin", "repository:delete", "pullrequest",
    "pullrequest:write", "webhook", "pipeline", "pipeline:write", "pipeline:variable", "runner",
    "runner:write",
}  # fmt: skip
SELECTABLE = {
    "repo_access_token": REPOSITORY_TOKEN,
    "project_access_token": REPOSITORY_TOKEN | {"project"},
    "workspace_access_token": REPOSITORY_TOKEN | {"project", "project:admin", "account"},
}

# Granular scopes of API tokens: no word implies another.
GRANULAR = frozenset(
    f"{verb}:{thing}:bitbucket"
    for thing, verbs in {
        "repository": "read write admin delete",
        "pullrequest": "read write",
        "project": "read admin",
        "workspace": "read admin",
        "user": "read write",
        "pipeline": "read write admin",
        "runner": "read write",
        "issue": "read write delete",
        "webhook": "read write delete",
        "snippet": "read write delete",
        "ssh-key": "read write delete",
        "gpg-key": "read write delete",
        "permission": "read write delete",
    }.items()
    for verb in verbs.split()
)


def closure(granted: Iterable[str]) -> frozenset[str]:
    """Add everything the granted OAuth scopes imply; granular ones stay alone."""
    found: set[str] = set()
    waiting = list(granted)
    while waiting:
        scope = waiting.pop()
        if scope not in found:
            found.add(scope)
            waiting.extend(OAUTH.get(scope, ((), ""))[0])
    return frozenset(found)


def collapsed(granted: Iterable[str]) -> list[str]:
    """Leave out what another granted scope implies, as X-OAuth-Scopes does."""
    scopes = sorted(granted)
    return [
        scope
        for scope in scopes
        if not any(scope in closure([other]) for other in scopes if other != scope)
    ]
