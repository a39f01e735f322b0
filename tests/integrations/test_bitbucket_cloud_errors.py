"""Every answer of Bitbucket Cloud has one meaning, and its headers are read with patience."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from connections.contracts import Answer, RateBudget
from connections.errors import (
    AccessDenied,
    EndpointRemoved,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    ScopeMissing,
    Unavailable,
    UnexpectedResponse,
    VendorError,
)
from integrations.bitbucket_cloud import CONNECTOR, client

FIXTURES = Path(__file__).parents[2] / "integrations/bitbucket_cloud/fixtures"
LIMITED = "Rate limit for this resource has been exceeded"


def fixture(name: str) -> object:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def answer(
    status: int, body: object = None, text: str = "", request: str = "GET /2.0/user", **headers: str
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, request, 0.25, text)


def judged(*arguments: object, **more: str) -> VendorError:
    error = CONNECTOR.judge(answer(*arguments, **more))
    assert error is not None
    return error


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "name", "kind"),
        [
            (401, "error__expired", ReauthorizationRequired),
            (401, "error__invalid", ReauthorizationRequired),
            (403, "error__forbidden", AccessDenied),
            (403, "error__scope", ScopeMissing),
            (404, "error__not_found", RemoteGone),
            (410, "error__removed", EndpointRemoved),
            (410, "error__gone", RemoteGone),
            (400, "error__pagelen", Refused),
            (402, "error__forbidden", Refused),
            (409, "error__forbidden", Refused),
            (422, "error__forbidden", Refused),
            (451, "error__forbidden", AccessDenied),
            (500, "error__forbidden", Unavailable),
            (555, "error__forbidden", Unavailable),
        ],
    )
    def test_json_errors(self, status, name, kind):
        error = judged(status, fixture(name))

        assert type(error) is kind
        assert (error.status, error.request) == (status, "GET /2.0/user")

    @pytest.mark.parametrize(
        ("status", "text", "kind"),
        [
            (401, "Unauthorized", ReauthorizationRequired),
            (404, "Not Found", RemoteGone),
            (410, "Gone", RemoteGone),
            (429, LIMITED, RateLimited),
            (400, "Bad Request", Refused),
            (408, "", Unavailable),
            (425, "", Unavailable),
            (502, "<html>Bad gateway</html>", Unavailable),
            *((status, "", Unavailable) for status in range(520, 531)),
            (200, "<html>Log in with Atlassian account</html>", UnexpectedResponse),
            (200, "", UnexpectedResponse),
            (204, "", UnexpectedResponse),
            (301, "", UnexpectedResponse),
            (100, "", UnexpectedResponse),
        ],
    )
    def test_answers_without_json(self, status, text, kind):
        error = judged(status, None, text)

        assert type(error) is kind
        assert "<" not in error.detail

    @pytest.mark.parametrize("status", [200, 201, 202, 206])
    def test_success_is_no_error(self, status):
        assert CONNECTOR.judge(answer(status, {})) is None

    def test_nothing_is_a_fine_answer_to_a_deletion(self):
        assert CONNECTOR.judge(answer(204, None, request="DELETE /2.0/x")) is None

    def test_expired_and_refused_are_told_apart(self):
        assert judged(401, fixture("error__expired")).detail == "Access token expired."
        assert judged(401, fixture("error__invalid")).detail.startswith("Token is invalid")

    def test_missing_scopes_are_named(self):
        error = judged(403, fixture("error__scope"))

        assert isinstance(error, ScopeMissing)
        assert error.required == ("pullrequest",)
        assert error.granted == ("account", "repository")

    def test_missing_scopes_are_read_from_headers_when_the_body_is_silent(self):
        body = {"error": {"message": "Your credentials lack required privilege scopes."}}

        error = judged(
            403, body, x_accepted_oauth_scopes="account", x_oauth_scopes="webhook, pipeline"
        )

        assert isinstance(error, ScopeMissing)
        assert (error.required, error.granted) == (("account",), ("webhook", "pipeline"))

    def test_p23_a_gateways_403_passes(self):
        assert type(judged(403, None, "<html>Forbidden</html>")) is Unavailable

    def test_p27_a_redirect_names_its_host_only(self):
        error = judged(302, None, "", location="https://evil.example/path?token=abc")

        assert error.detail == "Redirected to evil.example."

    def test_p48_a_plan_limit_is_not_retried(self):
        assert not judged(402, {"error": {"message": "This needs Premium"}}).retry
        assert not judged(451, None, "Unavailable for legal reasons").retry

    def test_p50_a_removed_endpoint_carries_its_announcement(self):
        error = judged(410, fixture("error__removed"))

        assert isinstance(error, EndpointRemoved)
        assert error.announcement_url.endswith("changelog#CHANGE-2770")

    @pytest.mark.parametrize("url", ["javascript:alert(1)", 7, None, "https://[", "/relative"])
    def test_an_announcement_that_is_no_address_is_none(self, url):
        assert type(judged(410, {"data": {"announcement_url": url}})) is RemoteGone

    @pytest.mark.parametrize("detail", ["text", {"a": 1}, ["x"], None, 7])
    def test_detail_may_be_anything(self, detail):
        body = {"type": "error", "error": {"message": "No", "detail": detail}}

        assert type(judged(403, body)) is AccessDenied

    @pytest.mark.parametrize("body", [{}, [], "text", 7, {"error": "text"}, {"error": {}}])
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500])
    def test_any_body_is_survived(self, status, body):
        assert judged(status, body).status == status

    def test_a_message_is_cut_cleaned_and_holds_no_secret(self):
        secret = "ATATT3xFfGF0" + "aB3" * 40
        message = (
            f"\x1b[2J\u202eToken {secret}\r\nat https://x.example/a?token={secret} " + "x " * 999
        )

        error = judged(400, {"error": {"message": message}})

        assert len(error.detail) <= 200
        assert secret[:30] not in f"{error.detail} {error}"
        assert not any(c in error.detail for c in "\x1b\u202e\r\n?")


class TestWaiting:
    @pytest.mark.parametrize(
        ("said", "seconds"),
        [
            ("120", 120),
            ("0.5", 0.5),
            ("315360000", 3600),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("٣", None),
            ("9" * 400, None),
        ],
        ids=lambda value: f"P24-{str(value)[:12]}",
    )
    def test_p24_seconds_are_capped_and_garbage_is_ignored(self, said, seconds):
        error = judged(429, None, LIMITED, retry_after=said)

        assert isinstance(error, RateLimited)
        assert error.retry_after_seconds == seconds

    @pytest.mark.parametrize(("ahead", "seconds"), [(90, 90), (864_000, 3600), (-5, None)])
    def test_p24_p39_a_date_is_measured_by_the_vendors_own_clock(self, ahead, seconds):
        now = datetime(2020, 1, 1, tzinfo=UTC)
        until = format_datetime(now + timedelta(seconds=ahead), usegmt=True)

        error = judged(429, None, "", retry_after=until, date=format_datetime(now, usegmt=True))

        assert isinstance(error, RateLimited)
        assert error.retry_after_seconds == seconds

    def test_p25_bitbucket_mostly_says_nothing(self):
        error = judged(429, None, LIMITED)

        assert isinstance(error, RateLimited)
        assert (error.retry_after_seconds, error.detail) == (None, LIMITED)


class TestHeaders:
    @pytest.mark.parametrize(
        ("headers", "budget"),
        [
            ({}, RateBudget()),
            (
                {
                    "x-ratelimit-limit": "1000",
                    "x-ratelimit-resource": "api-repositories",
                    "x-ratelimit-nearlimit": "false",
                },
                RateBudget(limit=1000, resource="api-repositories", near_limit=False),
            ),
            (
                {"x-ratelimit-limit": "60, 60;w=3600", "x-ratelimit-remaining": "59"},
                RateBudget(limit=60, remaining=59, window_seconds=3600),
            ),
            ({"x-ratelimit-nearlimit": "1"}, RateBudget(near_limit=True)),
            ({"x-ratelimit-remaining": "0"}, RateBudget(remaining=0)),
            ({"x-ratelimit-limit": "0"}, RateBudget()),
            ({"x-ratelimit-limit": "-5", "x-ratelimit-remaining": "-1"}, RateBudget()),
            ({"x-ratelimit-limit": "many", "x-ratelimit-remaining": "1e9"}, RateBudget()),
            ({"x-ratelimit-limit": "9" * 50}, RateBudget()),
        ],
        ids=lambda value: "P51",
    )
    def test_p51_the_budget_is_read_with_patience(self, headers, budget):
        assert CONNECTOR.rate(Answer(200, headers, {}, "GET /2.0/user", 0.1)) == budget

    @pytest.mark.parametrize(
        ("said", "scopes"),
        [
            ("pipeline:variable, webhook", {"pipeline:variable", "webhook"}),
            ("read:user:bitbucket read:workspace:bitbucket", {"read:user:bitbucket",
                                                              "read:workspace:bitbucket"}),
            ("team, something:new", {"team", "something:new"}),
            ("", set()),
        ],
    )  # fmt: skip
    def test_scopes_are_kept_word_by_word_known_or_not(self, said, scopes):
        assert client.scopes(answer(200, {}, x_oauth_scopes=said)) == scopes

    def test_silence_about_scopes_is_not_an_empty_list(self):
        assert client.scopes(answer(200, {})) is None
