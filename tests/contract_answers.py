"""Whatever a vendor answers, every connector names it: abuse cases P by their ids, at a list.

What is of token endpoints is in `tests/integrations/test_token_endpoints.py`, for all of them, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from connections.errors import (
    AccessDenied,
    Blocked,
    EndpointRemoved,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    Unavailable,
    UnexpectedResponse,
    VendorError,
)


def row(name: str, kind: str, **options: Any) -> Any:
    """A fault, under the id of its abuse case."""
    return pytest.param({"kind": kind, **options}, id=name)


def named(case: str, *lies: str) -> list[Any]:
    return [pytest.param(lie, id=f"{case}-{lie}") for lie in lies]


BROKEN = [
    row("P01", "html"),
    row("P03-200", "empty"),
    row("P03-204", "empty", status=204),
    row("P04", "cut"),
    row("reset", "reset"),
    row("P10", "body", lie="deep"),
    row("P33", "silent"),
    row("P34-length", "huge"),
    row("P34-chunked", "huge", chunked=True),
    row("P35-gzip", "gzip_bomb", mebibytes=64),
    row("P35-deflate", "gzip_bomb", mebibytes=64, encoding="deflate"),
    row("P36", "headers", headers={"Content-Encoding": "snappy"}),
    row("P37-count", "headers", count=10_000),
    row("P37-size", "headers", size=1024 * 1024),
]
HARMLESS = [
    row("P05", "headers", headers={"Content-Type": None}),
    row("P38", "headers", headers={"Set-Cookie": "vendor=1; Path=/"}),
    row("P51-odd", "headers", headers={"X-RateLimit-Limit": "-1", "X-RateLimit-Remaining": "NaN"}),
]


class AnswersContract:
    """The fixtures `spoil` and `fetch` are the connector's: a list, and how it is spoilt."""

    other_errors: ClassVar[Mapping[int, type[VendorError]]] = {}  # by status, of this vendor
    no_lies: ClassVar[frozenset[str]] = frozenset()  # what its answers have no place for

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (302, UnexpectedResponse),
            (400, Refused),
            (401, ReauthorizationRequired),
            (402, Refused),
            (403, AccessDenied),
            (404, RemoteGone),
            (408, Unavailable),
            (410, EndpointRemoved),
            (418, Refused),
            (425, Unavailable),
            (429, RateLimited),
            (451, AccessDenied),
            (500, Unavailable),
            (502, Unavailable),
            (503, Unavailable),
            (504, Unavailable),
            (522, Unavailable),
        ],
    )
    def test_every_status_becomes_the_right_error(self, spoil, fetch, status, kind):
        kind = self.other_errors.get(status, kind)
        spoil(kind="redirect" if status == 302 else "status", status=status)

        with pytest.raises(VendorError) as caught:
            fetch(None)

        assert type(caught.value) is kind
        assert caught.value.status == status
        assert "?" not in caught.value.request

    @pytest.mark.parametrize("fault", BROKEN)
    def test_a_broken_answer_is_named_and_bounded(self, spoil, fetch, fault):
        spoil(**fault)

        with pytest.raises((UnexpectedResponse, Unavailable)):
            fetch(None)

    @pytest.mark.parametrize("fault", HARMLESS)
    def test_what_is_odd_but_readable_is_read(self, spoil, fetch, fault):
        spoil(**fault)

        assert fetch(None).records

    def test_p23_a_refusal_in_html_says_nothing_of_the_credential(self, spoil, fetch):
        spoil(kind="status", status=403, text="<h1>Forbidden</h1>", content_type="text/html")

        with pytest.raises(VendorError) as caught:
            fetch(None)

        assert not isinstance(caught.value, ReauthorizationRequired)

    @pytest.mark.parametrize(
        ("said", "seconds"),
        [
            pytest.param("7", 7, id="P24-seconds"),
            pytest.param("-5", None, id="P24-negative"),
            pytest.param("315360000", 3600, id="P24-years"),
            pytest.param("soon", None, id="P24-garbage"),
            pytest.param(None, None, id="P25"),
        ],
    )
    def test_a_pause_that_is_asked_for_is_kept(self, spoil, fetch, said, seconds):
        spoil(kind="status", status=429, headers={"Retry-After": said} if said else {})

        with pytest.raises(RateLimited) as caught:
            fetch(None)

        assert caught.value.retry_after_seconds == seconds

    @pytest.mark.parametrize(
        "lie",
        [
            *named("P41", "values_missing", "values_null", "values_object", "next_number"),
            *named("P07", "array", "string", "number", "null", "true"),
            *named("P08", "duplicate_keys"),
            *named("P09", "nan", "giant_number"),
            *named("P49", "foreign_workspace"),
        ],
    )
    def test_a_lying_page_is_refused(self, spoil, fetch, lie):
        if lie in self.no_lies:
            pytest.skip("this vendor's answers have no place for it")
        spoil(kind="body", lie=lie)

        with pytest.raises(UnexpectedResponse):
            fetch(None)

    @pytest.mark.parametrize(
        "lie", ["wrong_types", "null_values", "no_uuid", "null_name", "strings_for_items"]
    )
    def test_p42_bad_items_are_set_aside(self, spoil, fetch, lie):
        spoil(kind="body", lie=lie)

        page = fetch(None)

        assert page.records and page.rejected

    def test_p42_more_than_we_keep_is_ignored(self, spoil, fetch):
        spoil(kind="body", lie="extra_fields")

        assert not fetch(None).rejected

    def test_p44_no_token_leaves_its_origin(self, spoil, fetch):
        spoil(kind="next_foreign")
        page = fetch(None)

        with pytest.raises(Blocked):
            fetch(page.checkpoint)
