"""Which addresses the portal may dial: our own table, so that no Python release changes the answer.

Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates), the cloud
vendors' metadata pages, and the RFCs of the forms that carry an IPv4 address inside an IPv6 one.
No Django here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

HARD = "addr-hard"  # never, whatever an allow-list says
SPECIAL = "addr-special"  # not public; an allow-list entry may name its network
TUNNEL = "addr-tunnel"  # public, but wrapped in a form that some router unwraps elsewhere
SCOPED = "addr-scoped"  # with a zone: link-local by nature
UNREADABLE = "addr-syntax"
NO_ANSWER = "dns-none"
TOO_MANY = "dns-many"

MOST_ANSWERS = 16

Network = IPv4Network | IPv6Network
Classify = Callable[[str], str | None]

V4_RANGES: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", HARD),  # this host, this network
    ("127.0.0.0/8", HARD),  # loopback
    ("169.254.0.0/16", HARD),  # link-local: AWS, GCP, Azure, ECS metadata
    ("100.100.100.200/32", HARD),  # Alibaba metadata, inside carrier NAT
    ("168.63.129.16/32", HARD),  # Azure wire server: looks public
    ("192.0.0.192/32", HARD),  # Oracle metadata
    ("224.0.0.0/4", HARD),  # multicast
    ("240.0.0.0/4", HARD),  # reserved, and broadcast
    ("10.0.0.0/8", SPECIAL),  # RFC 1918
    ("172.16.0.0/12", SPECIAL),
    ("192.168.0.0/16", SPECIAL),
    ("100.64.0.0/10", SPECIAL),  # carrier NAT, RFC 6598
    ("192.0.0.0/24", SPECIAL),  # IETF protocol assignments
    ("192.0.2.0/24", SPECIAL),  # documentation, RFC 5737
    ("198.51.100.0/24", SPECIAL),
    ("203.0.113.0/24", SPECIAL),
    ("198.18.0.0/15", SPECIAL),  # benchmarks, RFC 2544
    ("192.88.99.0/24", SPECIAL),  # 6to4 relay, RFC 7526
    ("192.31.196.0/24", SPECIAL),  # AS112, RFC 7535
    ("192.175.48.0/24", SPECIAL),  # AS112, RFC 7534
    ("192.52.193.0/24", SPECIAL),  # AMT, RFC 7450
)

V6_RANGES: tuple[tuple[str, str], ...] = (
    ("::/128", HARD),  # unspecified
    ("::1/128", HARD),  # loopback
    ("fe80::/10", HARD),  # link-local
    ("ff00::/8", HARD),  # multicast
    ("fd00:ec2::/32", HARD),  # AWS metadata, DNS, time
    ("fd20:ce::254/128", HARD),  # GCP metadata
    ("fd00:42::42/128", HARD),  # Scaleway metadata
    ("2001::/23", SPECIAL),  # IETF protocol assignments: ORCHID, benchmarks, drone ids
    ("2001:db8::/32", SPECIAL),  # documentation
    ("3fff::/20", SPECIAL),  # documentation, RFC 9637
    ("2620:4f:8000::/48", SPECIAL),  # AS112, RFC 7534
    ("::/3", SPECIAL),  # IANA hands out 2000::/3 only: all beside it is refused
    ("4000::/2", SPECIAL),
    ("8000::/1", SPECIAL),
)

# Where an IPv6 prefix carries an IPv4 address: how far the 32 bits lie from the right.
EMBEDDING: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("::/96", (0,)),  # IPv4-compatible, RFC 4291 §2.5.5.1
    ("::ffff:0:0/96", (0,)),  # IPv4-mapped
    ("::ffff:0:0:0/96", (0,)),  # translated, RFC 2765
    ("64:ff9b::/96", (0,)),  # NAT64, RFC 6052
    ("64:ff9b:1::/48", (0,)),  # NAT64 for local use, RFC 8215
    ("2002::/16", (80,)),  # 6to4, RFC 3056
    ("2001::/32", (64, 0)),  # Teredo, RFC 4380: server, and client with its bits flipped
)

_WORD = 0xFFFFFFFF
_TEREDO = int(ip_address("2001::")) >> 96
_ISATAP = 0x00005EFE  # RFC 5214 §6.1; the two bits beside it say universal and group


def _bounds(ranges: Iterable[tuple[str, str]]) -> tuple[tuple[int, int, str], ...]:
    networks = [(ip_network(cidr), reason) for cidr, reason in ranges]
    return tuple((int(n[0]), int(n[-1]), reason) for n, reason in networks)


_V4 = _bounds(V4_RANGES)
_V6 = _bounds(V6_RANGES)
_V6_HARD = tuple(row for row in _V6 if row[2] == HARD)
_EMBEDDING = tuple(
    (int(ip_network(cidr)[0]), int(ip_network(cidr)[-1]), shifts) for cidr, shifts in EMBEDDING
)


def classify(address: str) -> str | None:
    """Why this address may not be dialled, or None when it is an ordinary public one."""
    if "%" in address:
        return SCOPED
    try:
        parsed = ip_address(address)
    except ValueError:
        return UNREADABLE
    return _in(_V4, int(parsed)) if parsed.version == 4 else _classify_v6(int(parsed))


def refusal(
    answers: Sequence[str], networks: Sequence[Network] = (), *, by: Classify = classify
) -> str | None:
    """Why this set of answers may not be dialled: one bad address among them refuses all.

    `networks` come from an allow-list entry and lift what is not public, never what is HARD.
    """
    if not answers:
        return NO_ANSWER
    if len(answers) > MOST_ANSWERS:
        return TOO_MANY
    for answer in answers:
        reason = by(answer)
        if reason in (SPECIAL, TUNNEL) and is_within(answer, networks):
            continue
        if reason is not None:
            return reason
    return None


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether one of the networks holds this address; the address must be readable."""
    parsed = ip_address(address)
    return any(parsed.version == n.version and parsed in n for n in networks)


def is_hard(network: Network) -> bool:
    """Whether some address of this network may never be dialled, so that nobody may list it.

    Forms that carry an IPv4 address are never listed: the IPv4 network is.
    """
    first, last = int(network[0]), int(network[-1])
    if network.version == 4:
        return any(_overlap(first, last, row) for row in _V4 if row[2] == HARD)
    carrying = ((start, end, HARD) for start, end, _ in _EMBEDDING)
    return any(_overlap(first, last, row) for row in (*_V6_HARD, *carrying))


def _overlap(first: int, last: int, row: tuple[int, int, str]) -> bool:
    return first <= row[1] and row[0] <= last


def same(one: str, other: str) -> bool:
    """Whether two texts name one address."""
    return ip_address(one) == ip_address(other)


def _in(rows: tuple[tuple[int, int, str], ...], number: int) -> str | None:
    for first, last, reason in rows:
        if first <= number <= last:
            return reason
    return None


def _classify_v6(number: int) -> str | None:
    if _in(_V6_HARD, number):
        return HARD
    inner = [_in(_V4, embedded) or TUNNEL for embedded in _embedded(number)]
    for reason in (HARD, SPECIAL, TUNNEL):
        if reason in inner:
            return reason
    return _in(_V6, number)


def _embedded(number: int) -> list[int]:
    """The IPv4 addresses that this IPv6 address carries."""
    for first, last, shifts in _EMBEDDING:
        if first <= number <= last:
            found = [(number >> shift) & _WORD for shift in shifts]
            return [found[0], found[1] ^ _WORD] if number >> 96 == _TEREDO else found
    if (number >> 32) & _WORD & ~0x03000000 == _ISATAP:
        return [number & _WORD]
    return []
