"""What Spacelift's answers mean. Most failures come with status 200 and a list of `errors`.

The vendor has one word, `unauthorized`, for a JWT that is not good and for a role that is too
small. Its own tool tells them apart by asking who is there, and so does `ask`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connections.contracts import Answer, Api, RateBudget
from connections.errors import (
    AccessDenied,
    EndpointRemoved,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    Unavailable,
    VendorError,
)
from integrations import answers
from integrations.spacelift import operations

PATH = "graphql"
OK = frozenset({200})
AS_STRANGER = "Spacelift answered as to a stranger: the key was deleted or its secret is not good."
TOO_SMALL = "The key's role is too small for this."

Json = Mapping[str, Any]

# What the message of an error means; the first that fits. https://github.com/spacelift-io/spacectl
_MEANINGS: tuple[tuple[re.Pattern[str], type[VendorError]], ...] = (
    (re.compile(r"rate limit|too many requests|throttl"), RateLimited),
    (re.compile(r"unauthori[sz]ed|unauthenticated|\bjwt\b"), ReauthorizationRequired),
    (re.compile(r"forbidden|permission|not allowed|access denied"), AccessDenied),
    (re.compile(r"cannot query field|unknown (argument|type|field)"), EndpointRemoved),
    (re.compile(r"not found|does not exist|could not find"), RemoteGone),
    (re.compile(r"internal (\w+ )?error|timed? ?out|temporar|unavailable|deadline"), Unavailable),
)


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


def judge(answer: Answer) -> VendorError | None:
    """What is wrong with an answer, None when nothing is; an error with status 200 is one too."""
    wrong = answers.judge(answer, _JUDGES)
    if wrong is not None or not isinstance(answer.body, dict):
        return wrong
    return error_of(answer, answer.body)


def error_of(answer: Answer, body: Json, *, optional: str = "") -> VendorError | None:
    """The first error that a GraphQL answer tells, but one about the field `optional`."""
    told = body.get("errors")
    if told is None or told == []:
        return None
    if not isinstance(told, list):
        return answers.unexpected(answer, "The errors are no list.")
    for error in told:
        path = error.get("path") if isinstance(error, dict) else None
        if optional and isinstance(path, list) and path[:1] == [optional]:
            continue
        return _error(answer, error)
    return None


def _error(answer: Answer, error: object) -> VendorError:
    message = error.get("message") if isinstance(error, dict) else None
    if not isinstance(message, str):
        return answers.unexpected(answer, "An error without a message.")
    for pattern, kind in _MEANINGS:
        if pattern.search(message[:1000].lower()):
            return kind(message, **answers.facts(answer))
    return Refused(message, **answers.facts(answer))


def _unauthorized(answer: Answer) -> VendorError:
    return ReauthorizationRequired(answers.message(answer), **answers.facts(answer))


def _forbidden(answer: Answer) -> VendorError:
    """The endpoint itself answers with 200; a 403 without JSON stands for something before it."""
    if isinstance(answer.body, dict):
        return answers.denied(answer)
    return Unavailable("Something in front of Spacelift refused this.", **answers.facts(answer))


def _removed(answer: Answer) -> VendorError:
    return EndpointRemoved(answers.message(answer), **answers.facts(answer))


_JUDGES = {**answers.JUDGES, 401: _unauthorized, 403: _forbidden, 410: _removed}


def rate(answer: Answer) -> RateBudget:
    """Nothing: the vendor publishes no limits and sends no header about them."""
    return RateBudget()


# ── Asking ────────────────────────────────────────────────────────────────────────────────────


def ask(api: Api, query: str, *, optional: str = "", **variables: object) -> tuple[Answer, Json]:
    """The answer to an operation, and its `data`; raises what it means.

    What is refused to a key that Spacelift still knows is AccessDenied, and not its end. An error
    about the field `optional` is none.
    """
    answer = _sent(api, query, variables)
    wrong = error_of(answer, answers.body(answer), optional=optional)
    if isinstance(wrong, ReauthorizationRequired) and query != operations.VIEWER and _is_known(api):
        raise AccessDenied(TOO_SMALL, **answers.facts(answer))
    if wrong is not None:
        raise wrong
    data = answers.body(answer).get("data")
    if not isinstance(data, dict):
        raise answers.unexpected(answer, "The answer has no data.")
    return answer, data


def _sent(api: Api, query: str, variables: Mapping[str, object]) -> Answer:
    """200 is not judged yet: what its errors mean depends on what was asked."""
    answer = api.send("POST", PATH, {"query": query, "variables": variables}, accept=OK)
    if answer.body is None:
        raise answers.unexpected(answer, "The answer is not JSON.")
    return answer


def _is_known(api: Api) -> bool:
    """Whether the credential is somebody's: the vendor's own tool asks this, too."""
    try:
        _, data = ask(api, operations.VIEWER)
    except ReauthorizationRequired:
        return False
    return isinstance(data.get("viewer"), dict)
