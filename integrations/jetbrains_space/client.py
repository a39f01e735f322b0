"""What Space's answers mean: its errors have codes of their own, beside the HTTP status."""

from __future__ import annotations

from collections.abc import Mapping

from connections.contracts import Answer
from connections.errors import (
    AccessDenied,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    Unavailable,
    VendorError,
    retry_after_seconds,
)
from integrations import answers

NO_CONTENT = frozenset({"DELETE", "PATCH", "POST", "PUT"})


def judge(answer: Answer) -> VendorError | None:
    """What is wrong with an answer, None when nothing is.

    A deed may be answered by 200 without a body. JetBrains' own clients go by the code, whatever
    the status.
    """
    if 200 <= answer.status < 300 and answer.body is None and not answer.text:
        verb = answer.request.partition(" ")[0]
        return None if verb in NO_CONTENT else answers.unexpected(answer, "The answer is empty.")
    said = _CODES.get(_code(answer)) if 400 <= answer.status < 500 else None
    error = said(answer) if said else answers.judge(answer, _JUDGES)
    return Refused(message(answer), **answers.facts(answer)) if type(error) is Refused else error


def message(answer: Answer) -> str:
    """Space's own sentence; nothing of a page that was not meant for us."""
    body = answer.body
    said = body.get("error_description") if isinstance(body, dict) else None
    return said if isinstance(said, str) else answers.message(answer)


def _code(answer: Answer) -> str:
    code = answer.body.get("error") if isinstance(answer.body, dict) else None
    return code if isinstance(code, str) else ""


def _too_many(answer: Answer) -> VendorError:
    wait = retry_after_seconds(answer.headers)
    return RateLimited(message(answer), retry_after_seconds=wait, **answers.facts(answer))


def _unauthorized(answer: Answer) -> VendorError:
    return ReauthorizationRequired(message(answer), **answers.facts(answer))


def _forbidden(answer: Answer) -> VendorError:
    """A 403 without JSON is a gateway's and passes; Space's own says which right is missing."""
    if not isinstance(answer.body, dict):
        return Unavailable("A gateway in front of Space refused this.", **answers.facts(answer))
    return AccessDenied(message(answer), **answers.facts(answer))


def _gone(answer: Answer) -> VendorError:
    return RemoteGone(message(answer), **answers.facts(answer))


def _broken(answer: Answer) -> VendorError:
    wait = retry_after_seconds(answer.headers)
    return Unavailable(message(answer), retry_after_seconds=wait, **answers.facts(answer))


# https://github.com/JetBrains/space-kotlin-sdk, ErrorCodes.kt
_CODES: Mapping[str, answers.Judge] = {
    "authentication-required": _unauthorized,
    "permission-denied": _forbidden,
    "not-found": _gone,
    "rate-limited": _too_many,
    "internal-server-error": _broken,
}
_JUDGES: Mapping[int, answers.Judge] = {
    **answers.JUDGES,
    401: _unauthorized,
    403: _forbidden,
    404: _gone,
    429: _too_many,
}
