"""Section A of the abuse cases: how requests may look, and what is answered to odd ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid1, uuid4

import pytest
from django.db import connections as databases
from django.test.utils import CaptureQueriesContext

from connections.api import key, pace
from connections.models import Connection
from tests.leasing import Service, code_of, service, with_token
from tests.works import Works


@pytest.fixture(autouse=True)
def _unhurried() -> None:
    pace.forget()


@pytest.fixture
def code(works: Works) -> Connection:
    return with_token(works)


@pytest.fixture
def reports(works: Works) -> Service:
    return service(works)


class TestA14OddRequests:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/api/v1/connections/", 404),
            ("GET", "/API/V1/CONNECTIONS", 404),
            ("GET", "/api/v2/connections", 404),
            ("GET", "/api/v1/connections//token", 404),
            ("DELETE", "/api/v1/connections", 405),
            ("PUT", "/api/v1/connections/x", 405),
            ("POST", "/api/v1/openapi.json", 405),
            ("TRACE", "/api/v1/connections", 405),
            ("GET", f"/api/v1/connections/{UUID(int=1)}/token", 405),
        ],
    )
    def test_A14_addresses_and_methods(
        self, method: str, path: str, status: int, reports: Service
    ) -> None:
        response = reports.request(method, path)
        assert code_of(response)[0] == status
        if status == 405:
            assert response["Allow"]

    def test_A14_a_body_on_GET_and_any_accept(self, reports: Service, code: Connection) -> None:
        response = reports.get(
            "connections", data='{"x": 1}', content_type="application/json",
            headers={"Accept": "text/html;q=0.1, image/*"},
        )  # fmt: skip
        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"

    @pytest.mark.parametrize(
        ("body", "kind", "status"),
        [
            ("", "application/json", 415),  # no body, so no Content-Type comes along
            ("[]", "application/json", 400),
            ("null", "application/json", 400),
            ('{"reason": "x"', "application/json", 400),
            ('{"reason": "x", "reason": "y"}', "application/json", 400),
            ('{"reason": NaN}', "application/json", 400),
            ("[" * 5000, "application/json", 400),
            (b"\xff\xfe{\x00}\x00", "application/json", 400),
            ('{"reason": "x"}', "text/plain", 415),
            ('{"reason": "x"}', "application/json; charset=utf-16", 415),
            ('{"reason": "' + "x" * 10_000 + '"}', "application/json", 413),
        ],
        ids=str,
    )
    def test_A14_bodies(
        self, body: Any, kind: str, status: int, reports: Service, code: Connection
    ) -> None:
        path = f"/api/v1/connections/{code.id}/token"
        response = reports.request("POST", path, data=body, content_type=kind)
        assert code_of(response)[0] == status
        assert reports.leases() == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("min_ttl_seconds", 0),
            ("min_ttl_seconds", 3601),
            ("min_ttl_seconds", True),
            ("min_ttl_seconds", "300"),
            ("min_ttl_seconds", 300.5),
            ("wait_seconds", -1),
            ("wait_seconds", 31),
            ("wait_seconds", True),
            ("refused", "yes"),
            ("refused", 1),
            ("force_refresh", True),
        ],
    )
    def test_A14_fields_out_of_bounds_are_named(
        self, field: str, value: Any, reports: Service, code: Connection
    ) -> None:
        response = reports.ask(code, **{field: value})
        assert code_of(response) == (400, "bad_request")
        assert [error["field"] for error in response.json()["errors"]] == [field]


HOSTILE = {
    "X01": "",
    "X02": " \t\u00a0\u2003\u3164",
    "X03": "a\x00b",
    "X04": "a\x1bb",
    "X15": "x" * 5000,
    "X16": "x" * 301,
    "X21": "a\r\nSet-Cookie: x=1",
    "X22": "\x1b[2J",
    "X27": "ATATT3x" + "aB9" * 20,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_X_hostile_reasons_are_refused_and_kept_nowhere(
    case: str, reports: Service, code: Connection
) -> None:
    response = reports.ask(code, reason=HOSTILE[case])
    assert code_of(response) == (400, "bad_request")
    assert [error["field"] for error in response.json()["errors"]] == ["reason"]
    assert reports.leases() == []


def test_X05_X19_X20_text_stays_text(reports: Service, code: Connection) -> None:
    path = f"/api/v1/connections/{code.id}/token"
    lone = reports.request(
        "POST", path, data='{"reason": "\\ud800"}', content_type="application/json"
    )
    assert code_of(lone)[0] == 400
    for text in ("{{7*7}}", "=HYPERLINK(1)", "x" * 300, "'; DROP TABLE x; --"):
        assert reports.ask(code, reason=text).status_code == 200
        assert reports.leases()[-1].reason == text


class TestA18ManyIds:
    def test_A18_at_most_a_hundred(self, reports: Service) -> None:
        ids = ",".join(str(uuid4()) for _ in range(101))
        assert code_of(reports.get(f"connections?ids={ids}")) == (400, "bad_request")

    def test_A18_each_id_has_its_result(self, reports: Service, code: Connection) -> None:
        unknown = [str(uuid4()), "not-an-id"]
        body = reports.get(f"connections?ids={code.id},{','.join(unknown)}").json()
        assert [each["id"] for each in body["connections"]] == [str(code.id)]
        assert body["unknown_ids"] == unknown

    def test_A18_what_another_page_shows_is_not_unknown(
        self, reports: Service, works: Works
    ) -> None:
        ids = ",".join([*(str(with_token(works, f"Code {n}").id) for n in range(3)), "not-an-id"])
        first = reports.get(f"connections?ids={ids}&limit=2").json()
        cursor = first["next_cursor"]
        second = reports.get(f"connections?ids={ids}&limit=2&cursor={cursor}").json()
        assert [len(page["connections"]) for page in (first, second)] == [2, 1]
        assert first["unknown_ids"] == second["unknown_ids"] == ["not-an-id"]
        filtered = reports.get(f"connections?ids={ids}&state=unverified").json()
        assert (filtered["connections"], filtered["unknown_ids"]) == ([], ["not-an-id"])


@pytest.mark.parametrize(
    "name",
    [
        "x",
        str(uuid1()),
        str(UUID(int=0)),
        f"{{{uuid4()}}}",
        str(uuid4()).upper(),
        uuid4().hex,
        "%00",
    ],
    ids=["none", "version 1", "nil", "braces", "upper case", "no dashes", "NUL"],
)
def test_A19_what_is_no_id_of_ours_is_not_found(name: str, reports: Service) -> None:
    assert code_of(reports.ask(name)) == (404, "not_found")
    assert code_of(reports.get(f"connections/{name}")) == (404, "not_found")


def test_too_many_requests_say_when_to_come_back(
    reports: Service, code: Connection, settings: Any
) -> None:
    settings.API_PER_MINUTE = 3
    pace.forget()
    answers = [reports.ask(code) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit"] == '"key";r=2;t=60'
    assert code_of(answers[3]) == (429, "too_many_requests")
    assert 1 <= int(answers[3]["Retry-After"]) <= 60
    assert reports.get("connections").status_code == 429


def test_keys_that_anybody_makes_up_are_counted_by_where_they_come_from(
    reports: Service, code: Connection, settings: Any
) -> None:
    settings.API_PER_MINUTE = 5
    pace.forget()
    assert reports.ask(code).status_code == 200
    known, seen = reports.whole, []
    for _ in range(6):
        reports.whole = key.mint().whole.reveal()
        seen.append(code_of(reports.ask(code))[0])
    assert seen == [401, 401, 401, 401, 429, 429]
    reports.whole = known
    assert reports.ask(code).status_code == 200, "one that was seen to work is not among them"


def test_of_many_keys_in_an_address_a_few_are_looked_up(reports: Service) -> None:
    made_up = "&".join(f"k={key.mint().whole.reveal()}" for _ in range(20))
    twice = f"{reports.whole},{reports.whole}"
    with CaptureQueriesContext(databases["api"]) as asked:
        response = reports.get(f"connections?k={twice}&{made_up}")
    assert code_of(response) == (401, "key_in_address")
    assert reports.reloaded().revoked_because == "exposed"
    assert sum("by_hash" in one["sql"] for one in asked) == 3
