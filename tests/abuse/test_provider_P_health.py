"""Abuse cases P: what a token endpoint's words mean for the health of a connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections import lineage
from connections.errors import (
    Misconfigured,
    RateLimited,
    ReauthorizationRequired,
    Unavailable,
    VendorError,
)
from connections.models import Connection, Verification
from portal import clock, roles
from portal.models import Job
from tests.abuse.bench import ACCOUNT, LIST, TOKEN, Bench


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    """Time passes in one test only."""
    yield
    clock.reset()


def tokens(**fields: Any) -> dict[str, Any]:
    """A token answer that replaces the real one; the vendor does not act on the request."""
    body = {"access_token": "a" * 64, "token_type": "bearer", "expires_in": 7200, **fields}
    body = {name: value for name, value in body.items() if value is not ...}
    return {"kind": "body", "body": body, "takes_effect": False}


class TestTokens:
    @pytest.mark.parametrize("rotation", ["absent", "same", "rotate"])
    def test_P12_without_a_new_refresh_token_the_old_one_stays(
        self, rotation: str, bench: Bench
    ) -> None:
        bench.vendor.order("/switches", rotation=rotation)
        bench.renew()
        bench.renew()
        bench.vendor.order("/switches", rotation="rotate")
        assert bench.verify().outcome == Verification.Outcome.PASSED

    def test_P14_an_empty_refresh_token_is_none(self, bench: Bench) -> None:
        with bench.answering(TOKEN, **tokens(refresh_token="")):
            bench.renew()
        bench.renew()
        assert bench.verify().outcome == Verification.Outcome.PASSED

    @pytest.mark.parametrize(
        ("stated", "seconds"),
        [
            pytest.param(..., 300, id="P15-missing"),
            pytest.param(0, 0, id="P15-zero"),
            pytest.param(-1, 0, id="P15-negative"),
            pytest.param("3600", 3600, id="P15-text"),
            pytest.param(3600.5, 300, id="P15-fraction"),
            pytest.param("abc", 300, id="P15-word"),
            pytest.param(10**12, 86400, id="P15-endless"),
            pytest.param(True, 300, id="P15-true"),
            pytest.param([], 300, id="P15-list"),
        ],
    )
    def test_odd_lifetimes(self, stated: Any, seconds: int, bench: Bench) -> None:
        with bench.answering(TOKEN, **tokens(expires_in=stated)):
            bench.renew()
        until = bench.credential.expires_at
        assert until is not None
        assert abs(until - timezone.now() - timedelta(seconds=seconds)) < timedelta(seconds=10)
        bench.renew()
        bench.is_well()

    @pytest.mark.parametrize(
        ("kind", "fine"),
        [
            pytest.param(..., True, id="P16-missing"),
            pytest.param("Bearer", True, id="P16-bearer"),
            pytest.param("mac", False, id="P16-mac"),
            pytest.param(17, False, id="P16-number"),
        ],
    )
    def test_token_types(self, kind: Any, fine: bool, bench: Bench) -> None:
        version = bench.credential.version
        with bench.answering(TOKEN, **tokens(token_type=kind)):
            if fine:
                bench.renew()
            else:
                with pytest.raises(VendorError):
                    bench.renew()
        assert (bench.credential.version > version) is fine
        bench.renew()
        bench.is_well()

    def test_P18_a_token_of_another_account_is_refused(self, bench: Bench) -> None:
        bench.vendor.order("/grants/reassign", user="dana", to="rashid")
        with pytest.raises(ReauthorizationRequired):
            bench.renew()
        connection = bench.connection
        assert connection.state == Connection.State.NEEDS_REAUTHORIZATION
        assert connection.last_error == "subject_changed"

        bench.vendor.order("/grants/reassign", user="rashid", to="dana")
        assert bench.verify().outcome == Verification.Outcome.PASSED
        bench.is_well()


def said(status: int, error: str, description: str = "") -> dict[str, Any]:
    body = {"error": error, "error_description": description}
    return {"kind": "status", "status": status, "body": body}


class TestRefusals:
    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(said(400, "invalid_grant"), id="P19"),
            pytest.param(said(400, "invalid_request", "Invalid refresh_token"), id="P19-bitbucket"),
            pytest.param(said(403, "invalid_grant"), id="P22"),
        ],
    )
    def test_a_dead_grant_is_suspected_first(self, fault: dict[str, Any], bench: Bench) -> None:
        with bench.answering(TOKEN, **fault):
            with pytest.raises(ReauthorizationRequired):
                bench.renew()
            assert bench.verify().outcome == Verification.Outcome.FAILED
            assert bench.connection.state == Connection.State.ACTIVE
            assert bench.connection.suspect_since is not None
            for wait in (timedelta(seconds=75), timedelta(minutes=11)):  # two looks more
                assert bench.connection.state == Connection.State.ACTIVE
                clock.shift(wait)
                bench.verify()
        assert bench.connection.state == Connection.State.NEEDS_REAUTHORIZATION
        assert bench.verify().outcome == Verification.Outcome.PASSED
        bench.is_well()

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(said(401, "invalid_client"), id="P20-401"),
            pytest.param(said(400, "invalid_client"), id="P20-400"),
            pytest.param(said(400, "invalid_scope"), id="P21-scope"),
            pytest.param(said(400, "unauthorized_client"), id="P21-client"),
            pytest.param(said(400, "unsupported_grant_type"), id="P21-grant"),
        ],
    )
    def test_a_wrong_consumer_is_no_connections_fault(
        self, fault: dict[str, Any], bench: Bench
    ) -> None:
        with bench.answering(TOKEN, **fault):
            with pytest.raises(Misconfigured):
                bench.renew()
            bench.verify()
            bench.is_well()
            assert bench.connection.last_error == "misconfigured"
        assert bench.verify().outcome == Verification.Outcome.PASSED
        bench.is_well()

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            pytest.param(402, "refused", id="P48-402"),
            pytest.param(451, "access_denied", id="P48-451"),
            pytest.param(410, "endpoint_removed", id="P50"),
        ],
    )
    def test_a_plain_no_is_no_storm(self, status: int, error: str, bench: Bench) -> None:
        before = len(bench.vendor.requests())
        with bench.answering(ACCOUNT, kind="status", status=status):
            assert bench.verify().outcome == Verification.Outcome.FAILED
        assert len(bench.vendor.requests()) - before <= 3
        assert bench.connection.last_error == error
        bench.is_well()
        assert bench.verify().outcome == Verification.Outcome.PASSED


class TestWaiting:
    @pytest.mark.parametrize(
        ("header", "shortest", "longest"),
        [
            pytest.param("120", 115, 125, id="P24-seconds"),
            pytest.param("Sat, 21 Nov 2026 03:00:00 GMT", 1, 3600, id="P24-past-date"),
            pytest.param("Sat, 21 Nov 2048 03:00:00 GMT", 3590, 3605, id="P24-far-date"),
            pytest.param("-5", 1, 3600, id="P24-negative"),
            pytest.param("315360000", 3590, 3605, id="P24-ten-years"),
            pytest.param("soon", 1, 3600, id="P24-garbage"),
            pytest.param(None, 1, 3600, id="P25"),
        ],
    )
    @pytest.mark.parametrize("place", [ACCOUNT, LIST, TOKEN], ids=["account", "list", "token"])
    def test_the_vendors_hour_is_kept(
        self, place: str, header: str | None, shortest: int, longest: int, bench: Bench
    ) -> None:
        headers = {} if header is None else {"Retry-After": header}
        with bench.answering(place, kind="status", status=429, headers=headers):
            if place == TOKEN:
                with pytest.raises(RateLimited):
                    bench.renew()
            bench.verify()
            with roles.using_role("worker"), bench.works.inside():
                waiting = Job.objects.get(done_at=None)
            wait = (waiting.run_at - timezone.now()).total_seconds()
            assert shortest <= wait <= longest
            assert waiting.last_error == "rate_limited"
            bench.is_well()
        assert bench.verify().outcome == Verification.Outcome.PASSED

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param({"kind": "drip", "seconds": 0.2}, id="P32"),
            pytest.param({"kind": "silent", "seconds": 30}, id="P33"),
        ],
    )
    def test_a_slow_answer_ends_at_the_deadline(
        self, fault: dict[str, Any], bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lineage, "DEADLINE_SECONDS", 1.0)  # forty seconds would be long
        began = time.monotonic()
        with bench.answering(TOKEN, **fault), pytest.raises(Unavailable):
            bench.renew()
        assert time.monotonic() - began < 3
        bench.is_well()
        bench.renew()
