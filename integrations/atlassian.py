"""What Jira Cloud and Confluence Cloud share: accounts, what an answer means, the budget.

One gateway serves both at api.atlassian.com; a site also answers at its own address, to tokens
without scopes alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from connections.contracts import Account, Answer, Method, RateBudget
from connections.errors import (
    AccessDenied,
    EndpointRemoved,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    ScopeMissing,
    Unavailable,
    VendorError,
)
from integrations import answers
from integrations.answers import Json, required, segment, text

CLOUD_ID = "cloud_id"  # the field that a lookup fills in
SITE = "site"
OAUTH = "oauth"
TOKEN = "token"
UNSCOPED = "unscoped"

GATEWAY = "https://api.atlassian.com/"
ME = "me"
RESOURCES = "oauth/token/accessible-resources"
HOUR = 3600

Fields = Mapping[str, str]

_ELSEWHERE = "This connection leads to another site by now."
# What a 401 of the gateway says of a token that lives: "Unauthorized; scope does not match".
_NO_SCOPE = re.compile(r"scope", re.IGNORECASE)
_WRONG_DOOR = (
    "This address does not accept it. A token with scopes works at api.atlassian.com only: choose "
    "“{scoped}”. One without scopes works here only."
)
_OTHER_DOOR = (
    "It is refused here. A token without scopes works at the site's own address only: choose "
    "“{classic}”."
)


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────


def at(fields: Fields, product: str, cloud_id: str, path: str) -> str:
    """A product's path as this connection reaches it: a token's form has led to one site already,
    a person's consent may have opened several.

    Raises RemoteGone where the form led to another site: keys of issues are the same at many.
    """
    if CLOUD_ID not in fields:
        return f"ex/{product}/{segment(cloud_id)}/{path}"
    if fields[CLOUD_ID] != cloud_id:
        raise RemoteGone(_ELSEWHERE)
    return path


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


def judge(answer: Answer) -> VendorError | None:
    """What is wrong with an answer, None when nothing is."""
    return answers.judge(answer, _JUDGES)


def message(answer: Answer) -> str:
    """The vendor's own sentence: Jira says `errorMessages` or `errors` by field, Confluence
    `errors` with titles, the gateway and older interfaces `message`."""
    body = answer.body
    if not isinstance(body, dict):
        return "" if "<" in answer.text else answer.text
    listed = body.get("errorMessages")
    for said in listed if isinstance(listed, list) else ():
        if isinstance(said, str) and said:
            return said
    return _named(body.get("errors")) or _told(body)


def _named(errors: object) -> str:
    if isinstance(errors, dict):
        pairs = (f"{key}: {said}" for key, said in errors.items() if isinstance(said, str))
        return next(pairs, "")
    for each in errors if isinstance(errors, list) else ():
        said = each.get("title") or each.get("message") if isinstance(each, dict) else None
        if isinstance(said, str):
            return said
    return ""


def _told(body: Json) -> str:
    for key in ("message", "error_description", "error"):
        if isinstance(body.get(key), str) and body[key]:
            return str(body[key])
    return ""


def _unauthorized(answer: Answer) -> VendorError:
    """The gateway answers 401 to a lacking scope too (github.com/kovetskiy/mark/issues/917)."""
    said = message(answer)
    if _NO_SCOPE.search(said) or _NO_SCOPE.search(answer.headers.get("x-failure-category", "")):
        return ScopeMissing(said, **answers.facts(answer))
    return ReauthorizationRequired(said, **answers.facts(answer))


def _forbidden(answer: Answer) -> VendorError:
    """A 403 without JSON is a gateway's and passes."""
    if not isinstance(answer.body, dict):
        return Unavailable("A gateway in front of Atlassian refused this.", **answers.facts(answer))
    said = message(answer)
    if re.search(r"\bscopes?\b", said, re.IGNORECASE):
        return ScopeMissing(said, **answers.facts(answer))
    return AccessDenied(said, **answers.facts(answer))


def _denied(answer: Answer) -> VendorError:
    return AccessDenied(message(answer), **answers.facts(answer))


def _gone(answer: Answer) -> VendorError:
    return RemoteGone(message(answer), **answers.facts(answer))


def _removed(answer: Answer) -> VendorError:
    """410 is an interface that was taken away, as lists of Confluence's first version were
    (veryfront PR 1787); what is deleted is 404."""
    return EndpointRemoved(message(answer), **answers.facts(answer))


def _refused(answer: Answer) -> VendorError:
    return Refused(message(answer), **answers.facts(answer))


_JUDGES = {
    **answers.JUDGES,
    **dict.fromkeys((400, 405, 409, 413, 415, 422), _refused),
    401: _unauthorized,
    403: _forbidden,
    404: _gone,
    410: _removed,
    451: _denied,
}


def misplaced(
    error: ReauthorizationRequired, method: Method, titles: Mapping[str, str]
) -> ReauthorizationRequired:
    """The refusal with the sentence that says where such a token belongs.

    `titles` are those of methods by vocabulary. Nothing in the answer tells the two kinds apart
    (https://support.atlassian.com/atlassian-cloud/kb/
    401-unauthorized-error-when-service-account-accesses-jira-or-confluence-api).
    """
    if method.vocabulary == UNSCOPED:
        said = _WRONG_DOOR.format(scoped=titles[TOKEN])
    elif method.basic_user:
        said = _OTHER_DOOR.format(classic=titles[UNSCOPED])
    else:
        return error
    return ReauthorizationRequired(said, status=error.status, request=error.request)


# ── The request budget ────────────────────────────────────────────────────────────────────────


def rate(answer: Answer) -> RateBudget:
    """The hour's points as far as headers tell. A burst limit is of a second, and no budget.

    https://developer.atlassian.com/cloud/jira/platform/rate-limiting/
    """
    reason = answer.headers.get("ratelimit-reason", "").strip()[:100]
    near = answer.headers.get("x-ratelimit-nearlimit", "").strip().lower()
    is_of_hour = not re.search(r"burst|per-issue", reason)
    limit = _count(answer.headers.get("x-ratelimit-limit", "")) if is_of_hour else None
    left = _count(answer.headers.get("x-ratelimit-remaining", "")) if is_of_hour else None
    return RateBudget(
        limit=limit or None,
        remaining=left,
        resource=reason,
        near_limit=near not in ("false", "0", "no") if near else None,
        window_seconds=HOUR if limit else None,
        resets_in_seconds=_until_reset(answer) if is_of_hour else None,
    )


def _until_reset(answer: Answer) -> int | None:
    """By the answer's own clock, so that no clock has to agree."""
    resets_at = answers.iso_moment(answer.headers.get("x-ratelimit-reset"))
    try:
        said_at = parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError, IndexError, OverflowError):
        said_at = datetime.now(UTC)
    if resets_at is None or said_at.tzinfo is None:
        return None
    return max(0, min(HOUR, int((resets_at - said_at).total_seconds())))


def _count(header: str) -> int | None:
    number = re.fullmatch(r"\s*(\d{1,9})\s*", header, re.ASCII)
    return int(number.group(1)) if number else None


# ── Accounts ──────────────────────────────────────────────────────────────────────────────────


def account(raw: Json) -> Account:
    """Whose a token is, by the id that stays, whichever of three answers said it.

    /me says `account_id`, the products say `accountId`.
    """
    key = "account_id" if "account_id" in raw else "accountId"
    name = next((text(raw, k) for k in ("name", "displayName", "publicName") if text(raw, k)), "")
    kind = text(raw, "account_type") or text(raw, "accountType")
    return Account(
        remote_id=required(raw, key),
        name=name or "unnamed",
        kind="app" if kind == "app" else "user",
    )
