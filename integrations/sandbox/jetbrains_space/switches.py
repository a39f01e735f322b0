"""What differs between installations, or is not known: each has a switch and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.switching import Switchboard

CHOICES: dict[str, tuple[Any, ...]] = {"refresh_token": ("stays", "rotates")}
MEANING = {
    "access_token_seconds": "expires_in of an access token: ten minutes in JetBrains' example",
    "code_seconds": "how long an authorization code lives: not documented",
    "refresh_token": "whether a renewal brings another refresh token: JetBrains' SDK keeps the old",
    "pkce_required": "“Require PKCE” of the application's code flow",
    "next_at_end": "whether the last page names a next one: its end shows by totalCount alone",
    "applications_tell_rights": "whether an application may read its own authorizations",
    "checks_permissions": "whether check-permission answers: it was seen in the SDK only",
    "requests_per_minute": "of one principal; 0 is no limit",
    "retry_after": "whether a 429 says when to try again: not documented",
    "page_limit": "the most items of a page, whatever was asked for",
}


@dataclass(slots=True)
class Switches(Switchboard):
    """The defaults are 2024.2's manners as far as anybody documented or saw them."""

    CHOICES = CHOICES
    MEANING = MEANING

    access_token_seconds: int = 600
    code_seconds: int = 600
    refresh_token: str = "stays"
    pkce_required: bool = True
    next_at_end: bool = True
    applications_tell_rights: bool = True
    checks_permissions: bool = True
    requests_per_minute: int = 0
    retry_after: bool = True
    page_limit: int = 100
