"""The sandbox's consent page and token endpoint behave as Bitbucket's were seen to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.sandbox.running import Sandbox
from tests.integrations.sandboxed import (
    CALLBACK,
    CHALLENGE,
    VERIFIER,
    Client,
    basic,
    bearer,
    running,
)

TOKEN = "/site/oauth2/access_token"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    client = Client(sandbox)
    client.control("POST", "/reset")
    return client


def authorize_page(client: Client, **fields: str) -> tuple[int, str]:
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    reply = client.send("GET", f"/site/oauth2/authorize?{query}")
    return reply.status, reply.text


class TestTheConsentPage:
    def test_shows_who_may_sign_in_and_what_is_asked(self, client: Client) -> None:
        key = client.consumer()["key"]

        status, page = authorize_page(client, client_id=key, response_type="code", state="s")

        assert status == 200
        assert "Dana Levi" in page
        assert "Repositories: Read" in page
        assert "Grant access" in page
        assert "<script" not in page

    def test_grants_with_a_code_and_the_state_it_was_given(self, client: Client) -> None:
        answer = client.authorize(state="a b&c")

        assert answer.keys() == {"code", "state"}
        assert answer["state"] == "a b&c"

    def test_sends_a_person_who_cancels_back(self, client: Client) -> None:
        answer = client.authorize(decision="deny")

        assert answer["error"] == "access_denied"
        assert answer["state"] == "s-1"

    def test_explains_an_unknown_client_on_a_page(self, client: Client) -> None:
        status, page = authorize_page(client, client_id="nobody", response_type="code")

        assert (status, "Invalid client_id nobody" in page) == (400, True)

    @pytest.mark.parametrize("uri", ["https://evil.example/", CALLBACK + ".evil.example", "x"])
    def test_sends_nobody_to_a_foreign_callback(self, client: Client, uri: str) -> None:
        key = client.consumer()["key"]

        status, page = authorize_page(client, client_id=key, response_type="code", redirect_uri=uri)

        assert (status, "Invalid redirect_uri" in page) == (400, True)

    def test_escapes_what_it_carries(self, client: Client) -> None:
        key = client.consumer()["key"]

        _, page = authorize_page(
            client, client_id=key, response_type="code", state="%22%3E%3Cscript%3E"
        )

        assert "<script" not in page


class TestTheCode:
    def test_works_once(self, client: Client) -> None:
        code = client.authorize()["code"]

        first = client.token(grant_type="authorization_code", code=code)
        second = client.token(grant_type="authorization_code", code=code)

        assert (first.status, second.status) == (200, 400)
        assert second.json["error"] == "invalid_grant"

    def test_expires(self, client: Client) -> None:
        code = client.authorize()["code"]
        client.control("POST", "/clock", advance=601)

        assert client.token(grant_type="authorization_code", code=code).status == 400

    def test_belongs_to_its_consumer(self, client: Client) -> None:
        code = client.authorize(consumer="acme-wide")["code"]

        assert client.token(grant_type="authorization_code", code=code).status == 400

    @pytest.mark.parametrize(("verifier", "status"), [(VERIFIER, 200), ("other", 400), ("", 400)])
    def test_answers_to_its_challenge(self, client: Client, verifier: str, status: int) -> None:
        code = client.authorize(code_challenge=CHALLENGE, code_challenge_method="S256")["code"]

        reply = client.token(grant_type="authorization_code", code=code, code_verifier=verifier)

        assert reply.status == status

    def test_wants_the_same_redirect_uri_again(self, client: Client) -> None:
        code = client.authorize(redirect_uri=CALLBACK + "/x")["code"]

        assert client.token(grant_type="authorization_code", code=code).status == 400
        repeated = {"grant_type": "authorization_code", "redirect_uri": CALLBACK + "/x"}
        assert client.token(**repeated, code=code).status == 200


class TestTheTokenAnswer:
    def test_has_long_tokens_and_the_consumers_scopes(self, client: Client) -> None:
        answer = client.link()

        assert len(answer["access_token"]) > 2500
        assert len(answer["refresh_token"]) > 2500
        assert answer["scope"].split() == client.consumer()["scopes"]
        assert (answer["expires_in"], answer["token_type"]) == (7200, "bearer")

    def test_says_scopes_when_the_switch_says_so(self, client: Client) -> None:
        client.control("POST", "/switches", scope_key="scopes", access_token_seconds=3600)

        answer = client.link()

        assert "scope" not in answer
        assert "account" in answer["scopes"]
        assert answer["expires_in"] == 3600

    @pytest.mark.parametrize(
        ("headers", "fields", "error", "description"),
        [
            ({}, {"grant_type": "refresh_token"}, "unauthorized_client",
             "Requests must be authenticated using OAuth client credentials"),
            (basic("key", "wrong"), {"grant_type": "refresh_token"}, "unauthorized_client",
             "Invalid OAuth client credentials"),
        ],
    )  # fmt: skip
    def test_refuses_a_client_it_does_not_know(
        self,
        client: Client,
        headers: dict[str, str],
        fields: dict[str, str],
        error: str,
        description: str,
    ) -> None:
        reply = client.form(TOKEN, fields, headers)

        assert reply.status == 400
        assert reply.json == {"error": error, "error_description": description}

    def test_does_not_read_json(self, client: Client) -> None:
        row = client.consumer()
        sent = {**basic(row["key"], row["secret"]), "Content-Type": "application/json"}

        reply = client.send("POST", TOKEN, headers=sent, body=b'{"grant_type": "refresh_token"}')

        assert reply.json["error_description"] == "Unsupported grant type: None"


class TestARefreshToken:
    def test_rotates_and_its_predecessor_lives_ten_minutes(self, client: Client) -> None:
        first = client.link()["refresh_token"]
        second = client.refresh(first).json["refresh_token"]
        assert second != first

        client.control("POST", "/clock", advance=590)
        assert client.refresh(first).status == 200
        client.control("POST", "/clock", advance=20)

        dead = client.refresh(first)
        assert (dead.status, dead.json["error"]) == (400, "invalid_grant")
        assert client.refresh(second).status == 200

    def test_yields_the_same_pair_in_the_grace_when_switched(self, client: Client) -> None:
        client.control("POST", "/switches", grace_returns="same")
        first = client.link()["refresh_token"]

        assert client.refresh(first).json == client.refresh(first).json

    @pytest.mark.parametrize(("rotation", "given"), [("same", True), ("absent", False)])
    def test_need_not_rotate(self, client: Client, rotation: str, given: bool) -> None:
        client.control("POST", "/switches", rotation=rotation)
        first = client.link()["refresh_token"]

        answer = client.refresh(first).json

        assert answer.get("refresh_token") == (first if given else None)
        client.control("POST", "/clock", advance=3600)
        assert client.refresh(first).status == 200

    def test_dies_after_three_idle_months(self, client: Client) -> None:
        token = client.link()["refresh_token"]
        client.control("POST", "/clock", advance=91 * 86400)

        assert client.refresh(token).status == 400

    def test_dies_with_the_consent(self, client: Client) -> None:
        answer = client.link("dana")
        other = client.link("tomas")

        assert client.control("POST", "/grants/revoke", user="dana").json == {"revoked": 1}

        assert client.refresh(answer["refresh_token"]).status == 400
        assert client.send("GET", "/2.0/user", headers=bearer(answer)).status == 401
        assert client.send("GET", "/2.0/user", headers=bearer(other)).status == 200

    def test_can_be_made_to_belong_to_somebody_else(self, client: Client) -> None:
        answer = client.link("dana")
        client.control("POST", "/grants/reassign", user="dana", to="tomas")

        fresh = client.refresh(answer["refresh_token"]).json

        who = client.send("GET", "/2.0/user", headers=bearer(fresh)).json
        assert who["nickname"] == "tomas"

    def test_is_spent_although_the_answer_is_cut_off(self, client: Client) -> None:
        first = client.link()["refresh_token"]
        client.order("cut", f"POST {TOKEN}", contains="grant_type=refresh_token")
        with pytest.raises(Exception, match="IncompleteRead"):
            client.refresh(first)

        client.control("POST", "/clock", advance=601)

        assert client.refresh(first).status == 400


class TestClientCredentials:
    def test_act_as_an_app_without_refresh_token(self, client: Client) -> None:
        answer = client.token(grant_type="client_credentials").json

        assert "refresh_token" not in answer
        who = client.send("GET", "/2.0/user", headers=bearer(answer)).json
        assert who["type"] == "app_user"
        spaces = client.send("GET", "/2.0/user/workspaces", headers=bearer(answer)).json
        assert [item["workspace"]["slug"] for item in spaces["values"]] == ["acme"]

    @pytest.mark.parametrize(
        ("consumer", "error"),
        [("acme-narrow", "invalid_grant"), ("acme-no-callback", "invalid_request")],
    )
    def test_need_a_private_consumer_with_a_callback(
        self, client: Client, consumer: str, error: str
    ) -> None:
        reply = client.token(consumer, grant_type="client_credentials")

        assert (reply.status, reply.json["error"]) == (400, error)


def test_an_expired_access_token_says_so(client: Client) -> None:
    answer = client.link()
    client.control("POST", "/clock", advance=7201)

    reply = client.send("GET", "/2.0/user", headers=bearer(answer))

    assert (reply.status, reply.json["error"]["message"]) == (401, "Access token expired.")


def test_a_consumer_registered_later_works(client: Client) -> None:
    made = client.control(
        "POST", "/consumers", name="late", callbacks=["http://localhost:9/x"], scopes=["account"]
    ).json
    client.known["consumers"].append(made)

    assert client.link(consumer="late")["scope"] == "account"


def test_links_outlive_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.json"
    with Sandbox(callbacks=[CALLBACK], state_file=state) as sandbox:
        answer = Client(sandbox).link()
    assert answer["access_token"] not in state.read_text()

    with Sandbox(callbacks=[CALLBACK], state_file=state) as sandbox:
        client = Client(sandbox)
        assert client.send("GET", "/2.0/user", headers=bearer(answer)).status == 200
        assert client.refresh(answer["refresh_token"]).status == 200
