"""One spelling for each host name: IDNA 2008 with UTS 46 mapping, or the reason why it is none.

Whatever some other parser might read as an address (127.1, 0x7f000001, ①②⑦.⓪.⓪.①) is recognised as
one here, after the mapping and before anything asks a resolver. No Django here.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

import idna

from connections.errors import Blocked

LONGEST_NAME = 253
LONGEST_LABEL = 63

_LDH = re.compile(r"[a-z0-9-]+")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")  # "ends in a number", as the WHATWG URL parser has it
_IPV6 = re.compile(r"\[[0-9A-Fa-f:.]+\]")


class Host(NamedTuple):
    """A canonical host: ASCII, lower case, without a trailing dot, an IPv6 one without brackets."""

    name: str
    literal: bool

    def bracketed(self) -> str:
        return bracketed(self.name)


def bracketed(name: str) -> str:
    """The host as a URL and a Host header spell it."""
    return f"[{name}]" if ":" in name else name


def canonical(text: str) -> Host:
    """The one spelling of this host; Blocked with the reason when it is not a host."""
    if text.startswith("["):
        return Host(_ipv6(text), literal=True)
    name = text.lower() if text.isascii() else _mapped(text)
    name = name.removesuffix(".")
    last = name.rpartition(".")[2]
    if _NUMERIC.fullmatch(last):
        return Host(_dotted_quad(name), literal=True)
    name = ".".join(_label(label) for label in name.split("."))
    if len(name) > LONGEST_NAME:
        raise Blocked("length")
    return Host(name, literal=False)


def _ipv6(text: str) -> str:
    if not _IPV6.fullmatch(text):
        raise Blocked("syntax")
    try:
        return IPv6Address(text[1:-1]).compressed
    except AddressValueError:
        raise Blocked("syntax") from None


def _dotted_quad(name: str) -> str:
    """A strict dotted quad as it stands; every other number is a trick on some parser."""
    try:
        return str(IPv4Address(name))
    except AddressValueError:
        raise Blocked("numeric-host") from None


def _mapped(text: str) -> str:
    try:
        return idna.uts46_remap(text, std3_rules=True, transitional=False)
    except idna.IDNAError:
        raise Blocked("idna") from None


def _label(label: str) -> str:
    """The label as DNS carries it."""
    is_ace = label.startswith("xn--")
    hangs = label.startswith("-") or (label.endswith("-") and not is_ace)
    if not label or len(label) > LONGEST_LABEL or hangs:
        raise Blocked("label")
    if label.isascii() and not is_ace:
        if not _LDH.fullmatch(label) or label[2:4] == "--":
            raise Blocked("idna")
        return label
    return _ace(label)


def _ace(label: str) -> str:
    """The A-label; one that came as such must be what its own Unicode form gives back."""
    try:
        unicode = idna.ulabel(label)
        mapped = idna.uts46_remap(unicode, std3_rules=True, transitional=False)
        ace = idna.alabel(unicode).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise Blocked("label" if _too_long(label) else "idna") from None
    if mapped != unicode or unicode.isascii() or (label.isascii() and ace != label):
        raise Blocked("idna")
    return ace


def _too_long(label: str) -> bool:
    return len(label.encode("punycode")) + len("xn--") > LONGEST_LABEL and not label.isascii()
