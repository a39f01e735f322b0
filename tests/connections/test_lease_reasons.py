"""A service that gets no token reads why, as precisely as the portal knows, and where to go."""

from __future__ import annotations

from typing import Any

import pytest

from connections.models import Breaker, Connection
from portal import clock, roles, tenancy
from tests.leasing import Service, code_of, service, with_token
from tests.works import Works


@pytest.fixture
def code(works: Works) -> Connection:
    """A connection whose token has ended, and no worker runs."""
    return with_token(works, hours=-0.1)


@pytest.fixture
def reports(works: Works) -> Service:
    return service(works)


def altered(works: Works, code: Connection, **facts: Any) -> None:
    with works.inside():
        Connection.objects.filter(id=code.id).update(**facts)


def opened(because: str) -> None:
    """The vendor's breaker is open."""
    with roles.using_role("worker"), tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        Breaker(
            organization_id=tenancy.PLATFORM,
            connector="bitbucket-cloud",
            host="bitbucket.org",
            state=Breaker.State.OPEN,
            because=because,
            opened_at=clock.now(),
            rate=20.0,
            normal_rate=20.0,
        ).save(force_insert=True)


class TestNoTokenInTime:
    def test_names_what_went_wrong_last_and_the_page(
        self, reports: Service, works: Works, code: Connection
    ) -> None:
        altered(works, code, last_error="unavailable")
        response = reports.ask(code, wait_seconds=0)
        assert code_of(response) == (503, "no_fresh_token")
        body = response.json()
        assert body["because"] == "unavailable"
        assert body["page_url"].endswith(f"/o/acme/connections/{code.id}/")
        assert "suspect_since" not in body and response["Retry-After"] == "5"

    def test_of_a_suspect_says_since_when(
        self, reports: Service, works: Works, code: Connection
    ) -> None:
        altered(works, code, suspect_since=clock.now(), last_error="reauthorization_required")
        response = reports.ask(code, wait_seconds=0)
        body = response.json()
        assert body["suspect_since"] and body["because"] == "reauthorization_required"
        assert "refused to renew it" in body["detail"] and int(response["Retry-After"]) >= 30

    @pytest.mark.parametrize(
        ("because", "expected", "trouble"),
        [
            ("reauthorization_required", "vendor_incident", "vendor_incident"),
            ("misconfigured", "consumer_misconfigured", "misconfigured"),
        ],
    )
    def test_while_the_breaker_is_open_has_a_code_of_its_own(
        self, because: str, expected: str, trouble: str,
        reports: Service, works: Works, code: Connection,
    ) -> None:  # fmt: skip
        opened(because)
        response = reports.ask(code, wait_seconds=0)
        assert code_of(response) == (503, expected)
        assert response.json()["because"] == trouble
        assert int(response["Retry-After"]) >= 30

    @pytest.mark.parametrize(
        ("trouble", "expected"),
        [("misconfigured", "consumer_misconfigured"), ("crypto_error", "no_fresh_token")],
    )
    def test_that_only_a_person_can_mend_says_so(
        self, trouble: str, expected: str, reports: Service, works: Works, code: Connection
    ) -> None:
        altered(works, code, last_error=trouble)
        response = reports.ask(code, wait_seconds=0)
        assert code_of(response) == (503, expected)
        assert response.json()["because"] == trouble
        assert "has to mend" in response.json()["detail"].replace("\n", " ")
        assert int(response["Retry-After"]) >= 60


class TestANewLink:
    @pytest.mark.parametrize(
        ("trouble", "words"),
        [
            ("reauthorization_required", "no longer accepts this credential"),
            ("grant_lost", "was lost on its way"),
            ("restored", "A restored backup is older"),
            ("subject_changed", "account"),
            ("", "`because` says why"),
        ],
    )
    def test_is_asked_for_with_its_cause_and_never_called_withdrawn(
        self, trouble: str, words: str, reports: Service, works: Works, code: Connection
    ) -> None:
        altered(works, code, state="needs_reauthorization", last_error=trouble)
        body = reports.ask(code).json()
        assert body["code"] == "needs_link" and words in body["detail"]
        assert "withdrew" not in body["detail"] and body.get("because", "") == trouble
        assert body["relink_url"] == body["page_url"]

    def test_is_asked_for_without_a_credential(
        self, reports: Service, works: Works, code: Connection
    ) -> None:
        with works.inside():
            code.credentials.update(replaced_at=clock.now())
        body = reports.ask(code).json()
        assert (body["code"], "holds no credential" in body["detail"]) == ("needs_link", True)


def test_paused_and_not_leasable_lead_to_the_page(
    reports: Service, works: Works, code: Connection
) -> None:
    altered(works, code, paused_at=clock.now())
    assert reports.ask(code).json()["page_url"].endswith(f"connections/{code.id}/")
    altered(works, code, paused_at=None)
    with works.inside():
        code.credentials.update(refreshable=False)
    assert reports.ask(code).json()["page_url"].endswith(f"connections/{code.id}/")


def test_who_may_not_use_it_reads_nothing_of_it(works: Works, code: Connection) -> None:
    altered(works, code, last_error="unavailable", suspect_since=clock.now())
    body = service(works, scopes=["connections:read"]).ask(code).json()
    assert body["code"] == "scope"
    assert not {"because", "suspect_since", "page_url"} & body.keys()
