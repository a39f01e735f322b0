"""What Bitbucket Cloud's answers mean: which error an answer is, what its headers tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connections.contracts import Answer, RateBudget
from connections.errors import (
    EndpointRemoved,
    ReauthorizationRequired,
    ScopeMissing,
    VendorError,
)
from integrations import bitbucket

MOST_WORDS = 200
WORD = re.compile(r"[!-~]{1,100}").fullmatch


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


def judge(answer: Answer) -> VendorError | None:
    """What is wrong with an answer, None when nothing is."""
    return bitbucket.judge(answer, _JUDGES)


def _unauthorized(answer: Answer) -> VendorError:
    """Bitbucket says "Access token expired." or, of anything else, "Token is invalid, …"."""
    return ReauthorizationRequired(bitbucket.message(answer), **bitbucket.facts(answer))


def _forbidden(answer: Answer) -> VendorError:
    """Lacking scopes, closed doors and a gateway's refusal are told apart by the body."""
    if not isinstance(answer.body, dict):
        return bitbucket.by_gateway(answer)
    message = bitbucket.message(answer)
    said = bitbucket.object_or_empty(_error(answer), "detail")
    if not ("required" in said or "privilege scopes" in message):
        return bitbucket.denied(answer)
    return ScopeMissing(
        message,
        required=_words(said.get("required", answer.headers.get("x-accepted-oauth-scopes"))),
        granted=_words(said.get("granted", answer.headers.get("x-oauth-scopes"))),
        **bitbucket.facts(answer),
    )


def _gone(answer: Answer) -> VendorError:
    """410 is a removed endpoint when it carries an announcement, else an object that is gone.

    The announcement stands at the top level, inside `error`, or both (go-bitbucket issue 357).
    """
    for holder in (_error(answer), answer.body if isinstance(answer.body, dict) else {}):
        url = bitbucket.object_or_empty(holder, "data").get("announcement_url")
        if (parts := bitbucket.address(url)) and parts.scheme == "https":
            return EndpointRemoved(
                bitbucket.message(answer),
                announcement_url=parts.geturl()[:300],
                **bitbucket.facts(answer),
            )
    return bitbucket.gone(answer)


_JUDGES = {**bitbucket.JUDGES, 401: _unauthorized, 403: _forbidden, 410: _gone}


def _error(answer: Answer) -> Mapping[str, Any]:
    return bitbucket.object_or_empty(answer.body, "error") if isinstance(answer.body, dict) else {}


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
