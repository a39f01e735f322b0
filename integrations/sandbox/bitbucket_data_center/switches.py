"""What differs between servers, or is not known: each has a switch and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.switching import Switchboard

CHOICES: dict[str, tuple[Any, ...]] = {
    "refused_token": ("anonymous", "named_anonymous", "unauthorized"),
    "reused_refresh": ("invalid_grant", "works"),
    "newest_pull_requests": ("updated", "created"),
    "objection_event": ("pr:reviewer:changes_requested", "pr:reviewer:needs_work"),
}
MEANING = {
    "context_path": "the path below which the server answers; empty for none",
    "version": "what application-properties says",
    "iso_dates": "dates as ISO 8601 texts (10.3 and later) instead of epoch milliseconds",
    "refused_token": "a dead bearer token: counts as anonymous without X-AUSERNAME, or with "
    "“anonymous” in it, or is refused with 401",
    "access_token_seconds": "expires_in of an OAuth access token: not documented for this product",
    "reused_refresh": "a refresh token that was spent already",
    "code_seconds": "how long an authorization code lives",
    "bucket_size": "requests of a user that may come at once; 0 is no rate limit",
    "refill_per_second": "how many of them come back each second",
    "retry_after": "whether a 429 says when to try again",
    "tokens_make_tokens": "whether an HTTP access token may make and withdraw others",
    "newest_pull_requests": "by which date order=NEWEST lists them: not documented",
    "reviews_move_pull_request": "whether a review or comment moves updatedDate: it did not in "
    "captured webhooks",
    "objection_event": "what a hook calls it when a reviewer wants changes: needs_work in older "
    "servers",
    "page_limit": "the most items of a page, whatever was asked for",
}


@dataclass(slots=True)
class Switches(Switchboard):
    """The defaults are 9.4's manners as far as anybody documented or saw them."""

    CHOICES = CHOICES
    MEANING = MEANING

    context_path: str = "/bitbucket"
    version: str = "9.4.3"
    iso_dates: bool = False
    refused_token: str = "anonymous"
    access_token_seconds: int = 3600
    reused_refresh: str = "invalid_grant"
    code_seconds: int = 600
    bucket_size: int = 0
    refill_per_second: int = 5
    retry_after: bool = True
    tokens_make_tokens: bool = True
    newest_pull_requests: str = "updated"
    reviews_move_pull_request: bool = False
    objection_event: str = "pr:reviewer:changes_requested"
    page_limit: int = 1000
