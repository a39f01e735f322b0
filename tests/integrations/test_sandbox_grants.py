"""The sandbox's token endpoint can be lenient, strict or broken, and counts what it was asked."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.running import Sandbox
from tests.integrations.openapi import needs_document, validate_exchange
from tests.integrations.sandboxed import Client, bearer, running

TOKEN = "POST /site/oauth2/access_token"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    client = Client(sandbox)
    client.control("POST", "/reset")
    return client


def order(client: Client, path: str, **wish: Any) -> Any:
    reply = client.control("POST", path, **wish)
    assert reply.status == 200, reply.text
    return reply.json


def works(client: Client, answer: dict[str, Any]) -> bool:
    return client.send("GET", "/2.0/user", headers=bearer(answer)).status == 200


def looked_at(client: Client, *tokens: str) -> list[tuple[str, bool]]:
    marks = [hashlib.sha256(token.encode()).hexdigest() for token in tokens]
    found = order(client, "/tokens/look", digests=marks)
    return [(found[mark]["kind"], found[mark]["works"]) for mark in marks]


class TestASpentRefreshToken:
    def test_used_again_harms_no_other_within_the_grace(self, client: Client) -> None:
        first = client.link()["refresh_token"]
        child, sibling = client.refresh(first).json, client.refresh(first).json

        assert works(client, child) and works(client, sibling)
        assert client.refresh(child["refresh_token"]).status == 200
        assert client.refresh(sibling["refresh_token"]).status == 200

    def test_kills_the_first_child_in_the_worst_reading(self, client: Client) -> None:
        order(client, "/switches", refresh_reuse="kills_child")
        first = client.link()["refresh_token"]
        child, sibling = client.refresh(first).json, client.refresh(first).json

        assert (works(client, child), works(client, sibling)) == (False, True)
        assert client.refresh(child["refresh_token"]).status == 400
        assert client.refresh(sibling["refresh_token"]).status == 200

    def test_revokes_the_family_when_strict(self, client: Client) -> None:
        order(client, "/switches", refresh_reuse="revokes_family")
        first = client.link()["refresh_token"]
        child = client.refresh(first).json
        assert works(client, child)

        assert client.refresh(first).status == 400

        assert not works(client, child)
        assert client.refresh(child["refresh_token"]).status == 400
        (grant,) = client.control("GET", "/grants").json
        assert grant["revoked_by"] == "reuse"

    def test_works_on_when_nothing_rotates(self, client: Client) -> None:
        order(client, "/switches", refresh_reuse="revokes_family", rotation="same")
        first = client.link()["refresh_token"]

        assert [client.refresh(first).status for _ in range(3)] == [200, 200, 200]

    def test_is_replaced_now_and_then_by_a_staged_rollout(self, client: Client) -> None:
        order(client, "/switches", rotation="sometimes")
        token, seen = client.link()["refresh_token"], set()
        for _ in range(6):
            token = client.refresh(token).json["refresh_token"]
            seen.add(token)

        assert 2 <= len(seen) <= 4

    def test_takes_the_former_access_token_along_after_the_grace(self, client: Client) -> None:
        order(client, "/switches", refresh_ends_access=True)
        before = client.link()
        after = client.refresh(before["refresh_token"]).json
        assert works(client, before)

        order(client, "/clock", advance=601)

        assert (works(client, before), works(client, after)) == (False, True)

    def test_is_refused_with_the_status_that_was_switched(self, client: Client) -> None:
        order(client, "/switches", dead_refresh_status=403)
        answer = client.link()
        order(client, "/grants/revoke")

        assert client.refresh(answer["refresh_token"]).status == 403


class TestAWithdrawal:
    def test_names_one_grant_and_who_withdrew_it(self, client: Client) -> None:
        kept, gone = client.link("tomas"), client.link("dana")
        (grant,) = client.control("GET", "/grants?user=dana").json

        assert order(client, "/grants/revoke", grant=grant["id"], by="admin") == {"revoked": 1}

        assert (works(client, kept), works(client, gone)) == (True, False)
        assert client.refresh(gone["refresh_token"]).json["error"] == "invalid_grant"
        (grant,) = client.control("GET", f"/grants?grant={grant['id']}").json
        assert grant["revoked_by"] == "admin"

    def test_follows_a_deactivated_person(self, client: Client) -> None:
        answer = client.link("tomas")
        order(client, "/people", user="tomas", deactivated=True)

        assert not works(client, answer)
        assert client.refresh(answer["refresh_token"]).status == 400
        assert client.get("/user", "tomas-full").status == 401
        assert client.authorize("tomas")["error"] == "access_denied"

        order(client, "/people", user="tomas", deactivated=False)
        assert works(client, answer)

    def test_of_a_membership_leaves_the_token_alone(self, client: Client) -> None:
        answer = client.link("tomas")
        order(client, "/members", workspace="acme", user="tomas", permission=None)

        listed = client.send("GET", "/2.0/user/workspaces", headers=bearer(answer)).json
        assert listed["values"] == []
        assert works(client, answer)


class TestAnIncident:
    def test_storms_over_grants_that_are_in_order(self, client: Client) -> None:
        answer = client.link()
        order(client, "/storm", error="invalid_grant")

        refused = client.refresh(answer["refresh_token"])
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
        assert works(client, answer)

        order(client, "/storm", error="")
        assert client.refresh(answer["refresh_token"]).status == 200

    def test_may_meet_a_share_and_always_the_same(self, client: Client) -> None:
        tokens = [client.link()["refresh_token"] for _ in range(24)]
        order(client, "/storm", error="invalid_grant", share=0.5)

        first = [client.refresh(token).status for token in tokens]
        assert 4 < first.count(400) < 20
        assert [client.refresh(token).status for token in tokens] == first

    def test_about_the_client_strikes_every_grant_type(self, client: Client) -> None:
        order(client, "/storm", error="invalid_client")

        reply = client.token(grant_type="client_credentials")

        assert (reply.status, reply.json["error"]) == (400, "invalid_client")

    def test_can_close_the_port_and_open_it_again(self, client: Client) -> None:
        answer = client.link()
        order(client, "/outage", kind="refused")
        with pytest.raises(ConnectionRefusedError):
            client.refresh(answer["refresh_token"])

        order(client, "/outage", kind="")
        assert client.refresh(answer["refresh_token"]).status == 200

    def test_can_answer_503_without_effect(self, client: Client) -> None:
        first = client.link()["refresh_token"]
        order(client, "/outage", kind="unavailable")
        assert client.refresh(first).status == 503

        order(client, "/normal")
        assert looked_at(client, first) == [("refresh", True)]
        assert client.control("GET", "/calls").json["calls"] == 1  # the exchange alone

    def test_ends_with_a_reset(self, client: Client) -> None:
        order(client, "/outage", kind="refused")
        order(client, "/reset")

        assert client.get("/user").status == 200

    def test_can_be_slow_at_one_address_only(self, client: Client) -> None:
        order(client, "/latency", ms=400, match=TOKEN)
        began = time.monotonic()
        client.get("/user")
        quick = time.monotonic() - began
        client.link()

        assert quick < 0.4 <= time.monotonic() - began - quick
        assert client.control("GET", "/state").json["latencies_ms"] == {TOKEN: 400}

    def test_may_lose_some_answers_and_not_others(self, client: Client) -> None:
        client.order("status", "GET /2.0/user", status=503, times=None, chance=0.5)

        found = {client.get("/user").status for _ in range(40)}

        assert found == {200, 503}


class TestWhatItCounts:
    def test_calls_and_outcomes_of_each_grant(self, client: Client) -> None:
        first = client.link()["refresh_token"]
        client.refresh(first)
        order(client, "/clock", advance=601)
        client.refresh(first)
        client.refresh("never issued")

        (grant,) = client.control("GET", "/grants").json
        counted = {name: grant[name] for name in ("calls", "issued", "refused")}
        assert counted == {"calls": 3, "issued": 2, "refused": 1}
        assert (grant["live_access"], grant["live_refresh"]) == (2, 1)
        calls = client.control("GET", "/calls").json
        assert (calls["calls"], calls["issued"], calls["refused"]) == (4, 2, 2)
        assert calls["outcomes"] == {"issued": 2, "invalid_grant": 2}
        assert sum(calls["per_second"].values()) == 4
        outcomes = [row["outcome"] for row in client.requests("*/access_token")]
        assert outcomes == ["issued", "issued", "invalid_grant", "invalid_grant"]

    def test_anew_when_asked(self, client: Client) -> None:
        client.link()
        client.control("DELETE", "/calls")

        assert client.control("GET", "/calls").json["calls"] == 0
        assert client.control("GET", "/grants").json[0]["calls"] == 0

    def test_which_tokens_live_without_spending_them(self, client: Client) -> None:
        before = client.link()
        after = client.refresh(before["refresh_token"]).json
        order(client, "/clock", advance=601)
        pair = ("access_token", "refresh_token")

        found = looked_at(client, *(each[name] for each in (before, after) for name in pair))

        assert found == [("access", True), ("refresh", False), ("access", True), ("refresh", True)]
        assert looked_at(client, "never issued") == [("unknown", False)]
        assert client.refresh(after["refresh_token"]).status == 200


class TestACrowd:
    def test_consents_at_once(self, client: Client) -> None:
        people = order(client, "/people", count=30, workspace="fjord-lab")["people"]
        users = [person["uuid"] for person in people]

        made = order(client, "/grants", consumer="acme-portal", users=users)["grants"]

        assert len({answer["grant"] for answer in made}) == 30
        who = client.send("GET", "/2.0/user", headers=bearer(made[7])).json
        assert who["uuid"] == users[7]
        assert client.refresh(made[7]["refresh_token"]).status == 200

    @needs_document
    def test_is_described_as_documented(self, client: Client) -> None:
        (person,) = order(client, "/people", count=1)["people"]
        answer = order(client, "/grants", consumer="acme-wide", users=[person["uuid"]])["grants"][0]
        for path in ("/2.0/user", "/2.0/user/emails", "/2.0/user/workspaces"):
            reply = client.send("GET", path, headers=bearer(answer))
            validate_exchange("GET", path, "", reply.status, reply.json)
        order(client, "/people", user=person["uuid"])
        reply = client.send("GET", "/2.0/user", headers=bearer(answer))
        validate_exchange("GET", "/2.0/user", "", reply.status, reply.json)


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("/outage", {"kind": "flood"}),
        ("/storm", {"error": "weather"}),
        ("/latency", {"ms": 5, "match": "everything"}),
        ("/grants", {"consumer": "nobody", "users": []}),
        ("/grants/revoke", {"grant": "grant-0"}),
        ("/people", {"user": "nobody"}),
        ("/switches", {"refresh_reuse": "sometimes"}),
    ],
)
def test_what_cannot_be_is_refused(client: Client, path: str, wish: dict[str, Any]) -> None:
    reply = client.control("POST", path, **wish)

    assert (reply.status, reply.json.keys()) == (400, {"error"})
