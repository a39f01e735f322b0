"""Behaviours that no source settles, or that vary: each a switch with its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.switching import Switchboard

RATE_LIMIT = 1000
CHOICES: dict[str, tuple[Any, ...]] = {
    "scope_key": ("scope", "scopes", "both", "absent"),
    "rotation": ("rotate", "same", "absent", "sometimes"),
    "grace_returns": ("newer", "same"),
    "refresh_reuse": ("grace", "kills_child", "revokes_family"),
    "dead_refresh_error": ("invalid_grant", "invalid_request"),
    "dead_refresh_status": (400, 401, 403),
    "rate_limit_answer": ("text", "json"),
    "removed_status": (404, 410),
    "commit_links": ("indexed", "indexing", "absent", "mixed"),
}
MEANING = {
    "access_token_seconds": "expires_in of an access token: 7200 observed, 3600 documented",
    "token_length": "characters of access and refresh tokens: more than 2,500 since September 2026",
    "scope_key": "scope since 4 May 2026, scopes before",
    "token_state": "the state key of a token answer; only authorization_code was ever seen",
    "narrow_scopes": "whether scope= on authorize narrows what the consumer ticked",
    "code_seconds": "how long an authorization code lives",
    "verify_pkce": "whether a code_challenge that was sent is enforced",
    "rotation": "refresh answers with a new refresh token, the same one, none, or every second "
    "time a new one (staged rollout)",
    "refresh_grace_seconds": "how long a spent refresh token still works: about ten minutes",
    "grace_returns": "what a refresh token used again within the grace yields",
    "refresh_reuse": "a spent refresh token used again: works within the grace, works and kills "
    "the pair issued before, or (strict one-time) revokes the whole grant",
    "refresh_ends_access": "a refresh ends the former access token after the grace (as 3LO's)",
    "refresh_idle_seconds": "an unused refresh token expires after three months",
    "dead_refresh_error": "error of a dead refresh token: invalid_grant assumed, the other seen",
    "dead_refresh_status": "its status: 400 here, 403 at Atlassian 3LO",
    "denial_error": "error on the callback when a person cancels; empty sends state alone",
    "oauth_credential_type": "X-Credential-Type of an OAuth 2.0 token: never captured",
    "collapse_scopes": "whether X-OAuth-Scopes leaves implied scopes out",
    "api_token_as_bearer": "whether an API token also works as Bearer (third parties say so)",
    "app_passwords_end": "app passwords work until this day, by the sandbox's clock; a later day "
    "takes one back in time",
    "rate_limit": "requests per rolling hour, identity and resource",
    "anonymous_rate_limit": "requests per rolling hour without credentials",
    "rate_limit_answer": "429 as text/plain without Retry-After (observed), or JSON with it",
    "retry_after_seconds": "Retry-After of the JSON variant",
    "not_modified_counts": "whether a 304 costs budget",
    "removed_status": "status of native issues and wiki since 20 August 2026",
    "permissions_by_uuid": "whether /workspaces/{uuid}/permissions works, or the slug only",
    "compress": "answer with gzip when the client accepts it",
    "commit_links": "the pull requests of a commit: 200, 202 (indexing), 404 (absent), or by "
    "repository a tenth each of the latter (mixed)",
    "q_replaces_state": "whether a q that names state replaces the default state=OPEN of pull "
    "requests (unsourced)",
    "approvals_move_pull_request": "whether an approval or a request for changes moves a pull "
    "request's updated_on (unsourced)",
    "pull_requests_move_repository": "whether activity in pull requests moves the repository's "
    "updated_on (unsourced); a push always does",
}


@dataclass(slots=True)
class Switches(Switchboard):
    """Set by POST /switches; `MEANING` says what each one is about."""

    CHOICES = CHOICES
    MEANING = MEANING

    access_token_seconds: int = 7200
    token_length: int = 2600
    scope_key: str = "scope"
    token_state: str = "authorization_code"
    narrow_scopes: bool = False
    code_seconds: int = 600
    verify_pkce: bool = True
    rotation: str = "rotate"
    refresh_grace_seconds: int = 600
    grace_returns: str = "newer"
    refresh_reuse: str = "grace"
    refresh_ends_access: bool = False
    refresh_idle_seconds: int = 90 * 86400
    dead_refresh_error: str = "invalid_grant"
    dead_refresh_status: int = 400
    denial_error: str = "access_denied"
    oauth_credential_type: str = "oauth2"
    collapse_scopes: bool = True
    api_token_as_bearer: bool = True
    app_passwords_end: str = "2026-07-28"
    rate_limit: int = RATE_LIMIT
    anonymous_rate_limit: int = 60
    rate_limit_answer: str = "text"
    retry_after_seconds: int = 120
    not_modified_counts: bool = True
    removed_status: int = 404
    permissions_by_uuid: bool = False
    compress: bool = False
    commit_links: str = "indexed"
    q_replaces_state: bool = True
    approvals_move_pull_request: bool = True
    pull_requests_move_repository: bool = False
