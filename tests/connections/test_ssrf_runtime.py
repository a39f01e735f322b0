"""What only shows while a connection is made or an answer is read: run-time vectors by id."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path

import pytest

from connections import http, origins
from connections.addresses import classify
from connections.errors import (
    AnswerLost,
    Blocked,
    TlsFailed,
    Unavailable,
    UnexpectedResponse,
)
from connections.http import Door, Limits
from tests.connections.hostile import (
    HOST,
    Names,
    Visit,
    answer,
    authority,
    reach,
    sandboxed,
    saying,
    serving,
)

HASTY = Limits(body_bytes=64 * 1024, deadline_seconds=1.0, silence_seconds=0.3)
SECRET = "Basic Kq7vX2mPz9"


def get(door: Door, base: origins.BaseUrl, **options: object) -> http.Response:
    return door.send("GET", f"{base}/user", origin=base.origin, **options)


def door_for(*answers: str) -> tuple[Door, origins.BaseUrl]:
    """A door with the real address policy, for a host that has these addresses."""
    return Door(resolver=Names({HOST: answers})), origins.parse(f"https://{HOST}")


def test_R01_a_second_look_at_the_name_never_happens_within_a_connection() -> None:
    names = Names({HOST: [("127.0.0.1",), ("169.254.169.254",)]})
    with serving(saying(answer()), tls=authority().server_context(HOST)) as server:
        door, base = reach(server, names=names)

        assert get(door, base).status == 200

    assert names.asked == [HOST]


def test_R02_a_name_that_turns_private_is_refused_at_the_next_connection() -> None:
    names = Names({HOST: [("127.0.0.1",), ("10.0.0.5",)]})
    with serving(saying(answer()), tls=authority().server_context(HOST)) as server:
        door, base = reach(server, names=names)
        get(door, base)
        door.close()

        with pytest.raises(Blocked) as blocked:
            get(door, base)

    assert blocked.value.reason == "addr-special"
    assert len(server.visits) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_R03_a_redirect_is_an_error_and_not_a_request(status: int) -> None:
    with serving(saying(answer())) as elsewhere:
        moved = answer(b"", f"Location: {elsewhere.origin}/x?t=1", status=f"{status} Moved")
        with serving(saying(moved)) as server:
            door, base = sandboxed(server)

            with pytest.raises(UnexpectedResponse, match=r"redirect to 127\.0\.0\.1,") as error:
                get(door, base, headers={"Authorization": SECRET})

    assert error.value.status == status
    assert elsewhere.accepted == 0
    assert "/x" not in str(error.value)


def test_R04_a_redirect_to_the_same_origin_in_clear_is_not_followed() -> None:
    moved = answer(b"", f"Location: http://{HOST}/user", status="301 Moved")
    with serving(saying(moved), tls=authority().server_context(HOST)) as server:
        door, base = reach(server)

        with pytest.raises(UnexpectedResponse, match=f"redirect to {HOST}"):
            get(door, base)

    assert len(server.visits) == 1


def test_R05_a_client_secret_does_not_follow_a_redirect() -> None:
    moved = answer(b"", "Location: https://evil.dev/token", status="307 Moved")
    with serving(saying(moved)) as server:
        door, base = sandboxed(server)

        with pytest.raises(UnexpectedResponse, match=r"evil\.dev"):
            door.send(
                "POST", f"{base}/token", origin=base.origin, body=b"a=b", limits=http.TOKEN,
                headers={"Authorization": SECRET},
            )  # fmt: skip

    assert len(server.visits) == 1


def test_R06_a_location_of_a_megabyte_is_a_broken_answer() -> None:
    moved = answer(b"", f"Location: https://{'a' * 1_000_000}", status="302 Found")
    with serving(saying(moved)) as server, pytest.raises(UnexpectedResponse):
        get(*sandboxed(server))


def test_R07_whatever_the_name_is_an_alias_of_the_address_decides() -> None:
    door, base = door_for("169.254.169.254")

    with pytest.raises(Blocked) as blocked:
        get(door, base)

    assert blocked.value.reason == "addr-hard"


def test_R08_a_silent_resolver_costs_two_seconds() -> None:
    class Silent:
        over = threading.Event()

        def resolve(self, host: str) -> tuple[str, ...]:
            self.over.wait(20)
            return ("127.0.0.1",)

    door, began = Door(resolver=Silent()), time.monotonic()

    with pytest.raises(Unavailable):
        get(door, origins.parse(f"https://{HOST}"))

    Silent.over.set()
    assert time.monotonic() - began < 10


def test_R09_megabytes_of_addresses_are_refused() -> None:
    door, base = door_for(*["52.20.30.40"] * 700_000)

    with pytest.raises(Blocked) as blocked:
        get(door, base)

    assert blocked.value.reason == "dns-many"


def test_R10_a_certificate_for_another_name_is_refused() -> None:
    tls = authority().server_context("evil.dev")
    with serving(saying(answer()), tls=tls) as server, pytest.raises(TlsFailed, match="mismatch"):
        get(*reach(server))

    assert server.visits == []


def test_R11_a_certificate_of_an_unknown_authority_is_refused() -> None:
    tls = authority().server_context(HOST)
    with serving(saying(answer()), tls=tls) as server:
        door, base = reach(server)
        stranger = origins.AllowEntry(HOST, (), frozenset({server.port}))
        without_ca = door.base_url(str(base), allow=[stranger])

        with pytest.raises(TlsFailed):
            get(door, without_ca)
        assert get(door, base).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_R12_old_tls_is_refused() -> None:
    tls = authority().server_context(HOST)
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1
    with serving(saying(answer()), tls=tls) as server, pytest.raises(TlsFailed):
        get(*reach(server))

    assert server.visits == []


def test_R13_the_name_is_what_tls_and_http_say_and_the_address_what_is_dialled() -> None:
    asked: list[str] = []
    tls = authority().server_context(HOST)
    tls.sni_callback = lambda _sock, name, _context: asked.append(name)
    with serving(saying(answer()), tls=tls) as server:
        get(*reach(server))

    assert asked == [HOST]
    assert server.visits[0].headers["host"] == f"{HOST}:{server.port}"


def test_R14_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(saying(answer())) as proxy, serving(saying(answer())) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        monkeypatch.delenv("NO_PROXY", raising=False)

        get(*sandboxed(server))

    assert (proxy.accepted, server.accepted) == (0, 1)


def test_R15_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(saying(answer())) as server:
        get(*sandboxed(server))

    assert "authorization" not in server.visits[0].headers


def test_R16_a_server_that_never_speaks_is_left() -> None:
    with serving(Visit.wait) as server:
        began = time.monotonic()
        with pytest.raises(AnswerLost):
            get(*sandboxed(server), limits=HASTY)

    assert time.monotonic() - began < 0.9


def test_R17_drops_do_not_extend_the_deadline() -> None:
    def drip(visit: Visit) -> None:
        visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not visit.over.wait(0.1):
            visit.say(b" ")

    with serving(drip) as server:
        began = time.monotonic()
        with pytest.raises(AnswerLost):
            get(*sandboxed(server), limits=HASTY)

    assert 0.9 < time.monotonic() - began < 10


def test_R18_a_huge_length_is_refused_on_the_header() -> None:
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 53687091200\r\n\r\n"
    with serving(saying(huge)) as server, pytest.raises(UnexpectedResponse, match="longer than"):
        get(*sandboxed(server))


def test_R19_a_chunked_body_without_end_stops_at_the_cap() -> None:
    def endless(visit: Visit) -> None:
        visit.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not visit.over.is_set():
            visit.say(b"4000\r\n", b" " * 0x4000, b"\r\n")

    with serving(endless) as server, pytest.raises(UnexpectedResponse, match="5120 KiB"):
        get(*sandboxed(server))


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", AnswerLost),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}", UnexpectedResponse),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
            UnexpectedResponse,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", UnexpectedResponse),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}", UnexpectedResponse),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\n\r\n",
            UnexpectedResponse,
        ),
    ],
    ids=["short", "long", "two lengths", "negative", "digits", "two framings"],
)
def test_R21_a_body_that_belies_its_length_is_not_read(raw: bytes, error: type[Exception]) -> None:
    with serving(saying(raw, close=True)) as server, pytest.raises(error):
        get(*sandboxed(server))


@pytest.mark.parametrize(
    "raw",
    [b"<html>hello</html>\r\n\r\n", b"HTTP/9 x\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"hello"],
    ids=["0.9", "version", "binary", "cut"],
)
def test_R22_what_is_not_http_is_no_answer(raw: bytes) -> None:
    neither = pytest.raises((UnexpectedResponse, AnswerLost))
    with serving(saying(raw, close=True)) as server, neither as error:
        get(*sandboxed(server))

    assert "hello" not in repr(error.value)


def test_R23_ten_thousand_headers_are_a_broken_answer() -> None:
    many = answer(b"{}", *[f"X{i}: 1" for i in range(5_000)])
    with serving(saying(many)) as server, pytest.raises(UnexpectedResponse):
        get(*sandboxed(server))


@pytest.mark.parametrize(
    "link",
    ["https://169.254.169.254/", "https://bitbucket.other-tenant.net/2.0/x", "http://{host}/x",
     "https://{host}:8443/x", "https://{host}@evil.dev/x", "https://evil.dev/{host}/",
     "https://{host}.evil.dev/x", "//evil.dev/x", "https:\\\\evil.dev/x", "https://{host}\\@evil.dev"],
)  # fmt: skip
def test_R24_R25_a_link_to_another_place_is_not_fetched(link: str) -> None:
    with serving(saying(answer()), tls=authority().server_context(HOST)) as server:
        door, base = reach(server)

        with pytest.raises(Blocked):
            door.send("GET", link.format(host=HOST), origin=base.origin)

    assert server.accepted == 0


def test_R29_a_typed_address_fails_with_one_text_whatever_is_there() -> None:
    with serving(saying(answer())) as closed:
        pass
    refused, base = reach(closed)
    unknown = Door(resolver=Names({HOST: ()}))
    private, _ = door_for("10.0.0.1")
    texts = set()

    for door, place in (
        (refused, base),
        (unknown, origins.parse(f"https://{HOST}")),
        (private, origins.parse(f"https://{HOST}")),
    ):
        with pytest.raises((Blocked, Unavailable)) as error:
            get(door, place)
        texts.add(error.value.detail)

    assert len(texts) == 1


def test_R31_R32_the_portal_does_not_connect_to_itself() -> None:
    with pytest.raises(Blocked) as by_name:
        origins.parse(
            "https://Portal.example.com/hooks/", own_hosts=frozenset({"portal.example.com"})
        )
    door = Door(resolver=Names({HOST: ("52.20.30.40",)}), own_addresses=frozenset({"52.20.30.40"}))
    with pytest.raises(Blocked) as by_address:
        get(door, origins.parse(f"https://{HOST}"))

    assert (by_name.value.reason, by_address.value.reason) == ("own-host", "own-address")


def test_a_connection_that_ends_elsewhere_than_dialled_is_refused() -> None:
    """Linux connects 0.0.0.0 to 127.0.0.1: a real case of a peer that is not what was checked."""
    with serving(saying(answer())) as server:
        door = Door(resolver=Names({HOST: ("0.0.0.0",)}), classify=lambda _address: None)
        entry = origins.AllowEntry(HOST, (), frozenset({server.port}))

        with pytest.raises(Blocked) as blocked:
            get(door, origins.parse(f"https://{HOST}:{server.port}", allow=[entry]))

    assert blocked.value.reason == "peer"
    assert server.visits == []


def test_clear_http_stays_within_the_networks_an_entry_names() -> None:
    entry = origins.allow_entry(HOST, ["10.20.0.0/16"], ports=[80], http=True)
    door = Door(resolver=Names({HOST: ("52.20.30.40",)}), classify=classify)

    with pytest.raises(Blocked) as blocked:
        get(door, origins.parse(f"http://{HOST}", allow=[entry]))

    assert blocked.value.reason == "scheme"


def test_hosts_are_asked_for_by_their_ascii_name() -> None:
    names = Names({"xn--exmple-cua.com": ("10.0.0.1",)})

    with pytest.raises(Blocked):
        get(Door(resolver=names), origins.parse("https://exämple．com"))

    assert names.asked == ["xn--exmple-cua.com"]
