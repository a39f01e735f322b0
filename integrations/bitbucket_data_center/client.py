"""What a Bitbucket Data Center's answers mean: which error an answer is, and whom it answered.

An expired or withdrawn token is not refused: the request counts as anonymous and gets what anybody
may see, an empty list most often. So every good answer must name whom it was given to.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from connections.contracts import Answer, RateBudget
from connections.errors import ReauthorizationRequired, VendorError
from integrations import bitbucket

# Read from any authenticated call below /rest (community.developer.atlassian.com/t/24422).
USER_HEADER = "x-ausername"
ANONYMOUS = "anonymous"
DENIED_HEADER = "x-authentication-denied-reason"
AS_ANONYMOUS = "Bitbucket answered as to a stranger: the credential has expired or was withdrawn."
CAPTCHA = "Bitbucket wants this account to solve a CAPTCHA. Sign in there once with a browser."
HOUR = 3600


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


def judge(answer: Answer) -> VendorError | None:
    """What is wrong with an answer, None when nothing is; one to nobody is no success."""
    error = bitbucket.judge(answer, _JUDGES)
    if error is None and not user(answer):
        return ReauthorizationRequired(AS_ANONYMOUS, **bitbucket.facts(answer))
    return error


def user(answer: Answer) -> str:
    """Whom this answer was given to; "" for a stranger. The header is percent-encoded."""
    name = unquote(answer.headers.get(USER_HEADER, "")).strip()
    return "" if name.lower() == ANONYMOUS or not name.isprintable() else name[:255]


def _unauthorized(answer: Answer) -> VendorError:
    """401 is a missing permission as well: then the answer names whom it was given to."""
    if user(answer):
        return bitbucket.denied(answer)
    because = _denied_because(answer) or bitbucket.message(answer)
    return ReauthorizationRequired(because, **bitbucket.facts(answer))


def _forbidden(answer: Answer) -> VendorError:
    """A CAPTCHA, a gateway's refusal, or what this account may not see."""
    if because := _denied_because(answer):
        return ReauthorizationRequired(because, **bitbucket.facts(answer))
    if not isinstance(answer.body, dict):
        return bitbucket.by_gateway(answer)
    return bitbucket.denied(answer)


_JUDGES = {**bitbucket.JUDGES, 401: _unauthorized, 403: _forbidden}


def _denied_because(answer: Answer) -> str:
    return CAPTCHA if "captcha" in answer.headers.get(DENIED_HEADER, "").lower() else ""


# ── The server's own rate limit ───────────────────────────────────────────────────────────────


def rate(answer: Answer) -> RateBudget:
    """What an hour lets through, as far as headers tell, which only Jira and Confluence document.

    It is a token bucket for each user and node: what its filling adds up to in an hour is the
    limit. How full it is at the moment says nothing of the hour, and is no `remaining`.
    """
    fill, seconds = (
        _count(answer, "x-ratelimit-fillrate"),
        _count(answer, "x-ratelimit-interval-seconds"),
    )
    if not fill or not seconds:
        return RateBudget()
    return RateBudget(limit=fill * HOUR // seconds, window_seconds=HOUR)


def _count(answer: Answer, name: str) -> int | None:
    number = re.fullmatch(r"\s*(\d{1,9})\s*", answer.headers.get(name, ""), re.ASCII)
    return int(number.group(1)) if number else None
