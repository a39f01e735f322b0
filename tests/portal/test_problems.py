"""What a person reads when a request cannot be served."""

from __future__ import annotations

import pytest
from django.db import connections
from django.test import Client

from portal.audit import Action
from portal.middleware import client_address
from tests.cases import Cast, platform, recorded


@pytest.fixture
def client(settings) -> Client:
    settings.ROOT_URLCONF = "tests.portal.slow_site"
    return Client(raise_request_exception=False)


def test_F16_a_search_that_takes_too_long_is_the_askers_to_narrow(db, client: Client) -> None:
    answer = client.get("/costly/")

    assert answer.status_code == 400
    assert "Narrow it" in answer.content.decode()


def test_what_waits_for_somebody_else_may_be_tried_again(db, client: Client) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE portal_user")
        answer = client.get("/waiting/")
        cursor.execute("ROLLBACK")

    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"


def test_our_own_fault_says_nothing_of_its_inside(db, client: Client) -> None:
    answer = client.get("/broken/")
    page = answer.content.decode()

    assert answer.status_code == 500
    assert answer["X-Request-Id"] in page
    for inside in ("ATATT", "RuntimeError", "Traceback", "slow_site"):
        assert inside not in page


def test_an_unknown_address_and_anothers_look_the_same(cast: Cast) -> None:
    client = cast.client("mallory")

    pages = [client.get(path) for path in ("/o/acme/", "/o/no-such-place/")]

    texts = [page.content.decode().replace(page["X-Request-Id"], "") for page in pages]
    assert [page.status_code for page in pages] == [404, 404]
    assert texts[0] == texts[1]
    assert recorded(cast, Action.ACCESS_REFUSED, platform()).details["reason"] == "not a member"


def test_the_record_of_a_refusal_holds_no_address_that_is_a_secret(cast: Cast) -> None:
    cast.client("bob", enforce_csrf_checks=True).post("/o/acme/settings/rename/?x=ATATT-canary")

    assert "canary" not in str(recorded(cast, Action.ACCESS_REFUSED, cast.acme).details)


def test_a_signed_out_visitor_leaves_no_entry(cast: Cast) -> None:
    before = len(cast.record(platform()))

    Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "x"})

    assert len(cast.record(platform())) == before


@pytest.mark.parametrize(
    ("trusted", "told", "expected"),
    [
        (0, "1.2.3.4", "127.0.0.1"),
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (1, "", "127.0.0.1"),
    ],
)
def test_only_our_own_proxies_are_believed(
    rf, settings, trusted: int, told: str, expected: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = trusted
    headers = {"HTTP_X_FORWARDED_FOR": told} if told else {}

    assert client_address(rf.get("/", **headers).META) == expected


@pytest.mark.parametrize("path", ["/health/alive/", "/health/ready/"])
def test_a_load_balancer_asks_without_signing_in(db, path: str) -> None:
    assert Client().get(path).status_code == 200
