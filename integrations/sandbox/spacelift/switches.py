"""What Spacelift does not document, or what differs between installations: a switch for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.switching import Switchboard

CHOICES: dict[str, tuple[Any, ...]] = {
    "wrong_key": ("null", "unauthorized", "echo"),
    "dead_jwt": ("stranger", "http_401"),
}
MEANING = {
    "jwt_seconds": "how long a JWT lives: the documentation says one hour here and ten there",
    "says_valid_until": "whether validUntil is a moment; without, it is 0",
    "wrong_key": "a key and secret that do not belong together: apiKeyUser is null, or an error "
    "“unauthorized”, or an error that repeats the secret",
    "dead_jwt": "an expired or forged JWT: counts as a stranger, or is refused with 401",
    "deletion_ends_jwts": "whether a deleted key's JWTs end at once",
    "searches_spaces": "whether searchSpaces is in the schema; older installations have spaces",
    "page_limit": "the most edges of a page, whatever was asked for",
    "bucket_size": "requests of a key at once; 0 is no rate limit, for none is published",
    "refill_per_second": "how many of them come back each second",
    "retry_after": "whether a 429 says when to try again",
}


@dataclass(slots=True)
class Switches(Switchboard):
    """The defaults are what the vendor's own tools rely on."""

    CHOICES = CHOICES
    MEANING = MEANING

    jwt_seconds: int = 36_000
    says_valid_until: bool = True
    wrong_key: str = "null"
    dead_jwt: str = "stranger"
    deletion_ends_jwts: bool = True
    searches_spaces: bool = True
    page_limit: int = 50
    bucket_size: int = 0
    refill_per_second: int = 5
    retry_after: bool = True
