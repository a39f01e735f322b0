"""The portal's one URL parser: a strict grammar, canonical results, a reason for each refusal.

`parse` reads what people type as a base URL; `vendor` what a manifest says; `loopback` the
sandbox's address from the settings; `link` an absolute link in a vendor's answer. Text is parsed
once: from then on an `Origin` travels, never the text. No Django here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple

import idna

from connections.addresses import Network
from connections.errors import Blocked
from connections.hostnames import Host, bracketed, canonical

PORTS = frozenset({443, 8443, 7990})
DEFAULT_PORT = {"https": 443, "http": 80}
LONGEST_URL = 2048
LONGEST_TARGET = 8192

# Names that resolve, if at all, inside somebody's network: RFC 6761, 6762, 7686, 8375, 9476,
# ICANN's name-collision list (corp, home, mail), and what clusters and routers hand out.
# fmt: off
INTERNAL_SUFFIXES = frozenset({
    "localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "corp",
    "home", "mail", "arpa", "test", "invalid", "onion", "alt", "consul", "svc", "cluster",
    "workgroup", "localnet",
})
# fmt: on

_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_URL = re.compile(r"([A-Za-z]+)://([^/]+)(/.*)?", re.DOTALL)
_FORBIDDEN = re.compile(r"[?#\\@%<>\"{}|^`]")
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]+)(?::(0|[1-9][0-9]{0,4}))?")
_PATH = re.compile(r"[A-Za-z0-9._~/-]*")
_LINK = re.compile(r"(https?)://([^/?#\\@]+)([/?].*)?", re.IGNORECASE | re.DOTALL)
_TARGET = re.compile(r"/[!-\"$-\[\]-~]*")  # visible ASCII without # and backslash
_DOTS = frozenset({".", ".."})
_HIDDEN_DOTS = (("%2e", "."), ("%2f", "/"), ("%5c", "/"))


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """What a platform admin permits for one host beyond the public internet: see `allow_entry`."""

    host: str
    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({443})
    http: bool = False
    ca_pem: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port in canonical spelling, and under which rule it may be dialled.

    `vendor` origins come from a manifest and may go through the outbound proxy; `sandbox` origins
    come from the settings and may be loopback; `entry` is the allow-list entry that covers it.
    """

    scheme: str
    host: str
    port: int
    entry: AllowEntry | None = field(default=None, repr=False)
    vendor: bool = field(default=False, compare=False)
    sandbox: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own: as the Host header says it."""
        host = bracketed(self.host)
        return host if self.port == DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"

    @property
    def is_literal(self) -> bool:
        return ":" in self.host or self.host.rpartition(".")[2].isdecimal()


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """An origin and the path under which an API lies there, without a slash at its end."""

    origin: Origin
    path: str = ""

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


class Link(NamedTuple):
    """An absolute link taken apart: canonical origin, and path with query."""

    origin: str
    host: str
    target: str


def parse(
    text: str, *, allow: Sequence[AllowEntry] = (), own_hosts: frozenset[str] = frozenset()
) -> BaseUrl:
    """The base URL that a person typed, in canonical form, or Blocked with the reason.

    `own_hosts` are the portal's own public names: a connection to itself would be a loop. What
    comes out parses to itself. Names are not resolved here: the door does that when it dials.
    """
    _refuse_controls(text)
    scheme, authority, path = _split(text)
    host, port = _host_and_port(scheme, authority)
    entry = next((e for e in allow if e.host == host.name), None)
    _refuse_scheme(scheme, entry)
    _refuse_host(host, entry, own_hosts)
    if port not in (entry.ports if entry else PORTS):
        raise Blocked("port")
    return BaseUrl(Origin(scheme, host.name, port, entry), _clean_path(path))


@lru_cache(maxsize=256)
def vendor(text: str) -> BaseUrl:
    """The base URL that a manifest names: public https, held to the same grammar."""
    base = parse(text)
    return replace(base, origin=replace(base.origin, vendor=True))


@lru_cache(maxsize=64)
def loopback(text: str) -> Origin:
    """The sandbox's origin from the settings; ValueError when it is not a loopback one."""
    try:
        scheme, authority, path = _split(text)
        host, port = _host_and_port(scheme, authority)
    except Blocked as refusal:
        raise ValueError(f"Not an origin ({refusal.reason}): {text}") from None
    is_loopback = host.name in ("localhost", "::1") or (host.literal and host.name[:4] == "127.")
    if path.strip("/") or not is_loopback:
        raise ValueError(f"Not a loopback origin: {text}")
    return Origin(scheme, host.name, port, sandbox=True)


def link(text: str) -> Link:
    """An absolute link in an answer, taken apart; Blocked when its authority could be misread.

    It says nothing of whether the place may be dialled: callers compare `origin` with their own.
    """
    if len(text) > LONGEST_TARGET:
        raise Blocked("length")
    _refuse_controls(text)
    if (match := _LINK.fullmatch(text)) is None:
        raise Blocked("syntax")
    scheme, rest = match[1].lower(), match[3] or "/"
    host, port = _host_and_port(scheme, match[2])
    origin = str(Origin(scheme, host.name, port))
    return Link(origin, host.name, target(rest if rest[0] == "/" else f"/{rest}"))


def target(text: str) -> str:
    """The request target, unchanged; Blocked when some server might read it as another path."""
    if len(text) > LONGEST_TARGET:
        raise Blocked("length")
    if not _TARGET.fullmatch(text):
        raise Blocked("syntax")
    path = text.partition("?")[0].lower()
    for hidden, plain in _HIDDEN_DOTS:
        path = path.replace(hidden, plain) if "%" in path else path
    if path.startswith("//") or not _DOTS.isdisjoint(path.split("/")):
        raise Blocked("path")
    return text


def allow_entry(
    host: str,
    networks: Iterable[str],
    *,
    ports: Iterable[int] = (443,),
    http: bool = False,
    ca_pem: str | None = None,
) -> AllowEntry:
    """An entry with its host in canonical spelling; ValueError for a network that is none."""
    ranges = tuple(ip_network(text) for text in networks)
    return AllowEntry(canonical(host).name, ranges, frozenset(ports), http, ca_pem)


def _refuse_controls(text: str) -> None:
    """No control, format, space or invisible character, which a reader or parser may skip."""
    if not text or len(text) > LONGEST_TARGET:
        raise Blocked("length" if text else "syntax")
    if _CONTROL.search(text) or (not text.isascii() and any(map(_is_invisible, text))):
        raise Blocked("control")


def _is_invisible(char: str) -> bool:
    if char.isascii():
        return False
    if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}:
        return True
    try:
        return not idna.uts46_remap(char)
    except idna.IDNAError:
        return False


def _split(text: str) -> tuple[str, str, str]:
    """Scheme, authority and path of a base URL: nothing else may be in it."""
    if len(text) > LONGEST_URL:
        raise Blocked("length")
    match = _URL.fullmatch(text)
    if match is None or _FORBIDDEN.search(text) or match[1].lower() not in DEFAULT_PORT:
        raise Blocked("syntax")
    path = match[3] or ""
    if not _PATH.fullmatch(path):
        raise Blocked("syntax")
    return match[1].lower(), match[2], path


def _host_and_port(scheme: str, authority: str) -> tuple[Host, int]:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise Blocked("syntax")
    return canonical(match[1]), int(match[2] or DEFAULT_PORT[scheme])


def _refuse_scheme(scheme: str, entry: AllowEntry | None) -> None:
    if scheme == "http" and not (entry and entry.http):
        raise Blocked("scheme")


def _refuse_host(host: Host, entry: AllowEntry | None, own_hosts: frozenset[str]) -> None:
    """Literals, bare and internal names need an allow-list entry; the portal itself has none."""
    if host.name in own_hosts:
        raise Blocked("own-host")
    if entry:
        return
    if host.literal:
        raise Blocked("ip-literal")
    if "." not in host.name:
        raise Blocked("single-label")
    if host.name.rpartition(".")[2] in INTERNAL_SUFFIXES:
        raise Blocked("suffix")


def _clean_path(path: str) -> str:
    segments = path.removesuffix("/").split("/")[1:]
    if not _DOTS.isdisjoint(segments) or "" in segments:
        raise Blocked("path")
    return path.removesuffix("/")
