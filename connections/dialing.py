"""From an origin to an open line: resolve, check every answer, dial the checked one, speak TLS.

Nothing here reads the environment's proxies, ~/.netrc or cookies: there is no code that could.
The one outbound proxy is the operator's setting. It serves vendor origins only, whose names it
resolves itself; what people type as an address is always resolved, checked and dialled by us.
No Django here.
"""

from __future__ import annotations

import base64
import logging
import re
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

import httpcore2

from connections import addresses, resolving, wire
from connections.addresses import Classify
from connections.errors import Blocked, TlsFailed, Unavailable
from connections.hostnames import bracketed
from connections.origins import Origin
from connections.wire import Line, Wire

log = logging.getLogger(__name__)

_PROXY_HOST = re.compile(r"[A-Za-z0-9.:_-]+")


@dataclass(frozen=True, slots=True, repr=False)
class Proxy:
    """The outbound proxy of the settings; its password shows in no repr."""

    host: str
    port: int
    authorization: bytes = b""

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """From `http://[user:password@]host:port`; ValueError, without the text, for all else."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if port is None or parts.scheme != "http" or not _PROXY_HOST.fullmatch(host):
            raise ValueError("The outbound proxy must be http://[user:password@]host:port.")
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        return cls(host, port, b"Basic " + base64.b64encode(pair) if pair != b":" else b"")


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens lines; each one is resolved and checked anew, and the checked address is dialled."""

    resolver: resolving.Resolver
    classify: Classify
    own_addresses: frozenset[str]
    proxy: Proxy | None

    def open(self, origin: Origin, until: float) -> Line:
        """A line to this origin by `until`, five seconds at most.

        Blocked when the addresses may not be dialled, TlsFailed when the certificate or version is
        not acceptable, Unavailable for all else: nothing of the request has been sent.
        """
        until = min(until, time.monotonic() + wire.CONNECT_SECONDS)
        try:
            opened = self._wire(origin, until)
        except (Blocked, wire.PeerDiffers) as refusal:
            reason = refusal.reason if isinstance(refusal, Blocked) else "peer"
            log.warning("http.blocked", extra={"host": origin.host, "reason": reason})
            raise Blocked(reason) from None
        except (OSError, resolving.LookupFailed) as failure:
            raise _unreached(origin, failure) from None
        return _line(origin, self._secured(opened, origin) if origin.scheme == "https" else opened)

    def _wire(self, origin: Origin, until: float) -> Wire:
        if self.proxy and origin.vendor:
            return self._tunnel(self.proxy, origin, until)
        return wire.dial(self._checked(origin, until), origin.port, until)

    def _checked(self, origin: Origin, until: float) -> tuple[str, ...]:
        """The origin's addresses, all of them fit to be dialled; else Blocked."""
        if origin.sandbox:
            return ("127.0.0.1", "::1") if origin.host == "localhost" else (origin.host,)
        answers = (origin.host,) if origin.is_literal else self._resolve(origin.host, until)
        networks = origin.entry.networks if origin.entry else ()
        if reason := addresses.refusal(answers, networks, by=self.classify):
            raise Blocked(reason)
        if not self.own_addresses.isdisjoint(answers):
            raise Blocked("own-address")
        if origin.scheme == "http" and not all(addresses.is_within(a, networks) for a in answers):
            raise Blocked("scheme")  # in clear only inside the networks that an admin named
        return answers

    def _resolve(self, host: str, until: float) -> tuple[str, ...]:
        seconds = min(resolving.LOOKUP_SECONDS, until - time.monotonic())
        return resolving.within(self.resolver, host, seconds)

    def _tunnel(self, proxy: Proxy, origin: Origin, until: float) -> Wire:
        """A wire through the proxy (RFC 9110 §9.3.6); whoever runs it vouches for its address."""
        opened = wire.dial(self._resolve(proxy.host, until), proxy.port, until)
        there = f"{bracketed(origin.host)}:{origin.port}".encode()
        headers = [(b"Host", there)]
        if proxy.authorization:
            headers.append((b"Proxy-Authorization", proxy.authorization))
        url = httpcore2.URL(scheme=b"http", host=proxy.host, port=proxy.port, target=there)
        try:
            answer = Line(url.origin, opened).handle_request(
                httpcore2.Request(b"CONNECT", url, headers=headers)
            )
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
            opened.close()
            raise OSError("proxy") from None
        if not 200 <= answer.status < 300:
            opened.close()
            raise Unavailable(f"The outbound proxy answered {answer.status}.")
        return opened

    def _secured(self, opened: Wire, origin: Origin) -> Wire:
        try:
            opened.secure(_tls(origin.entry.ca_pem if origin.entry else None), origin.host)
        except ssl.SSLCertVerificationError as failure:
            opened.close()
            raise TlsFailed(
                f"The certificate is not acceptable: {failure.verify_message}"
            ) from None
        except ssl.SSLError as failure:
            opened.close()
            raise TlsFailed(f"TLS failed: {failure.reason or 'the handshake broke off'}") from None
        except OSError as failure:
            opened.close()
            raise _unreached(origin, failure) from None
        return opened


@lru_cache(maxsize=64)
def _tls(ca_pem: str | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, name and chain checked: by the system's roots, or by this CA alone."""
    if ca_pem is None:
        context = httpcore2.default_ssl_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    return context


def _line(origin: Origin, opened: Wire) -> Line:
    scheme, host = origin.scheme.encode(), origin.host.encode()
    return Line(httpcore2.Origin(scheme, host, origin.port), opened)


def _unreached(origin: Origin, failure: Exception) -> Unavailable:
    """What people read: for a vendor why, for an address somebody typed always the same.

    Else the answers would tell apart which ports are open in a network (trust.md §8.1 rule 11).
    """
    reason = _reason(failure)
    log.info("http.unreached", extra={"host": origin.host, "reason": reason})
    if origin.vendor or origin.sandbox:
        return Unavailable(f"{origin.host} cannot be reached: {reason}.")
    return Unavailable("This address cannot be reached from here.")


def _reason(failure: Exception) -> str:
    match failure:
        case resolving.LookupFailed():
            return "its name gives no address"
        case TimeoutError():
            return "it does not answer in time"
        case ConnectionRefusedError():
            return "it refuses the connection"
    return "the connection fails"
