"""Single sign-on by OpenID Connect, against an issuer on loopback: who one is, is issuer and
subject."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.sessions.models import Session
from django.test import Client

from portal.audit import Action
from portal.models import User
from portal.sessions import SessionStore
from tests.cases import Cast, platform, recorded
from tests.factories import make_user

TOKEN = "canary-access-token-7f3a9c21"


class Issuer:
    """Says whatever a test makes it say."""

    def __init__(self) -> None:
        self.claims = {"sub": "u-1", "email": "ines@corp.example", "email_verified": True}
        self.claims |= {"name": "Ines Corp"}
        self.id_claims: dict[str, object] = {}
        self.asked: list[dict[str, list[str]]] = []
        issuer = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asks_who = self.path == "/userinfo"
                self.answer(issuer.claims if asks_who else issuer.configuration())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                issuer.asked.append(parse_qs(body))
                self.answer(issuer.tokens())

            def answer(self, body: object) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def configuration(self) -> dict[str, object]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
        }

    def tokens(self) -> dict[str, object]:
        claims = {"iss": self.url, "aud": "portal", "exp": 4_000_000_000, "iat": 1}
        claims |= {"sub": self.claims["sub"]} | self.id_claims
        id_token = jwt.encode(claims, "k" * 32, algorithm="HS256")
        return {"access_token": TOKEN, "token_type": "Bearer", "id_token": id_token}


@pytest.fixture
def issuer(settings) -> Iterator[Issuer]:
    made = Issuer()
    app = {"provider_id": "sso-test", "name": "Corp sign-on", "client_id": "portal"}
    app |= {"secret": "shh", "settings": {"server_url": made.url}}
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}
    }
    yield made
    made.server.shutdown()


def come_in(client: Client):
    """Press the button, consent at the issuer, come back."""
    leaving = client.post("/accounts/oidc/sso-test/login/")
    asked = parse_qs(urlsplit(leaving.url).query)
    back = {"code": "once", "state": asked["state"][0]}
    return client.get("/accounts/oidc/sso-test/login/callback/", back, follow=True), asked


def test_the_button_is_shown_when_an_issuer_is_set(db, issuer: Issuer) -> None:
    assert "Corp sign-on" in Client().get("/accounts/login/").content.decode()


def test_somebody_new_comes_in_with_their_name_and_is_on_record(cast: Cast, issuer: Issuer) -> None:
    client = Client()
    page, asked = come_in(client)

    ines = User.objects.get(email="ines@corp.example")
    assert page.status_code == 200
    assert client.get("/organizations/").status_code == 200
    assert (ines.name, ines.has_usable_password()) == ("Ines Corp", False)
    assert asked["code_challenge_method"] == ["S256"]
    assert len(issuer.asked[0]["code_verifier"][0]) >= 43
    assert recorded(cast, Action.SIGNED_IN, platform()).details == {"by": "single sign-on"}


def test_the_same_subject_is_the_same_person_whatever_their_address(db, issuer: Issuer) -> None:
    come_in(Client())
    issuer.claims |= {"email": "ines.new@corp.example"}
    come_in(Client())

    assert User.objects.count() == SocialAccount.objects.count() == 1


def test_O43_another_subject_with_a_reused_address_is_not_let_in(db, issuer: Issuer) -> None:
    come_in(Client())
    issuer.claims |= {"sub": "u-2"}
    client = Client()
    come_in(client)

    assert client.get("/organizations/").status_code == 302
    assert SocialAccount.objects.count() == 1


def test_O41_an_equal_address_does_not_open_an_existing_account(db, issuer: Issuer) -> None:
    make_user("ines@corp.example", "Ines")
    client = Client()
    come_in(client)

    assert client.get("/organizations/").status_code == 302
    assert not SocialAccount.objects.exists()


def test_two_halves_that_name_different_people_are_refused(db, issuer: Issuer) -> None:
    issuer.id_claims = {"sub": "somebody else"}

    page, _ = come_in(Client())

    assert "does not fit together" in page.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("claim", [{"iss": "https://evil.example"}, {"aud": "other"}, {"exp": 1}])
def test_O21_a_token_of_another_issuer_client_or_time_is_refused(
    db, issuer: Issuer, claim: dict[str, object]
) -> None:
    issuer.id_claims = claim
    client = Client()

    page, _ = come_in(client)

    assert page.status_code < 500
    assert client.get("/organizations/").status_code == 302
    assert not User.objects.exists()


@pytest.mark.parametrize("state", ["", "wrong", "é", "a" * 10_000])
def test_O01_O02_a_state_that_is_not_ours_is_refused(db, issuer: Issuer, state: str) -> None:
    back = {"code": "once", "state": state}

    page = Client().get("/accounts/oidc/sso-test/login/callback/", back, follow=True)

    assert page.status_code < 500
    assert not issuer.asked


def test_the_issuers_token_is_kept_nowhere(db, issuer: Issuer) -> None:
    issuer.claims = {"sub": "u-3"}  # no address: allauth interrupts with a form
    client = Client()

    page, _ = come_in(client)

    assert page.redirect_chain[-1][0] == "/accounts/3rdparty/signup/"
    assert not SocialToken.objects.exists()
    sessions = [str(SessionStore().decode(one.session_data)) for one in Session.objects.all()]
    assert any(sessions)
    assert TOKEN not in "".join(sessions)


def test_by_invitation_nobody_comes_in_without_one(db, settings, issuer: Issuer) -> None:
    settings.SIGNUP = "invitation"

    page, _ = come_in(Client())

    assert "You need an invitation" in page.content.decode()
    assert not User.objects.exists()


def test_by_domain_another_domains_address_does_not_count(db, settings, issuer: Issuer) -> None:
    settings.SIGNUP, settings.SIGNUP_DOMAINS = "domain", ["acme.example"]
    client = Client()

    come_in(client)
    fields = {"name": "Ines", "email": "ines@corp.example"}
    page = client.post("/accounts/3rdparty/signup/", fields)

    assert "addresses at acme.example" in page.content.decode()
    assert not User.objects.exists()
