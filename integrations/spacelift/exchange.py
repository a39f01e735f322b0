"""An API key's secret becomes a JWT. No word of such an answer is shown: it may be the secret."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from connections.contracts import Answer, Api, TokenAnswer
from connections.errors import (
    AccessDenied,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    VendorError,
)
from integrations import answers
from integrations.answers import Json, number
from integrations.spacelift import client, operations

JWT = 100_000
LONGEST_SECONDS = 24 * 3600
UNSAID_SECONDS = 300
WRONG_PAIR = "Spacelift does not take this API key ID with this secret, or the key was deleted."
UNSAID = "Spacelift did not exchange the key."
REFUSED = (ReauthorizationRequired, AccessDenied, Refused, RemoteGone)


def exchanged(api: Api, key_id: str, secret: str) -> TokenAnswer:
    """A JWT and its life; ReauthorizationRequired for a pair that does not fit.

    A wrong pair is null without any error. An error may repeat what was sent, so that its words
    are replaced by ours.
    """
    try:
        answer, data = client.ask(api, operations.EXCHANGE, id=key_id, secret=secret)
    except VendorError as error:
        raise _unsaid(error) from None
    user = data.get("apiKeyUser")
    if user is None:
        raise ReauthorizationRequired(WRONG_PAIR, **answers.facts(answer))
    if not isinstance(user, dict):
        raise answers.unexpected(answer, "The exchange gave no user.")
    return TokenAnswer(
        access_token=_jwt(answer, user),
        refresh_token=None,
        expires_in_seconds=_seconds(answer, user),
        scopes=None,
    )


def _unsaid(error: VendorError) -> VendorError:
    """The same error without the vendor's words; a refused exchange is a refused key."""
    if error.status is None:  # the door's own words: nothing was answered
        return error
    kind = ReauthorizationRequired if isinstance(error, REFUSED) else type(error)
    return kind(
        WRONG_PAIR if isinstance(error, REFUSED) else UNSAID,
        status=error.status,
        request=error.request,
        latency_seconds=error.latency_seconds,
        retry_after_seconds=error.retry_after_seconds,
    )


def _jwt(answer: Answer, user: Json) -> str:
    token = user.get("jwt")
    is_token = isinstance(token, str) and 0 < len(token) <= JWT
    if not isinstance(token, str) or not is_token or not token.isascii() or " " in token:
        raise answers.unexpected(answer, "The exchange gave no token.")
    if not token.isprintable():
        raise answers.unexpected(answer, "The exchange gave no token.")
    return token


def _seconds(answer: Answer, user: Json) -> int:
    """The life that is left by the answer's own clock; a little where the vendor does not say."""
    until = number(user.get("validUntil"))
    if not until:
        return UNSAID_SECONDS
    return max(0, min(until - _now(answer), LONGEST_SECONDS))


def _now(answer: Answer) -> int:
    """When it was answered, so that no clock has to agree."""
    try:
        return int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return int(time.time())
