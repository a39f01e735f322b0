"""OAuth on the wire: what we send, and what each answer of a token endpoint means."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from connections.contracts import OAuth2
from connections.errors import (
    Misconfigured,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    Unavailable,
    UnexpectedResponse,
    VendorError,
)
from connections.oauth_answers import TokenAnswer
from connections.oauth_wire import (
    Client,
    TokenEndpoint,
    authorize_url,
    challenge,
    new_state,
    new_verifier,
)
from tests.loopback import PlainDoor, Reply, Scripted, serving

SECRET = "Kq7vX2mPz9"
GOOD = {"access_token": "at-1", "refresh_token": "rt-2", "expires_in": 7200, "scope": "a b"}
BENDS = {
    "dead_grant": (("invalid_request", "refresh_token"),),
    "wrong_client": (("invalid_grant", "cannot use client_credentials"),),
}


def ask(reply: Reply, **manners: object) -> tuple[TokenAnswer, Scripted]:
    with serving(Scripted(reply)) as server:
        oauth = OAuth2(
            authorize_url=f"{server.url}/authorize",
            token_url=f"{server.url}/token",
            **{**BENDS, **manners},
        )
        endpoint = TokenEndpoint(oauth, Client("key", SECRET), PlainDoor(), None, None)
        return endpoint.refresh(refresh_token="rt-1"), server


def answered(**changes: object) -> TokenAnswer:
    body = {k: v for k, v in {**GOOD, **changes}.items() if v is not ...}
    return ask(Reply(body=json.dumps(body).encode()))[0]


def failed(status: int, body: object, **headers: str) -> VendorError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(VendorError) as caught:
        ask(Reply(status, content, headers))
    return caught.value


class TestWhatWeSend:
    def test_the_way_to_consent_carries_state_scopes_and_the_challenge_only(self):
        verifier = new_verifier()
        oauth = OAuth2("https://v.example/authorize", "https://v.example/token")

        url = authorize_url(
            oauth,
            client_id="key",
            redirect_uri="http://localhost:8000/oauth/x/callback",
            state="s" * 43,
            scopes=frozenset({"repository", "account"}),
            verifier=verifier,
        )

        query = parse_qs(urlsplit(url).query)
        assert query == {
            "response_type": ["code"],
            "client_id": ["key"],
            "redirect_uri": ["http://localhost:8000/oauth/x/callback"],
            "state": ["s" * 43],
            "scope": ["account repository"],
            "code_challenge": [challenge(verifier)],
            "code_challenge_method": ["S256"],
        }
        assert verifier not in url

    def test_a_vendor_without_pkce_or_scopes_gets_neither(self):
        oauth = OAuth2("https://v.example/a?x=1", "", pkce=False, sends_scope=False)

        url = authorize_url(
            oauth, client_id="k", redirect_uri="r", state="s", scopes=frozenset("a"), verifier="v"
        )

        assert set(parse_qs(urlsplit(url).query)) == {
            "x",
            "response_type",
            "client_id",
            "redirect_uri",
            "state",
        }

    def test_the_challenge_is_that_of_rfc_7636(self):
        assert (
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
            == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        )

    def test_state_and_verifier_are_long_and_never_the_same(self):
        states = {new_state() for _ in range(100)}

        assert len(states) == 100
        assert all(len(base64.urlsafe_b64decode(s + "==")) >= 32 for s in states)
        assert 43 <= len(new_verifier()) <= 128
        assert len(hashlib.sha256(new_verifier().encode()).digest()) == 32

    def test_the_client_signs_in_by_basic_and_its_secret_is_not_in_the_form(self):
        _, server = ask(Reply(body=json.dumps(GOOD).encode()))

        seen = server.seen[0]
        assert (
            base64.b64decode(seen.headers["authorization"].split()[1]) == f"key:{SECRET}".encode()
        )
        assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
        assert parse_qs(seen.body.decode()) == {
            "grant_type": ["refresh_token"],
            "refresh_token": ["rt-1"],
        }
        assert "?" not in seen.path

    def test_a_vendor_that_wants_the_client_in_the_form_gets_it_there(self):
        _, server = ask(Reply(body=json.dumps(GOOD).encode()), client_auth="body")

        assert "authorization" not in server.seen[0].headers
        assert parse_qs(server.seen[0].body.decode())["client_secret"] == [SECRET]

    def test_no_secret_is_in_any_repr(self):
        answer = answered()
        endpoint = TokenEndpoint(OAuth2("", ""), Client("key", SECRET), PlainDoor(), None, None)

        assert SECRET not in repr(endpoint)
        assert "at-1" not in repr(answer)
        assert "rt-2" not in repr(answer)


class TestTokens:
    def test_p05_no_content_type_is_needed(self):
        assert answered().access_token == "at-1"

    def test_tokens_may_be_of_any_length(self):
        long = "x" * 20_000

        answer = answered(access_token=long, refresh_token=long)

        assert (answer.access_token, answer.refresh_token) == (long, long)

    @pytest.mark.parametrize("missing", [..., "", None], ids=["P12-absent", "P14-empty", "null"])
    def test_a_missing_refresh_token_is_none(self, missing):
        assert answered(refresh_token=missing).refresh_token is None

    @pytest.mark.parametrize(
        ("stated", "seconds"),
        [
            (..., 300),
            (0, 0),
            (-1, 0),
            ("3600", 3600),
            (3600.5, 300),
            ("abc", 300),
            (True, 300),
            (10**12, 86400),
            (7200, 7200),
        ],
        ids=lambda value: f"P15-{value}",
    )
    def test_lifetimes(self, stated, seconds):
        assert answered(expires_in=stated).expires_in_seconds == seconds

    @pytest.mark.parametrize("kind", [..., "bearer", "Bearer", "BEARER"], ids=str)
    def test_p16_bearer_is_the_only_kind(self, kind):
        assert answered(token_type=kind).token_type == "bearer"

    @pytest.mark.parametrize(
        ("key", "stated", "scopes"),
        [
            ("scope", "account repository webhook", {"account", "repository", "webhook"}),
            ("scopes", "repository", {"repository"}),
            ("scope", ["a", "b"], {"a", "b"}),
            ("scopes", "a, b", {"a", "b"}),
            ("scope", "", set()),
            ("scope", ["a", "\x00b", "c d", "", 7], {"a"}),
            ("scope", 7, None),
            ("other", "a", None),
        ],
    )
    def test_scopes_are_read_under_both_names_and_in_both_forms(self, key, stated, scopes):
        answer = answered(scope=..., **{key: stated}) if key != "scope" else answered(scope=stated)

        assert answer.scopes == scopes


class TestAnswersThatAreNoTokens:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"<html>Log in</html>", id="P01"),
            pytest.param(b"", id="P03"),
            pytest.param(b'{"access_token":"a', id="P04"),
            pytest.param(b"[]", id="P07-array"),
            pytest.param(b'"text"', id="P07-string"),
            pytest.param(b"17", id="P07-number"),
            pytest.param(b"null", id="P07-null"),
            pytest.param(b"true", id="P07-true"),
            pytest.param(b'{"access_token":"a","access_token":"b"}', id="P08"),
            pytest.param(b'{"access_token":"a","expires_in":NaN}', id="P09-NaN"),
            pytest.param(b'{"access_token":"a","expires_in":Infinity}', id="P09-Infinity"),
            pytest.param(b'{"access_token":"a","expires_in":1e999}', id="P09-1e999"),
            pytest.param(b'{"access_token":"a","x":1' + b"0" * 400 + b"}", id="P09-huge"),
            pytest.param(b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", id="P10"),
            pytest.param(b"{}", id="no-token"),
            pytest.param(b'{"access_token":""}', id="empty-token"),
            pytest.param(b'{"access_token":["a"]}', id="token-list"),
            pytest.param(b'{"access_token":"a\\r\\nX: y"}', id="token-with-a-line-break"),
            pytest.param(b'{"access_token":"a","token_type":"mac"}', id="P16-mac"),
            pytest.param(b'{"access_token":"a","refresh_token":7}', id="refresh-number"),
        ],
    )
    def test_a_doubtful_answer_is_refused(self, body):
        assert isinstance(failed(200, body), UnexpectedResponse)

    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_p19_p22_a_dead_grant_is_dead_whatever_the_status(self, status):
        error = failed(status, {"error": "invalid_grant", "error_description": "Unknown token"})

        assert isinstance(error, ReauthorizationRequired)
        assert error.detail == "invalid_grant: Unknown token"

    def test_a_vendors_own_word_for_a_dead_grant_is_understood(self):
        error = failed(
            400, {"error": "invalid_request", "error_description": "Invalid refresh_token"}
        )

        assert isinstance(error, ReauthorizationRequired)

    @pytest.mark.parametrize("status", [400, 401], ids=["P20-400", "P20-401"])
    def test_p20_a_wrong_client_is_our_fault(self, status):
        assert isinstance(failed(status, {"error": "invalid_client"}), Misconfigured)

    @pytest.mark.parametrize(
        "code", ["invalid_scope", "unauthorized_client", "unsupported_grant_type"]
    )
    def test_p21_configuration_faults(self, code):
        assert isinstance(failed(400, {"error": code}), Misconfigured)

    def test_a_public_consumer_is_our_fault_though_the_vendor_blames_the_grant(self):
        description = 'Cannot use client_credentials with a consumer marked as "public".'

        error = failed(400, {"error": "invalid_grant", "error_description": description})

        assert isinstance(error, Misconfigured)

    def test_another_invalid_request_is_refused(self):
        assert isinstance(failed(400, {"error": "invalid_request"}), Refused)

    def test_an_error_in_a_200_is_an_error(self):
        assert isinstance(failed(200, {"error": "invalid_grant"}), ReauthorizationRequired)

    @pytest.mark.parametrize("body", [b"<html>Forbidden</html>", b"", b"{}", b"[]"])
    def test_p23_a_403_that_is_not_oauth_passes(self, body):
        assert isinstance(failed(403, body), Unavailable)

    @pytest.mark.parametrize(
        ("said", "seconds"),
        [("30", 30), ("0", 0), ("315360000", 3600), ("-5", None), ("soon", None), ("", None)],
        ids=lambda value: f"P24-{value}",
    )
    def test_p24_the_wait_is_obeyed_within_reason(self, said, seconds):
        error = failed(429, b"Rate limit", **{"retry-after": said})

        assert isinstance(error, RateLimited)
        assert error.retry_after_seconds == seconds

    @pytest.mark.parametrize("status", [408, 425, 503])
    def test_p24_the_wait_of_an_outage_is_known_too(self, status):
        error = failed(status, b"", **{"retry-after": "90"})

        assert isinstance(error, Unavailable)
        assert error.retry_after_seconds == 90

    def test_p24_a_date_is_measured_against_the_answers_own(self):
        now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
        later = format_datetime(now + timedelta(seconds=90), usegmt=True)

        error = failed(429, b"", date=format_datetime(now, usegmt=True), **{"retry-after": later})

        assert isinstance(error, RateLimited)
        assert error.retry_after_seconds == 90

    def test_p25_no_wish_is_no_wish(self):
        error = failed(429, b"Rate limit for this resource has been exceeded")

        assert isinstance(error, RateLimited)
        assert error.retry_after_seconds is None

    @pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, *range(520, 531)])
    def test_p26_outages_pass(self, status):
        assert isinstance(failed(status, b"<html>Bad gateway</html>"), Unavailable)
        assert isinstance(failed(status, {"error": "invalid_grant"}), Unavailable)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_p27_redirects_are_not_followed_and_name_the_host_only(self, status):
        error = failed(status, b"", location="https://evil.example/path?code=abc")

        assert isinstance(error, UnexpectedResponse)
        assert error.detail == "Redirected to evil.example."

    def test_a_plain_text_401_asks_for_linking_again(self):
        assert isinstance(failed(401, b"Unauthorized"), ReauthorizationRequired)

    def test_what_the_vendor_says_is_cut_and_cleaned(self):
        description = "<b>\u202e\x1b[2J\r\nSet-Cookie: x " + "word " * 5000

        error = failed(400, {"error": "invalid_grant", "error_description": description})

        assert len(error.detail) <= 200
        assert not any(c in error.detail for c in "\u202e\x1b\r\n")
