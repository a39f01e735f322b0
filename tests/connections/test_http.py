"""The door itself: where it goes, what it says, which lines it keeps, what it never tells."""

from __future__ import annotations

import logging
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from connections import origins
from connections.errors import AnswerLost, Blocked, Refused, Unavailable, VendorError
from connections.http import Door
from tests.connections.hostile import (
    CLOSE,
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

BITBUCKET = "https://api.bitbucket.org"
CANARY = "Kq7vX2mPz9"


# ── Where it goes ─────────────────────────────────────────────────────────────────────────────


def test_a_replaced_origin_is_dialled_at_its_stand_in() -> None:
    with serving(saying(answer())) as server:
        door = Door(sandbox_origins=[server.origin], replace={BITBUCKET: server.origin})
        base = door.vendor(f"{BITBUCKET}/2.0/")

        found = door.send("GET", f"{base}/user?fields=uuid", origin=base.origin)

    assert found.request == "GET /2.0/user"
    assert server.visits[0].line == "GET /2.0/user?fields=uuid HTTP/1.1"
    assert server.visits[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_links_may_name_the_replaced_origin_or_its_stand_in_and_no_other() -> None:
    with serving(saying(answer())) as server:
        door = Door(
            sandbox_origins=[server.origin],
            replace={BITBUCKET: server.origin, "https://bitbucket.org": server.origin},
        )
        origin = door.vendor(BITBUCKET).origin

        door.send("GET", f"{BITBUCKET}/2.0/a?page=2", origin=origin)
        door.send("GET", f"{server.origin}/2.0/b?page=2", origin=origin)
        with pytest.raises(Blocked) as blocked:
            door.send("GET", "https://bitbucket.org/2.0/c", origin=origin)

    assert blocked.value.reason == "foreign-origin"
    assert [v.line.split()[1] for v in server.visits] == ["/2.0/a?page=2", "/2.0/b?page=2"]


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1:80", "http://example.com", "https://127.0.0.1/x", "x"]
)
def test_only_a_loopback_origin_can_be_the_sandbox(url: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        Door(sandbox_origins=[url])


def test_an_origin_is_replaced_by_the_sandbox_or_public_https_only() -> None:
    with pytest.raises(Blocked):
        Door(replace={BITBUCKET: "http://127.0.0.1:8801"})


def test_loopback_is_blocked_without_the_setting() -> None:
    origin = origins.loopback("http://127.0.0.1:8801")

    for attempt in (
        lambda: Door().vendor("http://127.0.0.1:8801"),
        lambda: Door().send("GET", "http://127.0.0.1:8801/", origin=origin),
    ):
        with pytest.raises(Blocked):
            attempt()


def test_localhost_and_a_typed_address_reach_the_sandbox() -> None:
    with serving(saying(answer())) as server:
        spelled = f"http://localhost:{server.port}"
        door = Door(sandbox_origins=[spelled])
        base = door.base_url(f"{spelled}/bitbucket/")

        assert door.send("GET", f"{base}/rest", origin=base.origin).request == "GET /bitbucket/rest"


@pytest.mark.parametrize(
    "path", ["/a/../b", "/%2e%2e/b", "/a/.%2E/b", "/..%2fb", "/a/..%5cb", "//evil.dev/x", "/./a"]
)
def test_a_path_that_climbs_is_blocked(path: str) -> None:
    door = Door()
    origin = door.vendor(BITBUCKET).origin

    with pytest.raises(Blocked) as blocked:
        door.send("GET", f"{BITBUCKET}{path}", origin=origin)

    assert blocked.value.reason == "path"


def test_dots_in_a_query_are_only_dots() -> None:
    with serving(saying(answer())) as server:
        door, base = sandboxed(server)

        assert door.send("GET", f"{base}/a?q=../b", origin=base.origin).status == 200


# ── What it says ──────────────────────────────────────────────────────────────────────────────


def test_a_request_says_what_it_was_given_and_little_else() -> None:
    with serving(saying(answer())) as server:
        door, base = sandboxed(server)
        door.send(
            "POST", f"{base}/x", origin=base.origin, body=b'{"a":1}',
            headers={"Authorization": f"Bearer {CANARY}", "Content-Type": "application/json"},
        )  # fmt: skip

    assert server.visits[0].body == b'{"a":1}'
    assert server.visits[0].headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "portal",
        "accept-encoding": "gzip, deflate",
        "authorization": f"Bearer {CANARY}",
        "content-type": "application/json",
        "content-length": "7",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("Authorization", f"Bearer {CANARY}\r\nX: 1"), ("Authorization", f"{CANARY}\0"), ("X", "ü"),
     ("Authorization", f"{CANARY}\n"), ("X Y", "1"), ("Host", "evil.dev"), ("Cookie", "a=1"),
     ("Content-Length", "0"), ("Transfer-Encoding", "chunked"), ("X", ""), ("X", " padded ")],
)  # fmt: skip
def test_a_header_that_could_be_two_is_refused_and_not_repeated(name: str, value: str) -> None:
    with serving(saying(answer())) as server:
        door, base = sandboxed(server)

        with pytest.raises(Refused) as error:
            door.send("GET", f"{base}/x", origin=base.origin, headers={name: value})

    assert CANARY not in "".join(traceback.format_exception(error.value))
    assert server.accepted == 0


@pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nX:", "get", "", "CONNECTCONNECT"])
def test_a_method_that_is_none_is_refused(method: str) -> None:
    with serving(saying(answer())) as server, pytest.raises(Refused):
        door, base = sandboxed(server)
        door.send(method, f"{base}/x", origin=base.origin)


def test_the_hook_runs_before_each_call_and_may_refuse_it() -> None:
    class InTransaction(RuntimeError):
        pass

    def refuse() -> None:
        raise InTransaction

    with serving(saying(answer())) as server:
        door = Door(sandbox_origins=[server.origin], before_send=refuse)
        base = door.vendor(server.origin)

        with pytest.raises(InTransaction):
            door.send("GET", f"{base}/x", origin=base.origin)

    assert server.accepted == 0


# ── Lines that are kept ───────────────────────────────────────────────────────────────────────


def test_a_line_serves_the_next_request() -> None:
    with serving(saying(answer()), tls=authority().server_context(HOST)) as server:
        door, base = reach(server)
        for _ in range(5):
            door.send("GET", f"{base}/x", origin=base.origin)

    assert server.accepted == 1
    assert [v.number for v in server.visits] == [1, 2, 3, 4, 5]


def test_lanes_and_allow_list_entries_do_not_share_lines() -> None:
    with serving(saying(answer()), tls=authority().server_context(HOST)) as server:
        door, base = reach(server)
        widened = origins.AllowEntry(
            HOST, (), frozenset({server.port, 443}), ca_pem=authority().pem
        )
        other = door.base_url(str(base), allow=[widened])

        door.send("GET", f"{base}/x", origin=base.origin, lane="a")
        door.send("GET", f"{base}/x", origin=base.origin, lane="b")
        door.send("GET", f"{base}/x", origin=other.origin, lane="a")

    assert server.accepted == 3


def test_a_request_that_may_not_be_repeated_gets_a_line_of_its_own() -> None:
    with serving(saying(answer())) as server:
        door, base = sandboxed(server)
        for method in ("GET", "POST", "DELETE", "GET"):
            door.send(method, f"{base}/x", origin=base.origin)

    assert server.accepted == 3
    assert [v.number for v in server.visits] == [1, 1, 1, 2]


def test_a_caller_that_can_bear_the_loss_of_an_answer_reuses_a_line() -> None:
    with serving(saying(answer())) as server:
        door, base = sandboxed(server)
        for _ in range(3):
            door.send("POST", f"{base}/x", origin=base.origin, body=b"a", reuse=True)

    assert server.accepted == 1


def test_a_line_that_dies_under_a_reused_post_loses_its_answer() -> None:
    """It may have been acted on, so it is not sent again."""

    def second_time_dead(visit: Visit) -> object:
        if visit.number > 1:
            return CLOSE
        visit.say(answer())
        return None

    with serving(second_time_dead) as server:
        door, base = sandboxed(server)
        door.send("POST", f"{base}/x", origin=base.origin, body=b"a", reuse=True)
        with pytest.raises(AnswerLost):
            door.send("POST", f"{base}/x", origin=base.origin, body=b"a", reuse=True)

    assert len(server.visits) == 2


def test_a_line_that_the_server_closed_is_replaced_unnoticed() -> None:
    with serving(saying(answer(), close=True)) as server:
        door, base = sandboxed(server)
        for _ in range(3):
            assert door.send("GET", f"{base}/x", origin=base.origin).status == 200

    assert server.accepted == 3


def test_a_line_that_dies_under_a_read_is_tried_once_more_on_a_new_one() -> None:
    def second_time_dead(visit: Visit) -> object:
        if visit.number > 1:
            return CLOSE
        visit.say(answer())
        return None

    with serving(second_time_dead) as server:
        door, base = sandboxed(server)
        for _ in range(3):
            assert door.send("GET", f"{base}/x", origin=base.origin).status == 200

    assert server.accepted == 3


def test_a_post_whose_answer_is_lost_is_not_sent_again() -> None:
    with serving(lambda _visit: CLOSE) as server:
        door, base = sandboxed(server)
        with pytest.raises(AnswerLost):
            door.send("POST", f"{base}/x", origin=base.origin, body=b"a")

    assert len(server.visits) == 1


def test_bytes_after_an_answer_do_not_become_the_next_one() -> None:
    """A second answer in the same packet would be read as that of the next request."""
    with serving(saying(answer(b"[1]"), answer(b'["forged"]'))) as server:
        door, base = sandboxed(server)
        for _ in range(2):
            with pytest.raises(VendorError):
                door.send("GET", f"{base}/x", origin=base.origin)

    assert server.accepted == 2


def test_sixteen_threads_share_a_door() -> None:
    with serving(saying(answer(b'{"a": 1}'))) as server:
        door, base = sandboxed(server)

        def ask(number: int) -> bytes:
            return door.send("GET", f"{base}/{number}", origin=base.origin).body

        with ThreadPoolExecutor(16) as threads:
            bodies = list(threads.map(ask, range(200)))

    assert set(bodies) == {b'{"a": 1}'}
    assert len(server.visits) == 200
    assert server.accepted <= 16


def test_the_second_address_is_tried_when_the_first_is_closed() -> None:
    names = Names({HOST: ("::1", "127.0.0.1")})
    with serving(saying(answer()), tls=authority().server_context(HOST)) as server:
        _, base = reach(server)
        door = Door(resolver=names, classify=lambda _address: None)

        assert door.send("GET", f"{base}/x", origin=base.origin).status == 200


# ── What it never tells ───────────────────────────────────────────────────────────────────────


def test_a_vendor_that_is_not_there_is_unavailable_with_the_reason() -> None:
    with serving(saying(answer())) as server:
        pass
    door, base = sandboxed(server)

    with pytest.raises(Unavailable, match="refuses the connection") as error:
        door.send("GET", f"{base}/a?token={CANARY}", origin=base.origin)

    assert type(error.value) is Unavailable
    assert error.value.request == "GET /a"
    assert error.value.latency_seconds is not None


def test_no_error_and_no_log_line_holds_query_header_or_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    broken = [
        f"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{CANARY}".encode(),
        f"{CANARY} garbage\r\n\r\n".encode(),
        answer(CANARY.encode(), "Content-Encoding: gzip"),
        answer(b"", f"Location: https://evil.dev/{CANARY}", status="302 Found"),
    ]
    for raw in broken:
        with serving(saying(raw, close=True)) as server:
            door, base = sandboxed(server)
            with pytest.raises(VendorError) as error:
                door.send(
                    "POST", f"{base}/a?code={CANARY}", origin=base.origin, body=CANARY.encode(),
                    headers={"Authorization": f"Bearer {CANARY}"},
                )  # fmt: skip

        told = "".join(traceback.format_exception(error.value)) + repr(vars(error.value))
        assert CANARY not in told
    assert CANARY not in caplog.text
