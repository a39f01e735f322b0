"""What can go wrong at a vendor, named by who must act. No Django here.

An error never holds a secret, a query string or a body: it is shown, logged and kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import ClassVar

LONGEST_DETAIL = 200
LONGEST_WAIT_SECONDS = 3600.0
_QUERY = re.compile(r"(https?://[^\s?#]*)[?#]\S*", re.IGNORECASE)
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-"
_OPAQUE = re.compile(rf"\b(?!{_UUID})(?=[^\s/]*\d)[\w\-+=%~.]{{30,}}", re.ASCII)


def cleaned(text: str) -> str:
    """One line fit to be shown: no controls or direction marks, no query, no word like a secret."""
    printable = text[:2000]
    if not printable.isprintable():  # nearly always it is, and to look at each character is slow
        printable = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in printable)
    return " ".join(_OPAQUE.sub("…", _QUERY.sub(r"\1", printable)).split())[:LONGEST_DETAIL]


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The vendor's wish, capped to an hour; None when it says nothing that can be obeyed.

    A date is measured against the answer's own Date header, so that no clock has to agree.
    """
    wish = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", wish, re.ASCII):
        return min(float(wish), LONGEST_WAIT_SECONDS)
    moment = _http_date(wish)
    if moment is None:
        return None
    now = _http_date(headers.get("date", "")) or datetime.now(UTC)
    wait = (moment - now).total_seconds()
    return min(wait, LONGEST_WAIT_SECONDS) if wait > 0 else None


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Who(StrEnum):
    """Who has to act before this can work again."""

    NOBODY = "nobody"
    MEMBER = "member"
    MANAGER = "manager"
    OPERATOR = "operator"
    US = "us"


class VendorError(Exception):
    """A vendor call that did not give what was asked; `code` is stable and indexes `explain.py`.

    `request` is method and path without query ("GET /2.0/user"), `status` the HTTP status or None
    when there was no answer, `detail` a short text of ours or a cleaned vendor message (≤ 200
    characters), `reference` the vendor's request id where it gives one, `retry_after_seconds` its
    word on when to come back, capped to an hour.
    """

    code: ClassVar[str] = "vendor_error"
    who: ClassVar[Who] = Who.US
    retry: ClassVar[bool] = False

    def __init__(
        self,
        detail: str = "",
        *,
        status: int | None = None,
        request: str = "",
        reference: str = "",
        latency_seconds: float | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.detail = cleaned(detail)
        super().__init__(self.detail or self.code)
        self.status = status
        self.request = request
        self.reference = reference
        self.latency_seconds = latency_seconds
        self.retry_after_seconds = retry_after_seconds


class Unavailable(VendorError):
    """Timeout, refused, reset, 408, 425, 5xx: the vendor is not answering; we keep trying."""

    code = "unavailable"
    who = Who.NOBODY
    retry = True


class AnswerLost(Unavailable):
    """The request was sent and no whole answer came back: what the vendor did is unknown."""

    code = "answer_lost"


class RateLimited(VendorError):
    """429: the vendor wants to be asked less often."""

    code = "rate_limited"
    who = Who.NOBODY
    retry = True


class ReauthorizationRequired(VendorError):
    """`invalid_grant`, or 401: the credential is refused; a member links it again."""

    code = "reauthorization_required"
    who = Who.MEMBER


class ScopeMissing(VendorError):
    """403 over scopes; `required` and `granted` are the vendor's scope words where it says them."""

    code = "scope_missing"
    who = Who.MANAGER

    def __init__(
        self,
        detail: str = "",
        *,
        required: tuple[str, ...] = (),
        granted: tuple[str, ...] = (),
        **facts: object,
    ) -> None:
        super().__init__(detail, **facts)  # type: ignore[arg-type]
        self.required = required
        self.granted = granted


class AccessDenied(VendorError):
    """403 for another reason than scopes: this account may not see the object."""

    code = "access_denied"
    who = Who.MANAGER


class RemoteGone(VendorError):
    """404 on a known id, or 410; `announcement_url` when the vendor announced a removal."""

    code = "remote_gone"
    who = Who.NOBODY

    def __init__(self, detail: str = "", *, announcement_url: str = "", **facts: object) -> None:
        super().__init__(detail, **facts)  # type: ignore[arg-type]
        self.announcement_url = announcement_url


class EndpointRemoved(RemoteGone):
    """410 with an announcement: the vendor removed this endpoint, so our code must change."""

    code = "endpoint_removed"
    who = Who.OPERATOR


class Refused(VendorError):
    """Another 4xx: the vendor understood and said no."""

    code = "refused"


class UnexpectedResponse(VendorError):
    """An answer we cannot read: wrong type, broken JSON, missing field, lying length."""

    code = "unexpected_response"
    retry = True


class Misconfigured(VendorError):
    """Our client id, secret or callback is wrong: an operator or consumer owner acts."""

    code = "misconfigured"
    who = Who.OPERATOR


class NotInstalled(VendorError, KeyError):
    """The connector is not on this installation's list (any more); its connections remain."""

    code = "not_installed"
    who = Who.OPERATOR

    def __str__(self) -> str:
        return self.detail


class Blocked(VendorError):
    """The network door refused the address before anything was sent.

    `reason` goes to logs only; people read one generic sentence (trust.md §8.1 rule 11).
    """

    code = "blocked"
    who = Who.OPERATOR

    def __init__(self, reason: str, detail: str = "", **facts: object) -> None:
        super().__init__(detail or "This address cannot be reached from here.", **facts)  # type: ignore[arg-type]
        self.reason = reason


class TlsFailed(Unavailable):
    """The certificate or the TLS version is not acceptable."""

    code = "tls_failed"
    who = Who.MANAGER


class SignatureInvalid(VendorError):
    """A webhook whose signature does not match."""

    code = "signature_invalid"


class BadPayload(VendorError):
    """A webhook whose body is no JSON object: reading it again would not help."""

    code = "bad_payload"


class EventUnknown(VendorError):
    """A webhook event this connector does not know."""

    code = "event_unknown"
    who = Who.NOBODY
