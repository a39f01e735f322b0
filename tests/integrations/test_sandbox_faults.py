"""Faults ordered at the control port reach the client over real sockets, and only where ordered."""

from __future__ import annotations

import gzip
import http.client
import json
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.lies import LIES
from integrations.sandbox.panel import BUTTONS
from integrations.sandbox.running import Sandbox
from tests.integrations.sandboxed import Client, running

LIST = "GET /2.0/repositories/acme"
PATH = "/repositories/acme"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    client = Client(sandbox)
    client.control("POST", "/reset")
    return client


class TestAnOrder:
    def test_strikes_after_and_for_as_often_as_it_says(self, client: Client) -> None:
        client.order("status", LIST, status=503, after=1, times=2)

        statuses = [client.get(PATH).status for _ in range(5)]

        assert statuses == [200, 503, 503, 200, 200]

    def test_meets_only_what_it_names(self, client: Client) -> None:
        client.order("status", "GET /2.0/repositories/acme/*", status=500, times=None)

        assert client.get(PATH).status == 200
        assert client.get(f"{PATH}/billing-api").status == 500
        assert client.get(f"{PATH}/billing-api/refs/branches").status == 500

    def test_may_name_a_query(self, client: Client) -> None:
        client.order("status", f"{LIST}?*page=2*", status=500)

        assert client.get(f"{PATH}?page=1").status == 200
        assert client.get(f"{PATH}?pagelen=10&page=2").status == 500

    def test_can_be_seen_and_withdrawn(self, client: Client) -> None:
        client.order("status", LIST, times=None)
        listed = client.control("GET", "/faults").json
        assert (listed[0]["kind"], listed[0]["hits"]) == ("status", 0)

        client.control("DELETE", f"/faults/{listed[0]['id']}")
        assert client.get(PATH).status == 200

    @pytest.mark.parametrize(
        "wish",
        [{"kind": "tired", "match": LIST}, {"kind": "slow", "match": "nowhere"}, {"kind": "slow"}],
    )
    def test_that_makes_no_sense_is_refused(self, client: Client, wish: dict[str, Any]) -> None:
        assert client.control("POST", "/faults", **wish).status == 400


class TestTheWire:
    def test_slow_answers_late(self, client: Client) -> None:
        client.order("slow", LIST, seconds=0.3)
        began = time.monotonic()

        assert client.get(PATH).status == 200
        assert time.monotonic() - began > 0.25

    def test_cut_ends_in_the_middle(self, client: Client) -> None:
        client.order("cut", LIST)

        with pytest.raises(http.client.IncompleteRead):
            client.get(PATH)

    def test_reset_breaks_the_connection(self, client: Client) -> None:
        client.order("reset", LIST)

        with pytest.raises(ConnectionResetError):
            client.get(PATH)

    @pytest.mark.parametrize("kind", ["silent", "drip"])
    def test_silence_and_drops_outlast_patience(self, client: Client, kind: str) -> None:
        client.order(kind, LIST, seconds=2)

        with pytest.raises(TimeoutError):
            client.send("GET", f"/2.0{PATH}", headers=client.as_token("dana-full"), timeout=0.3)

    @pytest.mark.parametrize("chunked", [True, False])
    def test_huge_bodies_have_no_end(self, client: Client, sandbox: Sandbox, chunked: bool) -> None:
        client.order("huge", LIST, chunked=chunked)
        connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
        connection.request("GET", f"/2.0{PATH}", headers=client.as_token("dana-full"))

        response = connection.getresponse()

        assert len(response.read(20_000_000)) == 20_000_000
        assert response.headers.get("content-length") == (None if chunked else "50000000000")
        connection.close()

    def test_a_gzip_bomb_unpacks_to_a_thousand_times_its_size(self, client: Client) -> None:
        client.order("gzip_bomb", LIST, mebibytes=64)

        reply = client.get(PATH)

        assert reply.headers["content-encoding"] == "gzip"
        assert len(reply.body) < 200_000
        assert len(zlib.decompressobj(31).decompress(reply.body)) == 64 * 1024 * 1024

    def test_latency_delays_everything(self, client: Client) -> None:
        client.control("POST", "/latency", ms=150)
        began = time.monotonic()

        client.get(PATH)

        assert time.monotonic() - began > 0.14

    def test_one_connection_carries_many_requests(self, sandbox: Sandbox, client: Client) -> None:
        connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
        for _ in range(3):
            connection.request("GET", "/2.0/hook_events")
            assert connection.getresponse().read()
        socket = connection.sock
        connection.request("GET", "/2.0/hook_events")
        assert connection.getresponse().status == 200
        assert connection.sock is socket
        connection.close()


class TestAnswersOfTheWrongKind:
    def test_429_is_plain_text(self, client: Client) -> None:
        client.order("status", LIST, status=429)

        reply = client.get(PATH)

        assert (reply.status, reply.headers["content-type"]) == (429, "text/plain")
        assert reply.text == "Rate limit for this resource has been exceeded"

    def test_statuses_carry_headers_and_bodies_that_were_ordered(self, client: Client) -> None:
        client.order("status", LIST, status=429, headers={"Retry-After": "soon"}, body={"a": 1})

        reply = client.get(PATH)

        assert (reply.headers["retry-after"], reply.json) == ("soon", {"a": 1})

    def test_410_has_its_announcement(self, client: Client) -> None:
        client.order("status", LIST, status=410)

        assert "announcement_url" in client.get(PATH).json["data"]

    def test_html_empty_and_redirect(self, client: Client) -> None:
        client.order("html", LIST)
        client.order("empty", LIST, status=204)
        client.order("redirect", LIST, status=308, location="https://evil.example/")

        page, empty, away = (client.get(PATH) for _ in range(3))

        assert page.status == 200
        assert page.text.startswith("<!doctype html>")
        assert (empty.status, empty.body) == (204, b"")
        assert (away.status, away.headers["location"]) == (308, "https://evil.example/")

    def test_headers_can_be_set_removed_and_too_many(self, client: Client) -> None:
        client.order("headers", LIST, headers={"Content-Type": None, "X-New": "1"}, count=80)

        headers = client.get(PATH).headers

        assert "content-type" not in headers
        assert headers["x-new"] == "1"
        assert "x-filler-79" in headers

    @pytest.mark.parametrize("lie", sorted(LIES))
    def test_every_lie_is_told(self, client: Client, lie: str) -> None:
        honest = client.get(PATH)
        client.order("body", LIST, lie=lie)

        reply = client.get(PATH)

        assert reply.status == 200
        assert reply.body != honest.body

    def test_raw_text_can_be_ordered(self, client: Client) -> None:
        client.order("body", LIST, text='{"a": 1, "a": 2}', content_type="application/json")

        assert client.get(PATH).text == '{"a": 1, "a": 2}'

    def test_a_lie_nobody_knows_is_refused_at_once(self, client: Client) -> None:
        assert client.control("POST", "/faults", kind="body", match=LIST, lie="x").status == 400

    def test_next_links_lead_astray(self, client: Client) -> None:
        client.order("next_foreign", LIST)
        client.order("next_self", LIST)
        client.order("next_loop", LIST, times=4)
        client.order("next_endless", LIST, times=2)

        links = [client.get(PATH).json["next"] for _ in range(8)]

        assert links[0].startswith("http://127.0.0.2:9/")
        assert links[1].endswith("/2.0/repositories/acme?")
        assert len(set(links[2:6])) == 3
        assert links[6] != links[7]

    def test_gzip_is_honest_when_switched_on(self, client: Client) -> None:
        client.control("POST", "/switches", compress=True)

        reply = client.get(PATH, **{"Accept-Encoding": "gzip"})

        assert json.loads(gzip.decompress(reply.body))["size"] == 240


class TestTheControlPort:
    def test_counts_requests_without_keeping_secrets(self, client: Client) -> None:
        token = client.link()["access_token"]
        client.get(PATH)
        client.get("/user", "tomas-full")

        rows = client.requests("/2.0/*")
        everything = client.control("GET", "/requests").text

        assert [(row["path"], row["status"], row["user"]) for row in rows] == [
            ("/2.0/repositories/acme", 200, "dana"),
            ("/2.0/user", 200, "tomas"),
        ]
        assert rows[0]["credential"] != rows[1]["credential"]
        assert token not in everything
        assert client.consumer()["secret"] not in everything
        later = client.control("GET", f"/requests?since={rows[0]['number']}").json
        assert later["count"] == 1

    def test_resets_all_of_it(self, client: Client) -> None:
        client.order("status", "* *", times=None)
        client.control("POST", "/clock", advance=500)
        client.control("POST", "/repositories", count=3)
        client.control("POST", "/switches", rate_limit=1)

        client.control("POST", "/reset")

        state = client.control("GET", "/state").json
        assert state["faults"] == []
        assert (state["offset_seconds"], state["requests"]) == (0, 0)
        assert state["switches"]["rate_limit"]["value"] == 1000
        assert client.get(PATH).json["size"] == 240

    @pytest.mark.parametrize("name", sorted(BUTTONS))
    def test_each_button_of_the_page_works(self, client: Client, name: str) -> None:
        page = client.control("GET", "/")
        assert f'action="/panel/{name}"' in page.text
        assert "<script" not in page.text

        assert client.control("POST", f"/panel/{name}").status == 303

    def test_listens_to_loopback_names_only(self, client: Client, sandbox: Sandbox) -> None:
        foreign = {"Host": "rebound.example:80"}
        assert client.send("GET", sandbox.control_url + "/state", headers=foreign).status == 403

        crossing = {"Origin": "https://evil.example"}
        reply = client.send("POST", sandbox.control_url + "/panel/down", headers=crossing)
        assert reply.status == 403

    @pytest.mark.parametrize(
        ("path", "wish"),
        [
            ("/switches", {"colour": 1}),
            ("/switches", {"rate_limit": "many"}),
            ("/switches", {"scope_key": "none"}),
            ("/tokens", {"scopes": ["everything"]}),
            ("/tokens", {"scopes": [], "expires_in_days": 400}),
            ("/members", {"workspace": "nowhere", "user": "dana"}),
            ("/repositories", {"delete": ["nothing"]}),
            ("/latency", {}),
        ],
    )
    def test_refuses_what_cannot_be(
        self, client: Client, path: str, wish: dict[str, object]
    ) -> None:
        reply = client.control("POST", path, **wish)

        assert (reply.status, reply.json.keys()) == (400, {"error"})

    def test_says_what_it_knows(self, client: Client) -> None:
        reply = client.control("GET", "/nothing")

        assert reply.status == 404
        assert "POST /faults" in reply.json["known"]


def test_nonsense_on_the_wire_is_a_400(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
    connection.putrequest("GET", "/x")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()

    assert connection.getresponse().status == 400
    connection.close()
