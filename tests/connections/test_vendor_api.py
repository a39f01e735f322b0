"""The authorised client that connectors are handed, against a server on loopback."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from connections.contracts import Answer, Api
from connections.errors import Blocked, Refused, UnexpectedResponse, VendorError
from connections.http import Door
from connections.vendor_api import Authorization, VendorApi
from tests.connections.hostile import Behaviour, Hostile, Visit, answer, saying, serving

VENDOR = "https://api.bitbucket.org"
CANARY = "Kq7vX2mPz9"


def judge(given: Answer) -> VendorError | None:
    return Refused("The vendor said no.") if given.status >= 400 else None


def api_for(server: Hostile, **options: object) -> VendorApi:
    door = Door(sandbox_origins=[server.origin], replace={VENDOR: server.origin})
    base = door.vendor(f"{VENDOR}/2.0/")
    return VendorApi(door, base, Authorization(f"Bearer {CANARY}"), judge, **options)


def asked(behave: Behaviour, path: str, **options: object) -> Answer:
    with serving(behave) as server:
        return api_for(server, **options).get(path)


def test_it_is_what_the_contract_asks_for() -> None:
    with serving(saying(answer())) as server:
        api: Api = api_for(server)

    assert callable(api.get)


@pytest.mark.parametrize("path", ["user?fields=uuid", "/user?fields=uuid"])
def test_a_path_lies_under_the_manifests_address(path: str) -> None:
    with serving(saying(answer(b'{"uuid": "{1}"}'))) as server:
        found = api_for(server).get(path)

    assert found.body == {"uuid": "{1}"}
    assert (found.status, found.request, found.text) == (200, "GET /2.0/user", "")
    assert found.latency_seconds > 0
    assert server.visits[0].line == "GET /2.0/user?fields=uuid HTTP/1.1"
    assert server.visits[0].headers["authorization"] == f"Bearer {CANARY}"
    assert server.visits[0].headers["accept"] == "application/json"


def test_a_body_is_sent_as_json() -> None:
    with serving(saying(answer(b"{}", status="201 Created"))) as server:
        found = api_for(server).send("POST", "hooks", {"url": "https://x", "active": True})

    assert found.status == 201
    assert json.loads(server.visits[0].body) == {"url": "https://x", "active": True}
    assert server.visits[0].headers["content-type"] == "application/json"


def test_a_request_without_a_body_has_no_content_type() -> None:
    with serving(saying(b"HTTP/1.1 204 No Content\r\n\r\n")) as server:
        found = api_for(server).send("DELETE", "hooks/1", None)

    assert (found.status, found.body, found.text) == (204, None, "")
    assert "content-type" not in server.visits[0].headers


def test_the_credential_is_asked_for_at_each_call() -> None:
    values = iter(["Bearer one", "Bearer two"])
    with serving(saying(answer())) as server:
        api = replace(api_for(server), authorization=lambda: next(values))
        api.get("user")
        api.get("user")

    assert [v.headers["authorization"] for v in server.visits] == ["Bearer one", "Bearer two"]


def test_an_empty_credential_sends_no_header() -> None:
    with serving(saying(answer())) as server:
        replace(api_for(server), authorization=lambda: "").get("user")

    assert "authorization" not in server.visits[0].headers


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"<html>Sign in</html>", "<html>Sign in</html>", id="P01"),
        pytest.param(b"Not Found", "Not Found", id="text"),
        pytest.param(b'{"a": 1, "a": 2}', '{"a": 1, "a": 2}', id="P08"),
        pytest.param(b"[NaN]", "[NaN]", id="P09"),
        pytest.param(b"x" * 5000, "x" * 200, id="long"),
        pytest.param(b"\xff\xfe", "��", id="bytes"),
        pytest.param("é".encode() * 500, "é" * 200, id="letters"),
    ],
)
def test_a_body_that_is_not_strict_json_is_none_with_its_first_characters(
    body: bytes, text: str
) -> None:
    found = asked(saying(answer(body)), "user")

    assert (found.body, found.text) == (None, text)


def test_P05_json_is_read_whatever_its_content_type() -> None:
    assert asked(saying(answer(b"[1]", "Content-Type: text/plain")), "x").body == [1]
    assert asked(saying(answer(b"[1]")), "x").body == [1]


def test_the_connectors_judgement_is_raised_with_what_the_answer_said() -> None:
    raw = answer(b"{}", "X-Request-UUID: 7f3a", "X-B3-TraceId: b3", status="404 Not Found")

    with pytest.raises(Refused, match="said no") as error:
        asked(saying(raw), f"repositories/x?token={CANARY}")

    assert error.value.status == 404
    assert error.value.request == "GET /2.0/repositories/x"
    assert error.value.reference == "7f3a"
    assert error.value.latency_seconds is not None


def test_what_the_judge_says_itself_is_kept() -> None:
    verdict = Refused("no", status=418, request="GET /said", reference="mine", latency_seconds=9.0)
    said = saying(answer(b"{}", "X-Request-UUID: 7f3a"))
    with serving(said) as server, pytest.raises(Refused) as error:
        replace(api_for(server), judge=lambda _answer: verdict).get("x")

    told = error.value
    assert (told.status, told.request, told.reference, told.latency_seconds) == (
        418, "GET /said", "mine", 9.0,
    )  # fmt: skip


def test_an_accepted_status_is_not_judged() -> None:
    with serving(saying(answer(b'{"no": 1}', status="403 Forbidden"))) as server:
        found = api_for(server).get("user", accept=frozenset({403}))

    assert (found.status, found.body) == (403, {"no": 1})


def test_every_answer_is_shown_before_it_is_judged() -> None:
    seen: list[str] = []
    raw = answer(b"{}", "X-RateLimit-Limit: 60", status="429 Too Many")

    with pytest.raises(Refused):
        asked(saying(raw), "x", on_answer=lambda a: seen.append(a.headers["x-ratelimit-limit"]))

    assert seen == ["60"]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.dev/2.0/x",
        "http://api.bitbucket.org/2.0/x",
        "https://api.bitbucket.org:8443/2.0/x",
        "https://api.bitbucket.org@evil.dev/2.0/x",
        "https://api.bitbucket.org.evil.dev/2.0/x",
        "https://169.254.169.254/",
        "//evil.dev/2.0/x",
        "ftp://api.bitbucket.org/x",
        "https://api.bitbucket.org/2.0/../x",
        "../x",
        "a/%2e%2e/x",
        "x#fragment",
        "x y",
        "x\r\nHost: evil.dev",
        "x\\y",
        "ü",
    ],
)
def test_P44_a_link_that_leaves_the_origin_or_climbs_is_not_asked_for(link: str) -> None:
    with serving(saying(answer())) as server, pytest.raises(Blocked):
        api_for(server).get(link)

    assert server.accepted == 0


def test_P44_a_next_link_on_either_spelling_of_the_origin_is_followed_as_it_stands() -> None:
    def pages(visit: Visit) -> None:
        page = visit.line.split()[1]
        later = {"/2.0/r": f"{VENDOR}/2.0/r?page=2&ctx=a%3D%3D", "/2.0/r?page=2&ctx=a%3D%3D": None}
        visit.say(answer(json.dumps({"next": later[page]}).encode()))

    with serving(pages) as server:
        api = api_for(server)
        second = api.get(api.get("r").body["next"])
        again = api.get(f"{server.origin}/2.0/r")

    assert second.body == {"next": None}
    assert again.request == "GET /2.0/r"


def test_P27_a_redirect_is_an_error_of_the_door() -> None:
    moved = answer(b"", "Location: https://evil.dev/x", status="302 Found")

    with pytest.raises(UnexpectedResponse, match=r"evil\.dev"):
        asked(saying(moved), "user")


def test_neither_the_credential_nor_what_holds_it_can_be_read_in_a_repr() -> None:
    with serving(saying(answer())) as server:
        api = api_for(server)

    assert CANARY not in repr(api) + str(api) + repr(Authorization(CANARY)) + f"{api.authorization}"
    assert not hasattr(Authorization(CANARY), "__dict__")


def test_a_credential_that_cannot_be_sent_is_an_error_without_it() -> None:
    with serving(saying(answer())) as server, pytest.raises(Refused) as error:
        replace(api_for(server), authorization=Authorization(f"Bearer {CANARY}\u2028")).get("x")

    assert CANARY not in repr(error.value)
    assert server.accepted == 0
