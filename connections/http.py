"""The one door to the network: each call to a vendor, or to an address somebody typed, goes here.

Deadlines, size caps, checked and pinned addresses; no redirects, cookies or environment. What fails
is an error of `errors.py` that says how far the request came. No Django here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import httpcore2

from connections import addresses, bodies, origins, resolving
from connections.dialing import Dialer, Proxy
from connections.errors import (
    AnswerLost,
    Blocked,
    Refused,
    Unavailable,
    UnexpectedResponse,
    VendorError,
)
from connections.origins import AllowEntry, BaseUrl, Origin
from connections.pool import Key, Pool, key_for
from connections.wire import HEAD_BYTES, Line

REDIRECTS = frozenset({301, 302, 303, 307, 308})
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
OURS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "cookie"}
)

_METHOD = re.compile(r"[A-Z]{3,10}")
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?")
_FAILURES = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how long: bytes of body once unpacked, seconds in all, seconds of silence."""

    body_bytes: int
    deadline_seconds: float
    silence_seconds: float


API = Limits(body_bytes=5 * 1024 * 1024, deadline_seconds=30.0, silence_seconds=10.0)
TOKEN = Limits(body_bytes=64 * 1024, deadline_seconds=40.0, silence_seconds=35.0)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer: headers by lower-case name, body unpacked; `request` has no query."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    latency_seconds: float
    request: str


@dataclass(frozen=True, slots=True, repr=False)
class _Call:
    """One request on its way: what it says, where it is dialled, when it must be over."""

    message: httpcore2.Request
    origin: Origin
    key: Key
    limits: Limits
    until: float
    repeatable: bool
    reuse: bool


class _Stale(Exception):
    """A line from the pool turned out to be closed before anything came back."""

    def __init__(self, *, sent: bool) -> None:
        self.sent = sent


class Door:
    """Sends requests; safe to share between threads.

    `sandbox_origins` are exact loopback origins (http://127.0.0.1:8801) that may be dialled at all;
    `replace` sends a manifest's origin to another one; `proxy` serves vendor origins only.
    `before_send` runs before each call and may refuse it by raising. `classify` is the address
    policy and `resolver` whoever knows names. A setting that is not understood stops start-up by
    ValueError or Blocked.
    """

    def __init__(
        self,
        *,
        resolver: resolving.Resolver | None = None,
        classify: addresses.Classify = addresses.classify,
        sandbox_origins: Iterable[str] = (),
        replace: Mapping[str, str] | None = None,
        proxy: str = "",
        own_addresses: frozenset[str] = frozenset(),
        before_send: Callable[[], None] | None = None,
        user_agent: str = "portal",
    ) -> None:
        self._sandbox = {str(o): o for o in map(origins.loopback, sandbox_origins)}
        self._replace = {
            str(self.vendor(vendor).origin): self.vendor(other).origin
            for vendor, other in (replace or {}).items()
        }
        self._dialer = Dialer(
            resolver or resolving.SystemResolver(),
            classify,
            own_addresses,
            Proxy.parse(proxy) if proxy else None,
        )
        self._before_send = before_send
        self._user_agent = user_agent.encode("ascii")
        self._pool = Pool()

    def vendor(self, text: str) -> BaseUrl:
        """A manifest's base URL: public https, or one of the sandbox's. Blocked for all else."""
        return self._in_sandbox(text) or origins.vendor(text)

    def base_url(
        self,
        text: str,
        *,
        allow: Sequence[AllowEntry] = (),
        own_hosts: frozenset[str] = frozenset(),
    ) -> BaseUrl:
        """The base URL that a person typed: as `origins.parse` reads it, or the sandbox's."""
        return self._in_sandbox(text) or origins.parse(text, allow=allow, own_hosts=own_hosts)

    def send(
        self,
        method: str,
        url: str,
        *,
        origin: Origin,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limits: Limits = API,
        deadline_seconds: float | None = None,
        lane: str = "",
        reuse: bool = False,
    ) -> Response:
        """The answer to this request, whatever its status but a redirect.

        `url` is absolute and lies on `origin`; only calls with the same `lane` share connections.
        What may not be repeated opens a connection of its own, unless its caller can live with the
        answer being lost when the other side closes an idle one in that moment (`reuse`).
        Raises Blocked (nothing was sent), Unavailable (not reached), TlsFailed, AnswerLost (sent,
        and no whole answer came), UnexpectedResponse (it breaks the protocol or a limit).
        """
        if self._before_send:
            self._before_send()
        started, request = time.monotonic(), method
        try:
            dialled, target = self._place(origin, url)
            request = f"{method} {target.partition('?')[0]}"
            call = _Call(
                message=self._message(method, dialled, target, headers or {}, body),
                origin=dialled,
                key=key_for(dialled, lane),
                limits=limits,
                until=started + (deadline_seconds or limits.deadline_seconds),
                repeatable=method in REPEATABLE,
                reuse=reuse or method in REPEATABLE,
            )
            status, received, content = self._exchange(call)
        except VendorError as error:
            error.request, error.latency_seconds = request, time.monotonic() - started
            raise
        return Response(status, received, content, time.monotonic() - started, request)

    def close(self) -> None:
        """No idle connection stays open; the door can still be used."""
        self._pool.close()

    def _in_sandbox(self, text: str) -> BaseUrl | None:
        for spelled, origin in self._sandbox.items():
            if text == spelled or text.startswith(f"{spelled}/"):
                path = origins.target(text.removeprefix(spelled) or "/")
                return BaseUrl(origin, path.rstrip("/"))
        return None

    def _place(self, origin: Origin, url: str) -> tuple[Origin, str]:
        """Where this URL is dialled, and the request target; Blocked when it is not on `origin`.

        A replaced origin and its stand-in are the same place: the sandbox's links name either.
        """
        if origin.sandbox and str(origin) not in self._sandbox:
            raise Blocked("sandbox")
        spelled = str(origin)
        dialled = self._replace.get(spelled, origin)
        if url.startswith(f"{spelled}/"):
            return dialled, origins.target(url[len(spelled) :])
        link = origins.link(url)
        if link.origin not in (spelled, str(dialled)):
            raise Blocked("foreign-origin", "The link leads away from the connection's own origin.")
        return dialled, link.target

    def _message(
        self, method: str, origin: Origin, target: str, given: Mapping[str, str], body: bytes | None
    ) -> httpcore2.Request:
        headers = [
            (b"Host", origin.authority.encode()),
            (b"User-Agent", self._user_agent),
            (b"Accept-Encoding", b"gzip, deflate"),
            *(_header(name, value) for name, value in given.items()),
        ]
        if body is not None or method not in REPEATABLE:
            headers.append((b"Content-Length", str(len(body or b"")).encode()))
        if not _METHOD.fullmatch(method):
            raise Refused("This method cannot be sent.")
        url = httpcore2.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target)
        return httpcore2.Request(method, url, headers=headers, content=body or b"")

    def _exchange(self, call: _Call) -> tuple[int, Mapping[str, str], bytes]:
        """Over an idle line where that is allowed; else, or when it was closed, over a new one."""
        idle = self._pool.take(call.key) if call.reuse else None
        if idle is not None:
            try:
                return self._converse(idle, call)
            except _Stale as stale:
                if stale.sent and not call.repeatable:
                    raise AnswerLost("The answer broke off.") from None
        return self._converse(self._dialer.open(call.origin, call.until), call)

    def _converse(self, line: Line, call: _Call) -> tuple[int, Mapping[str, str], bytes]:
        """One request and its whole answer; the line is kept only after a clean exchange."""
        line.wire.begin(until=call.until, silence=call.limits.silence_seconds)
        clean = False
        try:
            answer = _answer(line, call)
            clean = True
        except _FAILURES as failure:
            raise _named(line, failure) from None
        finally:
            if not clean:
                line.close()
        self._pool.keep(call.key, line)
        return answer


def _answer(line: Line, call: _Call) -> tuple[int, Mapping[str, str], bytes]:
    response = line.handle_request(call.message)
    try:
        headers = bodies.headers_of(response.headers)
        if response.status in REDIRECTS:
            raise UnexpectedResponse(_redirected(headers.get("location", ""), call.origin))
        line.wire.allow(2 * call.limits.body_bytes + HEAD_BYTES)
        chunks = cast(Iterable[bytes], response.stream)
        body = bodies.body_of(chunks, headers, call.limits.body_bytes)
        if line.leftover:
            raise UnexpectedResponse("The answer is longer than it says.")
    except UnexpectedResponse as error:
        error.status = response.status
        raise
    response.close()
    return response.status, headers, body


def _redirected(location: str, origin: Origin) -> str:
    """A redirect is never followed, and only the host of its place is said."""
    try:
        host = origins.link(location).host if "//" in location else origin.host
    except Blocked:
        host = "an unreadable address"
    return f"It answers with a redirect to {host}, which is not followed."


def _named(line: Line, failure: Exception) -> VendorError | _Stale:
    """The failure by how far the request came: not sent, sent without an answer, a bad answer."""
    wire = line.wire
    if isinstance(failure, httpcore2.LocalProtocolError):
        return Refused("This request cannot be sent.")
    if isinstance(failure, httpcore2.RemoteProtocolError) and not wire.ended:
        return UnexpectedResponse("The answer is not proper HTTP.")
    is_silent = isinstance(failure, httpcore2.TimeoutException)
    if line.used and not wire.received and not is_silent:
        return _Stale(sent=bool(wire.sent))
    detail = "No whole answer came in time." if is_silent else "The answer broke off."
    return AnswerLost(detail) if wire.sent else Unavailable(detail)


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    """A header of the caller's; Refused, without its value, when it cannot be sent as it is."""
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name.lower() in OURS:
        raise Refused("A header of this request cannot be sent.")
    return name.encode(), value.encode()
