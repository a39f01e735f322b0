"""Behaviours of Atlassian's that no source settles, or that vary: each a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.switching import Switchboard

CHOICES: dict[str, tuple[Any, ...]] = {
    "rotation": ("rotate", "same", "absent"),
    "late_reuse": ("revokes_family", "refused"),
    "dead_refresh_status": (400, 401, 403),
    "sites_listed": ("per_product", "once"),
    "bad_token_answer": ("refused", "anonymous"),
    "unknown_keys": ("told", "silent"),
}
MEANING = {
    "access_token_seconds": "expires_in of a 3LO access token and of a service account's",
    "site_token_seconds": "expires_in of the token for a site's OAuth credentials",
    "token_length": "characters of access and refresh tokens, which are JWTs there",
    "code_seconds": "how long an authorization code lives",
    "verify_pkce": "whether a code_challenge is enforced: tolerated and ignored so far",
    "rotation": "whether a refresh brings a new refresh token, the same one, or none",
    "refresh_grace_seconds": "the leeway in which a spent refresh token may be exchanged again",
    "late_reuse": "a spent refresh token after the leeway: the family is revoked, or only this "
    "call refused",
    "refresh_idle_seconds": "an unused refresh token expires after 90 days",
    "refresh_absolute_seconds": "a grant ends so long after consent, whatever was refreshed: the "
    "documentation no longer says 365 days; 0 is never",
    "dead_refresh_status": "status of a dead refresh token",
    "sites_listed": "accessible-resources names a site once for each product, or once in all",
    "narrow_scopes": "whether people may untick scopes (they may not, there)",
    "service_basic": "whether a service account's token also works as Basic with its address",
    "service_bearer": "whether a service account's token works as Bearer",
    "bad_token_answer": "what a wrong API token gets at a site: 401, or what a stranger sees",
    "points_per_hour": "the hour's points of an app at a site: 65,000 in the global tier",
    "points_left_said": "whether every answer tells the points left",
    "burst_per_second": "GET and POST requests in a second; half as many PUT and DELETE",
    "issue_writes": "writes to one issue in 30 seconds",
    "retry_after_seconds": "Retry-After of a 429",
    "bulk_per_minute": "entities of a development provider in a minute; 0 is no limit",
    "backfill_factor": "how much more of them BACKFILL may send",
    "most_bytes": "the longest body of a bulk request; a longer one is 413",
    "apply_seconds": "how long submitted development data waits until it is stored",
    "unknown_keys": "whether a bulk answer names the issue keys that do not exist",
    "first_party_link": "whether Bitbucket's own link to the site acme stands: its hook is at each "
    "repository, and issues show what was pushed a second time (unsourced)",
    "edit_conflicts": "how many of the next page updates meet an optimistic lock (409)",
}


@dataclass(slots=True)
class Switches(Switchboard):
    """Set by POST /atlassian/switches; `MEANING` says what each one is about."""

    CHOICES = CHOICES
    MEANING = MEANING

    access_token_seconds: int = 3600
    site_token_seconds: int = 900
    token_length: int = 1800
    code_seconds: int = 300
    verify_pkce: bool = False
    rotation: str = "rotate"
    refresh_grace_seconds: int = 600
    late_reuse: str = "revokes_family"
    refresh_idle_seconds: int = 90 * 86400
    refresh_absolute_seconds: int = 0
    dead_refresh_status: int = 403
    sites_listed: str = "per_product"
    narrow_scopes: bool = False
    service_basic: bool = True
    service_bearer: bool = True
    bad_token_answer: str = "refused"
    points_per_hour: int = 65_000
    points_left_said: bool = True
    burst_per_second: int = 100
    issue_writes: int = 100
    retry_after_seconds: int = 5
    bulk_per_minute: int = 0
    backfill_factor: int = 5
    most_bytes: int = 5 * 1024 * 1024
    apply_seconds: int = 0
    unknown_keys: str = "told"
    first_party_link: bool = False
    edit_conflicts: int = 0
