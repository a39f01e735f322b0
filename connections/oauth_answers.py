"""What a token endpoint's answer means: tokens, or an error named by who must act. No Django here.

Keeps to RFC 6749 §5; where a vendor bends it, its manifest says so in `dead_grant` and
`wrong_client`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from connections.contracts import OAuth2, TokenAnswer as TokenAnswer
from connections.errors import (
    Misconfigured,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    Unavailable,
    UnexpectedResponse,
    VendorError,
    retry_after_seconds,
)
from connections.strict_json import JsonRefused, loads

LONGEST_LIFETIME_SECONDS = 24 * 3600
TOKEN = re.compile(r"[!-~]+")
SCOPE = re.compile(r"[!-~]{1,200}")

WRONG_CLIENT = frozenset(
    {"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
)
DEAD_GRANT = frozenset({"invalid_grant", "access_denied"})
PASSING = frozenset({"server_error", "temporarily_unavailable", "slow_down"})

log = logging.getLogger(__name__)


class Response(Protocol):
    """What the network door gives back; header names are lower-case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def latency_seconds(self) -> float: ...
    @property
    def request(self) -> str: ...


def read(response: Response, oauth: OAuth2) -> TokenAnswer:
    """The tokens in an answer, whatever its Content-Type; raises the error that it is."""
    body = _json(response)
    error = judge(response, body, oauth)
    if error is not None:
        raise error
    if not isinstance(body, dict):
        raise UnexpectedResponse("The token answer is not a JSON object.", **_facts(response))
    access_token = _token(response, body, "access_token")
    if access_token is None:
        raise UnexpectedResponse("There is no access_token in the answer.", **_facts(response))
    return TokenAnswer(
        access_token=access_token,
        refresh_token=_token(response, body, "refresh_token"),
        expires_in_seconds=_lifetime(body, oauth),
        scopes=_scopes(body, oauth),
        token_type=_bearer(response, body),
    )


def require_done(response: Response, oauth: OAuth2) -> None:
    """What a 2xx answer says does not count (RFC 7009 §2.2); raises the error that another is."""
    if not 200 <= response.status < 300:
        raise judge(response, _json(response), oauth) or UnexpectedResponse(**_facts(response))


def judge(response: Response, body: Any, oauth: OAuth2) -> VendorError | None:
    """What is wrong with a token answer, None when nothing is; an `error` in a 200 is one too."""
    code = body.get("error") if isinstance(body, dict) else None
    facts = _facts(response)
    if response.status == 429:
        return RateLimited(retry_after_seconds=retry_after_seconds(response.headers), **facts)
    if response.status >= 500 or response.status in (408, 425):
        return Unavailable(retry_after_seconds=retry_after_seconds(response.headers), **facts)
    if isinstance(code, str) and code:
        return _judge_error(code, _description(body), oauth, facts)
    if 200 <= response.status < 300:
        return None
    return _judge_status(response, facts)


def _judge_error(code: str, description: str, oauth: OAuth2, facts: dict[str, Any]) -> VendorError:
    """An RFC 6749 §5.2 error, with whatever status: there are vendors that say 403 for 400."""
    detail = f"{code}: {description}" if description else code
    if code in WRONG_CLIENT or _bends(oauth.wrong_client, code, description):
        return Misconfigured(detail, **facts)
    if code in DEAD_GRANT or _bends(oauth.dead_grant, code, description):
        return ReauthorizationRequired(detail, **facts)
    if code in PASSING:
        return Unavailable(detail, **facts)
    return Refused(detail, **facts)


def _judge_status(response: Response, facts: dict[str, Any]) -> VendorError:
    """An answer that is neither tokens nor an OAuth error: mostly a gateway's."""
    if response.status == 401:
        return ReauthorizationRequired("The token endpoint answered 401.", **facts)
    if response.status == 403:
        return Unavailable("A gateway in front of the vendor refused this.", **facts)
    if 300 <= response.status < 400:
        return UnexpectedResponse(_redirect(response), **facts)
    return UnexpectedResponse("The token endpoint did not answer as OAuth says.", **facts)


def _bends(bends: tuple[tuple[str, str], ...], code: str, description: str) -> bool:
    return any(code == bent and words in description.lower() for bent, words in bends)


def _json(response: Response) -> Any:
    """The body as JSON; None for what is not, which only a 2xx answer must not be."""
    try:
        return loads(response.body)
    except JsonRefused as refusal:
        if 200 <= response.status < 300:
            raise UnexpectedResponse(
                f"The token answer is {refusal}.", **_facts(response)
            ) from None
        return None


def _description(body: Mapping[str, Any]) -> str:
    description = body.get("error_description")
    return description if isinstance(description, str) else ""


def _facts(response: Response) -> dict[str, Any]:
    return {
        "status": response.status,
        "request": response.request.partition("?")[0],
        "latency_seconds": response.latency_seconds,
    }


def _redirect(response: Response) -> str:
    try:
        host = urlsplit(response.headers.get("location", "")).hostname
    except ValueError:
        host = None
    return f"Redirected to {host}." if host else "Redirected."


# ── Fields of a token answer ──────────────────────────────────────────────────────────────────


def _token(response: Response, body: Mapping[str, Any], key: str) -> str | None:
    """A token of any length; absent, null and "" are none; it must fit a header to be one."""
    value = body.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise UnexpectedResponse(f"{key} is not a token.", **_facts(response))
    return value


def _bearer(response: Response, body: Mapping[str, Any]) -> str:
    kind = body.get("token_type")
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        raise UnexpectedResponse("The token is not a bearer token.", **_facts(response))
    return "bearer"


def _lifetime(body: Mapping[str, Any], oauth: OAuth2) -> int:
    """Seconds of life: at most a day, none for zero or less, the default for the unreadable."""
    stated = body.get("expires_in")
    if isinstance(stated, str) and re.fullmatch(r"-?\d{1,12}", stated, re.ASCII):
        stated = int(stated)
    if isinstance(stated, int) and not isinstance(stated, bool):
        return max(0, min(stated, LONGEST_LIFETIME_SECONDS))
    if stated is not None:
        log.warning("oauth.lifetime_unreadable", extra={"type": type(stated).__name__})
    return oauth.default_lifetime_seconds


def _scopes(body: Mapping[str, Any], oauth: OAuth2) -> frozenset[str] | None:
    """What was granted, as `scope` (RFC 6749 §5.1) or, as one vendor said until 2026, `scopes`."""
    for key in ("scope", "scopes"):
        stated = body.get(key)
        if isinstance(stated, str):
            stated = re.split(r"[,\s]+", stated)
        if isinstance(stated, list):
            words = (word for word in stated if isinstance(word, str))
            found = frozenset(word for word in words if SCOPE.fullmatch(word))
            return None if found.intersection(oauth.unsaid) else found
    return None
