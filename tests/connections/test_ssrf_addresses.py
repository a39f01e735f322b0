"""The address table: both edges of each range, every form that hides IPv4, and what is ordinary."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

import pytest

from connections import addresses
from connections.addresses import HARD, SCOPED, SPECIAL, TUNNEL, UNREADABLE, classify, refusal

TABLE = addresses.V4_RANGES + addresses.V6_RANGES
SEVERITY = (None, TUNNEL, SPECIAL, HARD)
INNER = [
    ("127.0.0.1", HARD),
    ("169.254.169.254", HARD),
    ("0.0.0.1", HARD),
    ("224.0.0.1", HARD),
    ("255.255.255.255", HARD),
    ("168.63.129.16", HARD),
    ("100.100.100.200", HARD),
    ("10.0.0.1", SPECIAL),
    ("192.168.1.1", SPECIAL),
    ("198.18.0.1", SPECIAL),
    ("8.8.8.8", TUNNEL),
]
WORD = 0xFFFFFFFF


def wrappings(inner: str) -> dict[str, str]:
    """Every form of IPv6 address that carries this IPv4 address."""
    number = int(ip_address(inner))
    forms = {
        "compatible": number,
        "mapped": (0xFFFF << 32) | number,
        "translated": (0xFFFF << 48) | number,
        "nat64": (0x64FF9B << 96) | number,
        "nat64-local": (0x64FF9B0001 << 80) | number,
        "6to4": (0x2002 << 112) | (number << 80) | 1,
        "teredo-server": (0x2001 << 112) | (number << 64) | (0x08080808 ^ WORD),
        "teredo-client": (0x2001 << 112) | (0x08080808 << 64) | (number ^ WORD),
        "isatap": (0x2606_4700 << 96) | (0x5EFE << 32) | number,
        "isatap-universal": (0x2606_4700 << 96) | (0x0200_5EFE << 32) | number,
    }
    return {name: str(IPv6Address(form)) for name, form in forms.items()}


@pytest.mark.parametrize(("cidr", "reason"), TABLE)
def test_both_ends_of_a_range_are_refused_for_its_reason_or_a_harder_one(cidr, reason):
    network = ip_network(cidr)

    for inside in (network[0], network[-1]):
        found = classify(str(inside))

        assert SEVERITY.index(found) >= SEVERITY.index(reason), inside


@pytest.mark.parametrize(("cidr", "reason"), TABLE)
def test_just_outside_a_range_only_another_range_refuses(cidr, reason):
    network = ip_network(cidr)
    others = [ip_network(c) for c, _ in TABLE + addresses.EMBEDDING if c != cidr]

    for outside in neighbours(network):
        is_covered = any(outside.version == o.version and outside in o for o in others)

        assert (classify(str(outside)) is not None) == is_covered, outside


def neighbours(network):
    """The addresses just before and just after."""
    numbers = (int(network[0]) - 1, int(network[-1]) + 1)
    return [type(network[0])(n) for n in numbers if 0 <= n < 1 << network.max_prefixlen]


@pytest.mark.parametrize(("inner", "reason"), INNER)
@pytest.mark.parametrize("form", list(wrappings("8.8.8.8")))
def test_an_ipv6_address_that_carries_an_ipv4_one_is_no_better_than_it(inner, reason, form):
    assert classify(wrappings(inner)[form]) == reason


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "52.20.30.40", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0",
     "192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "1.0.0.0", "11.0.0.0",
     "168.63.129.15", "168.63.129.17", "2606:4700:4700::1111", "2a00:1450::1", "2001:200::1",
     "2003::1", "3ffe:ffff::1"],
)  # fmt: skip
def test_an_ordinary_public_address_is_let_through(address):
    assert classify(address) is None


@pytest.mark.parametrize(
    "address", ["", "localhost", "1.2.3", "0x7f.1", "127.1", "1.2.3.4.5", "::g", "[::1]", "٣.1.1.1"]
)
def test_what_is_not_an_address_is_refused(address):
    assert classify(address) == UNREADABLE


def test_a_zone_is_refused_whatever_the_address():
    assert classify("2606:4700::1%eth0") == SCOPED


def test_one_bad_answer_refuses_all():
    assert refusal(["52.20.30.40", "10.0.0.1"]) == SPECIAL
    assert refusal(["52.20.30.40", "2606:4700::1", "::1"]) == HARD


def test_no_answers_and_too_many_are_refused():
    assert refusal([]) == addresses.NO_ANSWER
    assert refusal(["8.8.8.8"] * 16) is None
    assert refusal(["8.8.8.8"] * 17) == addresses.TOO_MANY


def test_an_entry_lifts_its_own_networks_and_never_a_hard_address():
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]

    assert refusal(["10.20.3.4"], [ip_network("10.20.0.0/16")]) is None
    assert refusal(["10.21.0.1"], [ip_network("10.20.0.0/16")]) == SPECIAL
    assert refusal(["64:ff9b::808:808"], everything) is None
    for hard in ("127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "64:ff9b::7f00:1"):
        assert refusal([hard], everything) == HARD
    assert refusal(["fe80::1%eth0"], everything) == SCOPED
    assert refusal(["nonsense"], everything) == UNREADABLE
