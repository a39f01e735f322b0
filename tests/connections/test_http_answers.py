"""Answers that a vendor should not give, at the door: rows of group P, by their id."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from connections import http
from connections.errors import AnswerLost, TlsFailed, Unavailable, UnexpectedResponse, VendorError
from connections.http import Limits, Response
from tests.connections.hostile import (
    CLOSE,
    HOST,
    Hostile,
    Visit,
    answer,
    authority,
    reach,
    sandboxed,
    saying,
    serving,
)

HASTY = Limits(body_bytes=64 * 1024, deadline_seconds=1.0, silence_seconds=0.3)
MEGABYTES = 1024 * 1024


def get(raw: bytes, *, limits: Limits = http.TOKEN, close: bool = False) -> Response:
    """The door's reading of these bytes from a plain server."""
    with serving(saying(raw, close=close)) as server:
        door, base = sandboxed(server)
        return door.send("GET", f"{base}/user", origin=base.origin, limits=limits)


def refused(raw: bytes, *, limits: Limits = http.TOKEN) -> VendorError:
    with pytest.raises(VendorError) as error:
        get(raw, limits=limits)
    return error.value


def packed(body: bytes, pack: Callable[[bytes], bytes], name: str) -> bytes:
    return answer(pack(body), f"Content-Encoding: {name}")


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
def test_P03_an_empty_body_is_an_answer(status: str) -> None:
    assert get(answer(b"", status=status)).body == b""


def test_P04_a_body_cut_in_the_middle_is_a_lost_answer() -> None:
    cut = b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"access_token": "canary'

    with pytest.raises(AnswerLost) as error:
        get(cut, close=True)

    assert "canary" not in repr(error.value)


def test_P04_a_chunked_body_cut_in_the_middle_is_a_lost_answer() -> None:
    with pytest.raises(AnswerLost):
        get(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", close=True)


def test_P05_a_missing_content_type_is_no_matter() -> None:
    found = get(answer(b"{}"))

    assert "content-type" not in found.headers
    assert found.body == b"{}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_P27_a_redirect_is_an_error_that_names_the_host_only(status: int) -> None:
    location = "https://user:pw@evil.dev/a?token=canary"
    plain = refused(answer(b"", "Location: https://evil.dev/a?t=canary", status=f"{status} M"))
    odd = refused(answer(b"", f"Location: {location}", status=f"{status} M"))

    assert "evil.dev," in plain.detail
    assert plain.status == status
    assert "canary" not in plain.detail + odd.detail
    assert "pw" not in odd.detail


def test_P27_a_redirect_without_a_place_is_the_same_error() -> None:
    assert isinstance(refused(answer(b"", status="302 Found")), UnexpectedResponse)
    assert isinstance(refused(answer(b"", "Location: /x", status="302 F")), UnexpectedResponse)


def test_P30_an_expired_certificate_is_refused() -> None:
    tls = authority().server_context(HOST, days=-1)
    with serving(saying(answer()), tls=tls) as server, pytest.raises(TlsFailed, match="expired"):
        door, base = reach(server)
        door.send("GET", f"{base}/user", origin=base.origin)

    assert server.visits == []


def test_P30_a_server_without_tls_is_refused() -> None:
    def greet() -> None:
        sock, _ = listening.accept()
        with sock:
            sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            sock.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=greet, daemon=True).start()
        door, base = reach(Hostile(saying(), port=listening.getsockname()[1]))

        with pytest.raises(TlsFailed):
            door.send("GET", f"{base}/user", origin=base.origin)


def test_P33_a_handshake_that_never_comes_ends_at_the_callers_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        door, base = reach(Hostile(saying(), port=listening.getsockname()[1]))
        began = time.monotonic()

        with pytest.raises(Unavailable) as error:
            door.send("GET", f"{base}/user", origin=base.origin, deadline_seconds=0.3)

    assert type(error.value) is Unavailable
    assert time.monotonic() - began < 5


def test_P32_P33_silence_and_drops_end_at_the_deadline() -> None:
    def drip_head(visit: Visit) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: ":
            visit.say(bytes([byte]))
            if visit.over.wait(0.1):
                return
        visit.wait()

    with serving(drip_head) as server:
        door, base = sandboxed(server)
        began = time.monotonic()

        with pytest.raises(AnswerLost):
            door.send("POST", f"{base}/t", origin=base.origin, body=b"a=b", limits=HASTY)

    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("limits", "size"), [(http.API, 5 * MEGABYTES), (http.TOKEN, 64 * 1024)], ids=["api", "token"]
)
def test_P34_a_body_is_read_up_to_the_cap_and_not_beyond(limits: Limits, size: int) -> None:
    assert len(get(answer(b"x" * size), limits=limits).body) == size
    assert isinstance(refused(answer(b"x" * (size + 1)), limits=limits), UnexpectedResponse)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_P35_a_bomb_is_put_out_before_it_grows(pack: Callable[[bytes], bytes]) -> None:
    name = "gzip" if pack is gzip.compress else "deflate"
    bomb = packed(b"\0" * 50 * MEGABYTES, pack, name)

    tracemalloc.start()
    error = refused(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert isinstance(error, UnexpectedResponse)
    assert peak < 2 * MEGABYTES


def test_R20_a_gzip_bomb_counts_what_it_unpacks_to() -> None:
    bomb = packed(b"\0" * (5 * MEGABYTES + 1), gzip.compress, "gzip")

    assert len(bomb) < 10_000
    assert "5120 KiB" in refused(bomb, limits=http.API).detail


@pytest.mark.parametrize(
    ("pack", "name"),
    [(gzip.compress, "gzip"), (gzip.compress, "X-GZIP"), (zlib.compress, "deflate"),
     (raw_deflate, "deflate"), (bytes, "identity")],
)  # fmt: skip
def test_a_packed_body_is_unpacked(pack: Callable[[bytes], bytes], name: str) -> None:
    body = b'{"values": []}' * 500

    assert get(packed(body, pack, name)).body == body


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip", "compress", "x"])
def test_P36_a_packing_that_was_not_asked_for_is_refused(name: str) -> None:
    assert isinstance(refused(packed(b"{}", bytes, name)), UnexpectedResponse)


@pytest.mark.parametrize(
    "body",
    [b"not gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"x", gzip.compress(b"{}") * 2],
    ids=["other", "cut", "more", "twice"],
)
def test_a_broken_packing_is_refused(body: bytes) -> None:
    assert isinstance(refused(packed(body, bytes, "gzip")), UnexpectedResponse)


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"{}", *[f"X-{i}: 1" for i in range(10_000)]),
        answer(b"{}", *[f"X-{i}: 1" for i in range(100)]),
        answer(b"{}", f"X-Long: {'x' * 1_000_000}"),
        answer(b"{}", f"X-Long: {'x' * 65_400}", f"X-More: {'x' * 200}"),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + answer(b"{}"),
    ],
    ids=["10000", "101", "1 MB", "64 KiB", "continues"],
)
def test_P37_too_many_or_too_long_headers_are_a_broken_answer(raw: bytes) -> None:
    assert isinstance(refused(raw), UnexpectedResponse)


def test_a_hundred_headers_are_read() -> None:
    assert len(get(answer(b"{}", *[f"X-{i}: 1" for i in range(99)])).headers) == 100


def test_P38_cookies_are_dropped_and_never_sent() -> None:
    with serving(saying(answer(b"{}", "Set-Cookie: a=1", "Set-Cookie: b=2"))) as server:
        door, base = sandboxed(server)
        first = door.send("GET", f"{base}/a", origin=base.origin)
        door.send("GET", f"{base}/b", origin=base.origin)

    assert "set-cookie" not in first.headers
    assert "cookie" not in server.visits[1].headers


def test_P39_the_vendors_clock_is_only_a_header() -> None:
    found = get(answer(b"{}", "Date: Sat, 21 Nov 2037 00:00:00 GMT", "Expires: 0"))

    assert 0 < found.latency_seconds < 5


def test_headers_come_by_lower_case_name_and_joined() -> None:
    found = get(answer(b"{}", "X-RateLimit-Limit: 60", "X-RATELIMIT-LIMIT: 60;w=3600"))

    assert found.headers["x-ratelimit-limit"] == "60, 60;w=3600"


def test_an_answer_that_switches_protocols_is_refused() -> None:
    raw = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"

    assert isinstance(refused(raw), UnexpectedResponse)


def test_a_body_that_ends_with_the_connection_is_read() -> None:
    assert get(b"HTTP/1.0 200 OK\r\n\r\n{}", close=True).body == b"{}"


def test_tls_that_ends_without_goodbye_does_not_shorten_a_body() -> None:
    def cut(visit: Visit) -> object:
        visit.say(b"HTTP/1.0 200 OK\r\n\r\n[1")
        visit.sock.detach()
        return CLOSE

    with serving(cut, tls=authority().server_context(HOST)) as server:
        door, base = reach(server)

        with pytest.raises(AnswerLost):
            door.send("GET", f"{base}/user", origin=base.origin, limits=HASTY)


def test_an_early_answer_to_a_long_request_is_heard() -> None:
    early = answer(b'{"error": "too large"}', "Connection: close", status="413 Too Large")
    with serving(saying(early, close=True)) as server:
        door, base = sandboxed(server)
        found = door.send("POST", f"{base}/x", origin=base.origin, body=b"x" * 10_000)

    assert found.status == 413
