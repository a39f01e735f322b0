"""Abuse cases P: whatever the vendor answers, no connection is lost and every trouble has a name.

Each row meets the token endpoint, the account endpoint and a list, through the flows and a worker.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections.errors import VendorError
from connections.models import Verification
from tests.abuse.bench import ACCOUNT, LIST, TOKEN, Bench

LONGEST_SECONDS = 12.0


def row(name: str, kind: str, **options: Any) -> Any:
    return pytest.param({"kind": kind, **options}, id=name)


def lie(name: str, which: str) -> Any:
    return row(name, "body", lie=which)


UNREADABLE = [
    row("P01", "html"),
    row("P03-200", "empty"),
    row("P03-204", "empty", status=204),
    row("P04", "cut"),
    *(lie(f"P07-{kind}", kind) for kind in ("array", "string", "number", "null", "true")),
    lie("P08", "duplicate_keys"),
    lie("P09-nan", "nan"),
    lie("P09-digits", "giant_number"),
    lie("P10", "deep"),
    row("P23", "status", status=403, text="<h1>Forbidden</h1>", content_type="text/html"),
    *(row(f"P26-{s}", "status", status=s) for s in (500, 502, 503, 504, 520, 530)),
    *(row(f"P27-{s}", "redirect", status=s) for s in (301, 302, 303, 307, 308)),
    row("P34-length", "huge"),
    row("P34-chunked", "huge", chunked=True),
    row("P35-gzip", "gzip_bomb", mebibytes=64),
    row("P35-deflate", "gzip_bomb", mebibytes=64, encoding="deflate"),
    row("P36", "headers", headers={"Content-Encoding": "snappy"}),
    row("P37-count", "headers", count=10_000),
    row("P37-size", "headers", size=1024 * 1024),
    row("P-bom-and-noise", "body", text="\ufeff\ufeff{}", content_type="application/json"),
    row("P-form-encoded", "body", text="access_token=a&token_type=bearer"),
    row("P-two-objects", "body", text='{"access_token": "a"}{"access_token": "b"}'),
    row("P-empty-object", "body", text="{}"),
    row("P-nulls", "body", body={"access_token": None, "uuid": None, "values": None}),
    row("P-objects", "body", body={"access_token": {}, "uuid": {}, "values": {}, "error": {}}),
    row("P-error-in-200", "body", body={"type": "error", "error": {"message": "no"}}),
    row("P26-599", "status", status=599, text=""),
    row("reset", "reset"),
]


@pytest.mark.parametrize("fault", UNREADABLE)
class TestNothingToRead:
    def test_at_the_token_endpoint(self, fault: dict[str, Any], bench: Bench) -> None:
        version = bench.credential.version
        began = time.monotonic()
        with bench.answering(TOKEN, **fault), pytest.raises(VendorError) as caught:
            bench.renew()
        assert caught.value.retry, caught.value
        assert time.monotonic() - began < LONGEST_SECONDS
        assert bench.credential.version == version
        assert "elsewhere.example/" not in str(caught.value)
        bench.is_well()

        bench.renew()  # a spent token's successor is still to be had within the grace
        assert bench.credential.version > version

    def test_at_the_account_and_in_a_list(self, fault: dict[str, Any], bench: Bench) -> None:
        began = time.monotonic()
        for place in (ACCOUNT, LIST):
            with bench.answering(place, **fault):
                asked = bench.verify()
            assert asked.outcome != Verification.Outcome.PASSED
            bench.is_well()
        assert time.monotonic() - began < 2 * LONGEST_SECONDS
        assert bench.verify().outcome == Verification.Outcome.PASSED
        assert bench.connection.last_error == ""


HARMLESS = [
    row("P05", "headers", headers={"Content-Type": None}),
    row("P38", "headers", headers={"Set-Cookie": "vendor=1; Path=/"}),
    row("P39-ahead", "headers", headers={"Date": "Sat, 21 Nov 2048 03:00:00 GMT"}),
    row("P39-behind", "headers", headers={"Date": "Thu, 01 Jan 1998 00:00:00 GMT"}),
    row(
        "P51-missing", "headers", headers={"X-RateLimit-Limit": None, "X-RateLimit-NearLimit": None}
    ),
    row("P51-odd", "headers", headers={"X-RateLimit-Limit": "-1", "X-RateLimit-Remaining": "NaN"}),
]


@pytest.mark.parametrize("fault", HARMLESS)
def test_what_is_odd_but_readable_is_read(fault: dict[str, Any], bench: Bench) -> None:
    with bench.answering("* /*", **fault):
        before = timezone.now()
        bench.renew()
        assert bench.verify().outcome == Verification.Outcome.PASSED
    life = bench.credential.expires_at - before  # type: ignore[operator]
    assert timedelta(minutes=110) < life < timedelta(minutes=125), "by our own clock"
    bench.is_well()
