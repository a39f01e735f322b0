"""The ingest process's WSGI application (PEP 3333): one address, one method, one answer for each
outcome. Nothing is parsed before the signature is right; a 202 means that the delivery is on disk.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import uuid4

from django.conf import settings

from connections.receiving import headers, signature
from connections.receiving.aftermath import Aftermath
from connections.receiving.answers import (
    ACCEPTED,
    AWAY,
    CONFLICT,
    CUT_OFF,
    DUPLICATE,
    GONE,
    METHOD,
    NO_LENGTH,
    NOT_FOUND,
    PLAIN,
    TOO_LONG,
    TOO_MANY,
    TOO_SLOW,
    TYPE,
    UNSIGNED,
    Answer,
    Refused,
)
from connections.receiving.database import Away, Line
from connections.receiving.endpoints import Book, Endpoint
from connections.receiving.rate import Buckets
from connections.receiving.signature import Verdict
from connections.receiving.slots import Slots
from connections.receiving.storing import Arrival, Kept, Storing

log = logging.getLogger(__name__)

BURST_SECONDS: Final = 5  # so much of the average may come at once
LONGEST_BODY: Final = 1024 * 1024
_PATH: Final = re.compile(r"/hooks/v1/([A-Za-z0-9_-]{43})", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_TYPES: Final = ("application/json", "application/octet-stream")
_PORTION: Final = 64 * 1024
_DRAINED: Final = 256 * 1024  # larger than what vendors send

Environ = dict[str, Any]
Start = Callable[..., Any]


_STORED: Final = {
    Kept.STORED: ACCEPTED,
    Kept.DUPLICATE: DUPLICATE,
    Kept.CONFLICT: CONFLICT,
    Kept.GONE: GONE,
}


class _Unread(Refused):
    """And its body shall not be waited for."""


class Front:
    """What one process knows between two deliveries: addresses, buckets, what is to be told."""

    def __init__(self) -> None:
        self.line = Line()
        self.book = Book(self.line)
        self.aftermath = Aftermath(self.line)
        one, together = settings.HOOKS_PER_SECOND, settings.HOOKS_ORGANIZATION_PER_SECOND
        self.endpoints = Buckets(one, one * BURST_SECONDS)
        self.organizations = Buckets(together, together * BURST_SECONDS)
        self.slots = Slots()
        self.storing = Storing()

    def close(self) -> None:
        """Nothing runs behind it any more, and its connections are closed."""
        self.aftermath.close()
        self.storing.close()
        self.line.close()

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        request_id, closes = uuid4().hex[:16], False
        try:
            answer = self._answer(environ, request_id)
        except _Unread as refused:
            answer, closes = refused.answer, True
        except Refused as refused:
            answer = refused.answer
            closes = not self._is_drained(environ)
        except Away:
            answer = AWAY
        except Exception:  # the outermost line: nothing is stored, so the sender shall try again
            log.exception("ingest.raised", extra={"request_id": request_id})
            answer = AWAY
        self.aftermath.count(answer.name)
        start_response(
            answer.status,
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(answer.body))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Request-Id", request_id),
                *answer.more,
                *((("Connection", "close"),) if closes else ()),
            ],
        )
        return [answer.body]

    def _answer(self, environ: Environ, request_id: str) -> Answer:
        token = _token(environ)
        length = _length(environ)
        endpoint = self.book.find(token)
        if endpoint is not None:
            self._admit(endpoint)
        given = _signature(environ, endpoint)
        if "HTTP_EXPECT" in environ:
            _answer_before_the_body(endpoint, given)
        body = self._body(environ, endpoint, length)
        endpoint = self._proved(token, endpoint, given, body)
        self._charge(endpoint)
        return self._store(environ, endpoint, body, token, request_id)

    def _admit(self, endpoint: Endpoint) -> None:
        if not endpoint.is_open:
            raise Refused(GONE)
        if self.endpoints.is_empty(endpoint.id) or self.organizations.is_empty(
            endpoint.organization_id
        ):
            raise Refused(TOO_MANY)
        if endpoint.secret is None:  # a moment after it was made, or its key is away
            raise Refused(AWAY)

    def _charge(self, endpoint: Endpoint) -> None:
        """Only what is signed counts: whoever knows no more than an address uses nothing up."""
        enough = self.endpoints.take(endpoint.id)
        if not (enough and self.organizations.take(endpoint.organization_id)):
            raise Refused(TOO_MANY)

    def _body(self, environ: Environ, endpoint: Endpoint | None, length: int | None) -> bytes:
        """The body, unless too many are waited for; raises Refused."""
        with self.slots.one_of(endpoint.organization_id if endpoint else None) as is_free:
            if is_free:
                return _body(environ, length)
        raise _Unread(TOO_SLOW if endpoint else UNSIGNED)

    def _is_drained(self, environ: Environ) -> bool:
        with self.slots.one_of(None) as is_free:
            return is_free and _drained(environ)

    def _proved(
        self, token: str, endpoint: Endpoint | None, given: str | None, body: bytes
    ) -> Endpoint:
        """The endpoint whose secret signed this body, as it is by now; raises Refused."""
        verdict = _judged(endpoint, given, body)
        if verdict is Verdict.WRONG:  # unless the secret was replaced since we looked
            newer = self.book.newer(token)
            if newer is not None and newer is not endpoint:
                endpoint, verdict = newer, _judged(newer, given, body)
        if endpoint is None or not verdict.is_right:
            self.aftermath.count(f"signature.{verdict if endpoint else 'unknown_address'}")
            if endpoint is not None:
                self.aftermath.refused(endpoint.id, verdict)
            raise Refused(UNSIGNED)
        return endpoint

    def _store(
        self, environ: Environ, endpoint: Endpoint, body: bytes, token: str, request_id: str
    ) -> Answer:
        rules = endpoint.rules
        arrival = Arrival(
            organization_id=endpoint.organization_id,
            endpoint_id=endpoint.id,
            sender_id=headers.value(environ, rules.delivery),
            event=headers.value(environ, rules.event),
            attempt=headers.value(environ, rules.attempt),
            headers=headers.kept(environ, rules.signature, token),
            body=body,
        )
        kept, is_first = self.storing.store(arrival, request_id)
        if is_first:
            self.aftermath.wake()
        if kept is Kept.CONFLICT:
            told = {"endpoint_id": str(endpoint.id), "request_id": request_id}
            log.warning("delivery.conflict", extra=told)
        return _STORED[kept]


def _token(environ: Environ) -> str:
    """The random part of the address; raises Refused for anything that is not for it."""
    found = _PATH.fullmatch(environ["PATH_INFO"])
    if found is None:
        raise Refused(NOT_FOUND)
    if environ["REQUEST_METHOD"] != "POST":
        raise Refused(METHOD)
    if settings.TLS_ONLY and not _is_secure(environ):
        raise Refused(PLAIN)
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() not in _TYPES:
        raise Refused(TYPE)
    return found[1]


def _is_secure(environ: Environ) -> bool:
    """As `HttpRequest.is_secure` judges it."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        return bool(environ.get(name, "").split(",")[0].strip() == value)
    return bool(environ["wsgi.url_scheme"] == "https")


def _length(environ: Environ) -> int | None:
    """What the sender says of the body's length; None for one in chunks, which says nothing."""
    said = environ.get("CONTENT_LENGTH") or ""
    if not said:
        if "HTTP_TRANSFER_ENCODING" in environ:
            return None
        raise Refused(NO_LENGTH)
    if not _LENGTH.fullmatch(said):
        raise Refused(CUT_OFF)
    if int(said) > LONGEST_BODY:
        raise Refused(TOO_LONG)
    return int(said)


def _signature(environ: Environ, endpoint: Endpoint | None) -> str | None:
    if endpoint is None:
        return None
    return headers.value(environ, endpoint.rules.signature) or None


def _answer_before_the_body(endpoint: Endpoint | None, given: str | None) -> None:
    """Whoever asks whether to send the body (RFC 9110 §10.1.1) hears what is clear already."""
    if endpoint is None or not signature.is_formed(endpoint.rules, given):
        raise Refused(UNSIGNED)


def _body(environ: Environ, length: int | None) -> bytes:
    """The raw bytes; no more than the cap is ever read. Raises Refused."""
    most = LONGEST_BODY + 1 if length is None else length
    source, parts, left = environ["wsgi.input"], [], most
    try:
        while left > 0 and (part := source.read(min(left, _PORTION))):
            parts.append(part)
            left -= len(part)
    except (OSError, EOFError, RuntimeError, ValueError):
        raise Refused(CUT_OFF) from None
    body = b"".join(parts)
    if len(body) > LONGEST_BODY:
        raise Refused(TOO_LONG)
    if length is not None and len(body) != length:
        raise Refused(CUT_OFF)
    return body


def _drained(environ: Environ) -> bool:
    """Whether nothing of a refused request is left on the line, so that the next one may follow.

    A small body is read to its end: a sender whose line is cut loses the delivery behind this one.
    """
    said = environ.get("CONTENT_LENGTH") or "0"
    if "HTTP_TRANSFER_ENCODING" in environ or "HTTP_EXPECT" in environ:
        return False
    if not _LENGTH.fullmatch(said) or int(said) > _DRAINED:
        return False
    try:
        environ["wsgi.input"].read(int(said))
    except (OSError, EOFError, RuntimeError, ValueError):
        return False
    return True


def _judged(endpoint: Endpoint | None, given: str | None, body: bytes) -> Verdict:
    if endpoint is None:
        return signature.judge(None, given, body, None, None)
    return signature.judge(endpoint.rules, given, body, endpoint.secret, endpoint.second())


application = Front()
