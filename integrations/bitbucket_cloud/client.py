"""What Bitbucket Cloud's answers mean: which error an answer is, what its headers tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from connections.contracts import Answer, RateBudget
from connections.errors import (
    AccessDenied,
    EndpointRemoved,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    ScopeMissing,
    Unavailable,
    UnexpectedResponse,
    VendorError,
    retry_after_seconds,
)

TEMPORARY = frozenset({408, 425})
MOST_WORDS = 200
WORD = re.compile(r"[!-~]{1,100}").fullmatch


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


def judge(answer: Answer) -> VendorError | None:
    """What is wrong with an answer, None when nothing is."""
    status = answer.status
    if 200 <= status < 300:
        return _judge_success(answer)
    if status in _JUDGES:
        return _JUDGES[status](answer)
    if status >= 500 or status in TEMPORARY:
        return Unavailable(**_facts(answer))
    if 400 <= status < 500:
        return Refused(_message(answer), **_facts(answer))
    return UnexpectedResponse(_redirect(answer), **_facts(answer))


def _judge_success(answer: Answer) -> VendorError | None:
    """A login page with status 200 is no success, nor is an empty answer to a question."""
    asked = answer.request.startswith("GET ")
    if answer.body is None and (asked or answer.status == 200):
        return UnexpectedResponse("The answer is not JSON.", **_facts(answer))
    return None


def _unauthorized(answer: Answer) -> VendorError:
    """Bitbucket says "Access token expired." or, of anything else, "Token is invalid, …"."""
    return ReauthorizationRequired(_message(answer), **_facts(answer))


def _forbidden(answer: Answer) -> VendorError:
    """Lacking scopes and closed doors are told apart by the body.

    A 403 without JSON comes from a gateway in front of Bitbucket and passes; taking it for good
    logged people out of Atlassian's own client (github.com/atlassian/atlascode/pull/1907).
    """
    if not isinstance(answer.body, dict):
        return Unavailable("A gateway in front of Bitbucket refused this.", **_facts(answer))
    detail = _error(answer).get("detail")
    said = detail if isinstance(detail, dict) else {}
    if not ("required" in said or "privilege scopes" in _message(answer)):
        return AccessDenied(_message(answer), **_facts(answer))
    return ScopeMissing(
        _message(answer),
        required=_words(said.get("required", answer.headers.get("x-accepted-oauth-scopes"))),
        granted=_words(said.get("granted", answer.headers.get("x-oauth-scopes"))),
        **_facts(answer),
    )


def _denied(answer: Answer) -> VendorError:
    return AccessDenied(_message(answer), **_facts(answer))


def _not_found(answer: Answer) -> VendorError:
    return RemoteGone(_message(answer), **_facts(answer))


def _gone(answer: Answer) -> VendorError:
    """410 is a removed endpoint when it carries an announcement, else an object that is gone.

    The announcement stands at the top level, inside `error`, or both (go-bitbucket issue 357).
    """
    holders = [_error(answer), answer.body if isinstance(answer.body, dict) else {}]
    for holder in holders:
        data = holder.get("data")
        url = data.get("announcement_url") if isinstance(data, dict) else None
        if (parts := address(url)) and parts.scheme == "https":
            found = parts.geturl()[:300]
            return EndpointRemoved(_message(answer), announcement_url=found, **_facts(answer))
    return RemoteGone(_message(answer), **_facts(answer))


def _too_many(answer: Answer) -> VendorError:
    """429 is text/plain without Retry-After as a rule; the header is obeyed where it appears."""
    wait = retry_after_seconds(answer.headers)
    return RateLimited(_message(answer), retry_after_seconds=wait, **_facts(answer))


_JUDGES = {
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    410: _gone,
    429: _too_many,
    451: _denied,
}


def _facts(answer: Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "request": answer.request.partition("?")[0],
        "latency_seconds": answer.latency_seconds,
    }


def _error(answer: Answer) -> Mapping[str, Any]:
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    return error if isinstance(error, dict) else {}


def _message(answer: Answer) -> str:
    """The vendor's own sentence; nothing of a page that was not meant for us."""
    message = _error(answer).get("message")
    if isinstance(message, str):
        return message
    if isinstance(answer.body, dict) and isinstance(answer.body.get("message"), str):
        return str(answer.body["message"])
    return "" if "<" in answer.text else answer.text


def _redirect(answer: Answer) -> str:
    parts = address(answer.headers.get("location"))
    if parts is None:
        return "An answer that is neither success nor error."
    return f"Redirected to {parts.hostname}."


def address(url: object) -> SplitResult | None:
    """The parts of an absolute web address; None when it is none."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def _words(value: object) -> tuple[str, ...]:
    """Scope words from a list or a text; what is no word of visible characters is left out."""
    found = re.split(r"[,\s]+", value) if isinstance(value, str) else value
    if not isinstance(found, list):
        return ()
    return tuple(word for word in found[:MOST_WORDS] if isinstance(word, str) and WORD(word))


# ── Headers that tell about the credential and the budget ─────────────────────────────────────


def scopes(answer: Answer) -> frozenset[str] | None:
    """The granted scopes as the answer says them; None when it says nothing.

    The list is collapsed to the strongest of each family: "pullrequest:write" stands for four.
    """
    words = answer.headers.get("x-oauth-scopes")
    if words is None:
        return None
    return frozenset(_words(words))


def credential_kind(answer: Answer) -> str:
    """Bitbucket's own word for the credential; empty when it does not say."""
    said = answer.headers.get("x-credential-type", "").strip().lower()
    return said if re.fullmatch(r"[a-z0-9_-]{1,40}", said, re.ASCII) else ""


def rate(answer: Answer) -> RateBudget:
    """The request budget as far as headers tell; everything unreadable counts as not said.

    Seen: "1000", "60, 60;w=3600"; NearLimit as "true" and as a number.
    """
    limit = answer.headers.get("x-ratelimit-limit", "")
    window = re.search(r";\s*w=(\d{1,9})", limit, re.ASCII)
    near = answer.headers.get("x-ratelimit-nearlimit", "").strip().lower()
    return RateBudget(
        limit=_count(limit) or None,
        remaining=_count(answer.headers.get("x-ratelimit-remaining", "")),
        resource=answer.headers.get("x-ratelimit-resource", "").strip()[:100],
        near_limit=near not in ("false", "0", "no") if near else None,
        window_seconds=int(window.group(1)) if window else None,
    )


def _count(text: str) -> int | None:
    number = re.match(r"\s*(\d{1,9})\s*(?:[,;]|$)", text, re.ASCII)
    return int(number.group(1)) if number else None
