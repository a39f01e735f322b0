"""The URL grammar: what comes out parses to itself, and every other parser reads the same host."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import httpcore2
import pytest
import urllib3
from hypothesis import example, given, strategies as st

from connections import hostnames
from connections.errors import Blocked
from connections.origins import AllowEntry, allow_entry, link, parse

ALLOW = (
    allow_entry("git.corp", ["10.0.0.0/8"], ports=[443, 80], http=True),
    allow_entry("10.20.0.7", ["10.20.0.7/32"]),
    allow_entry("[fd00::7]", ["fd00::7/128"]),
    allow_entry("bitbucket", ["10.0.0.0/8"]),
)
PARTS = st.sampled_from(
    ["https", "http", "HTTPS", ":", "//", "/", "\\", "@", "#", "?", "%", "%2e", "..", ".", "。",
     "git", "acme", "dev", "corp", "xn--", "xn--exmple-cua", "exämple", "ß", "10.20.0.7",
     "[fd00::7]", "[", "]", "::1", "127.1", "0x7f", "443", ":443", ":80", ":0443", "-", "_", " ",
     "\t", "\u200b", "\u00ad", "①", "／", "＠", "．", "\ud800", "\0", "é", "\u0301", "ſ", "K",
     "x" * 63, "x." * 127]
)  # fmt: skip
URLS = st.one_of(
    st.text(),
    st.lists(PARTS, max_size=12).map("".join),
    st.lists(PARTS, max_size=8).map(lambda parts: "https://" + "".join(parts)),
    st.text(min_size=1, max_size=20).map(lambda host: f"https://{host}.dev/x"),
)


@given(URLS)
@example("https://exämple．com")
@example("https://[fd00:0:0::7]:443/")
@example("HTTP://GIT.CORP.:80/a/")
@example("https://faß.de/x")
def test_any_text_is_blocked_or_parses_to_itself_and_to_the_host_that_others_read(
    text: str,
) -> None:
    try:
        base = parse(text, allow=ALLOW)
    except Blocked as blocked:
        assert blocked.reason
        return

    spelled = str(base)
    assert spelled.isascii()
    assert parse(spelled, allow=ALLOW) == base
    assert str(parse(spelled, allow=ALLOW)) == spelled
    assert link(f"{spelled}/x?y").origin == str(base.origin)
    for host in hosts_as_others_read(spelled):
        assert host == base.origin.host


def hosts_as_others_read(url: str) -> list[str]:
    readings = [urlsplit(url).hostname, urllib3.util.parse_url(url).host]
    readings.append(httpcore2.URL(url).host.decode())
    return [(host or "").strip("[]") for host in readings]


@given(st.text(max_size=40))
def test_any_host_is_blocked_or_its_own_canonical_spelling(text: str) -> None:
    try:
        host = hostnames.canonical(text)
    except Blocked:
        return

    assert hostnames.canonical(host.bracketed()) == host
    if host.literal:
        assert ipaddress.ip_address(host.name).compressed == host.name


@given(st.text(max_size=60).map(lambda rest: f"https://git.acme.dev/{rest}"))
def test_any_link_is_blocked_or_keeps_its_target_to_the_letter(text: str) -> None:
    try:
        found = link(text)
    except Blocked:
        return

    assert found.origin + found.target == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("HTTPS://Git.ACME.dev", "https://git.acme.dev"),
        ("https://git.acme.dev:443/", "https://git.acme.dev"),
        ("https://git.acme.dev:8443/bitbucket/", "https://git.acme.dev:8443/bitbucket"),
        ("https://git.acme.dev./x", "https://git.acme.dev/x"),
        ("https://EXÄMPLE.com", "https://xn--exmple-cua.com"),
        ("https://XN--exmple-cua.com", "https://xn--exmple-cua.com"),
        ("https://faß.de", "https://xn--fa-hia.de"),
        ("https://1password.dev", "https://1password.dev"),
        ("https://a1.b2.c3d", "https://a1.b2.c3d"),
        (f"https://{'a' * 63}.dev", f"https://{'a' * 63}.dev"),
        ("http://git.corp/x", "http://git.corp/x"),
        ("http://git.corp:80", "http://git.corp"),
        ("https://[FD00:0::7]", "https://[fd00::7]"),
        ("https://bitbucket", "https://bitbucket"),
        ("https://git.acme.dev/~user/a-b_c.d", "https://git.acme.dev/~user/a-b_c.d"),
    ],
)
def test_a_base_url_has_one_spelling(text: str, canonical: str) -> None:
    assert str(parse(text, allow=ALLOW)) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://git.acme.dev\ud800", "control"),
        ("https://git.acme.dev/\u00a0", "control"),
        ("https://git.ac\u00adme.dev", "control"),
        ("https://git.acme\ufe0f.dev", "control"),
        ("https://git.acme.dev\u2028", "control"),
        ("https://git.acme.dev\u3000", "control"),
        ("https://git.acme.dev\t", "control"),
        ("https://git.acme.dev／evil.dev", "idna"),
        ("https://git＠evil.dev", "idna"),
        ("https://℀.dev", "idna"),
        ("https://☃.dev", "idna"),
        ("https://a--b.xn--.dev", "idna"),
        ("https://ab--cd.dev", "idna"),
        ("https://xn--localhost-.dev", "idna"),
        ("https://xn--", "idna"),
        ("https://*.acme.dev", "idna"),
        ("https://git..acme.dev", "label"),
        ("https://.acme.dev", "label"),
        ("https://acme-.dev", "label"),
        (f"https://{'ä' * 60}.dev", "label"),
        ("https://git.acme.0x7f", "numeric-host"),
        ("https://0X7F000001", "numeric-host"),
        ("https://git.acme.dev:65536", "port"),
        ("https://git.acme.dev:99999", "port"),
        ("https://git.acme.dev:0443", "syntax"),
        ("https://git.acme.dev:+443", "syntax"),
        ("https://git.acme.dev:４４３", "syntax"),
        ("https://:443", "syntax"),
        ("https://[::1", "syntax"),
        ("https://[::1]x", "syntax"),
        ("https://[127.0.0.1]", "syntax"),
        ("https://[v1.fe80]", "syntax"),
        ("https://git.acme.dev/é", "syntax"),
        ("https://git.acme.dev/a;b", "syntax"),
        ("https://git.acme.dev/..;/x", "syntax"),
        ("https://git.acme.dev/a/./b", "path"),
        ("https://git.acme.dev/a/..", "path"),
        ("https://git.acme.dev//", "path"),
        ("https://git.acme.dev/" + "a" * 2048, "length"),
        ("https://git.acme.dev/" + "a" * 100_000, "length"),
        ("https://kubernetes.default.svc", "suffix"),
        ("https://printer.local.", "suffix"),
        ("https://git.acme.LOCALHOST", "suffix"),
        ("http://bitbucket", "scheme"),
        ("https://git.corp:8443", "port"),
        ("https://[fd00::8]", "ip-literal"),
        ("git.acme.dev", "syntax"),
        ("https://", "syntax"),
        ("https//git.acme.dev", "syntax"),
    ],
)
def test_a_base_url_is_blocked_for_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Blocked) as blocked:
        parse(text, allow=ALLOW)

    assert blocked.value.reason == reason


def test_what_is_blocked_does_not_repeat_the_text() -> None:
    with pytest.raises(Blocked) as blocked:
        parse("https://user:canary@git.acme.dev")

    assert "canary" not in repr(vars(blocked.value)) + str(blocked.value)


def test_an_entry_is_canonical_and_hides_its_ca() -> None:
    entry = allow_entry("GIT.Corp.", ["10.0.0.0/8"], ca_pem="-----BEGIN CERTIFICATE-----")

    assert entry.host == "git.corp"
    assert "BEGIN" not in repr(entry)
    assert entry != AllowEntry("git.corp", entry.networks)
    with pytest.raises(ValueError, match="host bits"):
        allow_entry("git.corp", ["10.0.0.1/8"])
