"""What a Bitbucket Data Center's answers mean: which error an answer is, and whom it answered.

An expired or withdrawn token is not refused: the request counts as anonymous and gets what anybody
may see, an empty list most often. So every good answer must name whom it was given to.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from connections.contracts import Answer, RateBudget
from connections.errors import (
    AccessDenied,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    Unavailable,
    UnexpectedResponse,
    VendorError,
    retry_after_seconds,
)

# Read from any authenticated call below /rest (community.developer.atlassian.com/t/24422).
USER_HEADER = "x-ausername"
ANONYMOUS = "anonymous"
DENIED_HEADER = "x-authentication-denied-reason"
TEMPORARY = frozenset({408, 425})
AS_ANONYMOUS = "Bitbucket answered as to a stranger: the credential has expired or was withdrawn."
CAPTCHA = "Bitbucket wants this account to solve a CAPTCHA. Sign in there once with a browser."
HOUR = 3600


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


def judge(answer: Answer) -> VendorError | None:
    """What is wrong with an answer, None when nothing is."""
    status = answer.status
    if 200 <= status < 300:
        return _judge_success(answer)
    if status in _JUDGES:
        return _JUDGES[status](answer)
    if status >= 500 or status in TEMPORARY:
        return Unavailable(retry_after_seconds=retry_after_seconds(answer.headers), **facts(answer))
    if 400 <= status < 500:
        return Refused(message(answer), **facts(answer))
    return UnexpectedResponse(_redirect(answer), **facts(answer))


def user(answer: Answer) -> str:
    """Whom this answer was given to; "" for a stranger. The header is percent-encoded."""
    name = unquote(answer.headers.get(USER_HEADER, "")).strip()
    return "" if name.lower() == ANONYMOUS or not name.isprintable() else name[:255]


def _judge_success(answer: Answer) -> VendorError | None:
    """A login page with status 200 is no success, nor is an answer to nobody."""
    asked = answer.request.startswith("GET ")
    if answer.body is None and (asked or answer.status == 200):
        return UnexpectedResponse("The answer is not JSON.", **facts(answer))
    if not user(answer):
        return ReauthorizationRequired(AS_ANONYMOUS, **facts(answer))
    return None


def _unauthorized(answer: Answer) -> VendorError:
    """401 is a missing permission as well: then the answer names whom it was given to."""
    if user(answer):
        return AccessDenied(message(answer), **facts(answer))
    return ReauthorizationRequired(_denied_because(answer) or message(answer), **facts(answer))


def _forbidden(answer: Answer) -> VendorError:
    """403 without JSON comes from a gateway in front of the server and passes."""
    if because := _denied_because(answer):
        return ReauthorizationRequired(because, **facts(answer))
    if not isinstance(answer.body, dict):
        return Unavailable("A gateway in front of Bitbucket refused this.", **facts(answer))
    return AccessDenied(message(answer), **facts(answer))


def _denied(answer: Answer) -> VendorError:
    return AccessDenied(message(answer), **facts(answer))


def _gone(answer: Answer) -> VendorError:
    return RemoteGone(message(answer), **facts(answer))


def _too_many(answer: Answer) -> VendorError:
    """429 says when to try again, mostly (JENKINS PR 269); its body is no JSON envelope."""
    wait = retry_after_seconds(answer.headers)
    return RateLimited(message(answer), retry_after_seconds=wait, **facts(answer))


_JUDGES = {
    401: _unauthorized,
    403: _forbidden,
    404: _gone,
    410: _gone,
    429: _too_many,
    451: _denied,
}


def _denied_because(answer: Answer) -> str:
    return CAPTCHA if "captcha" in answer.headers.get(DENIED_HEADER, "").lower() else ""


def facts(answer: Answer) -> dict[str, Any]:
    """What an error keeps of its answer."""
    return {
        "status": answer.status,
        "request": answer.request.partition("?")[0],
        "latency_seconds": answer.latency_seconds,
    }


def message(answer: Answer) -> str:
    """The server's own sentence, the first of its `errors`; nothing of a page for people."""
    errors = answer.body.get("errors") if isinstance(answer.body, dict) else None
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return str(error["message"])
    if isinstance(answer.body, dict) and isinstance(answer.body.get("message"), str):
        return str(answer.body["message"])
    return "" if "<" in answer.text else answer.text


def _redirect(answer: Answer) -> str:
    try:
        host = urlsplit(answer.headers.get("location", "")).hostname
    except ValueError:
        host = None
    return f"Redirected to {host}." if host else "An answer that is neither success nor error."


# ── The server's own rate limit ───────────────────────────────────────────────────────────────


def rate(answer: Answer) -> RateBudget:
    """The request budget as far as headers tell, which only Jira and Confluence document.

    It is a token bucket for each user and node: what it lets through in an hour is its limit.
    """
    size = _count(answer, "x-ratelimit-limit")
    fill, seconds = (
        _count(answer, "x-ratelimit-fillrate"),
        _count(answer, "x-ratelimit-interval-seconds"),
    )
    hourly = fill * HOUR // seconds if fill and seconds else size
    return RateBudget(
        limit=hourly,
        remaining=_count(answer, "x-ratelimit-remaining"),
        window_seconds=HOUR if fill and seconds else None,
    )


def _count(answer: Answer, name: str) -> int | None:
    number = re.fullmatch(r"\s*(\d{1,9})\s*", answer.headers.get(name, ""), re.ASCII)
    return int(number.group(1)) if number else None
