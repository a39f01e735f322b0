"""Files as spreadsheets and other programs write them, row by row; no database is asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connections import registry
from connections.flows import import_checks, link_inputs
from connections.imports import reading
from connections.imports.columns import Raw
from connections.imports.judging import judge
from connections.imports.known import Judged, Known, KnownConsumer
from connections.moments import bounded
from tests.importing import CLOUD

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SERVER = "bitbucket-data-center"
TOKEN = "ATATT3xFfGF0aNeverGiven0001XyZ"
ONE = {"connector": CLOUD, "name": "Shop", "email": "p@acme.example", "token": TOKEN}


def known(*consumers: KnownConsumer, **rest: Any) -> Known:
    return Known(
        manifests={slug: each.manifest for slug, each in registry.connectors().items()},
        teams={},
        consumers=consumers,
        default_team=None,
        replaces=False,
        good_name=link_inputs.NAME,
        looks_secret=import_checks.looks_secret,
        base_url=lambda _, text: text.rstrip("/"),
        now=NOW,
        **rest,
    )


def rows(content: bytes | str) -> list[Raw]:
    content = content.encode() if isinstance(content, str) else content
    return list(reading.opened(content, list(known().manifests.values())).rows)


def judged(content: bytes | str, by: Known | None = None) -> list[Judged]:
    by = by or known()
    return [judge(raw, by) for raw in rows(content)]


def only(content: bytes | str | list[dict[str, Any]], by: Known | None = None) -> Judged:
    text = json.dumps(content) if isinstance(content, list) else content
    (found,) = judged(text, by)
    return found


def said(row: Judged, field: str, level: str = "error") -> str:
    """What was found wrong with this column."""
    return " ".join(f.text for f in row.findings if f.field == field and f.level == level)


class TestWhenItEnds:
    @pytest.mark.parametrize(
        "text",
        [
            "9999-12-31", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59Z", "2201-01-01",
            "0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "1999-12-30", "9999999999999",
        ],
    )  # fmt: skip
    def test_a_year_that_no_credential_lives_to_is_refused(self, text: str) -> None:
        found = only([ONE | {"expires_at": text}])

        assert "2000 to 2200" in said(found, "expires_at") and found.expires_at is None
        assert not found.secrets

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("2027-01-31", datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)),
            ("20270131", datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)),
            ("2027-01-31T12:00:00+01:00", datetime(2027, 1, 31, 11, tzinfo=UTC)),
            ("2200-12-31", datetime(2200, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("1799999999000", datetime(2027, 1, 15, 7, 59, 59, tzinfo=UTC)),
        ],
    )
    def test_a_day_ends_at_its_end_and_a_time_is_utc(self, text: str, at: datetime) -> None:
        assert only([ONE | {"expires_at": text}]).expires_at == at

    @pytest.mark.parametrize("text", ["never", "31.01.2027", "2027-02-30", "soon"])
    def test_what_is_no_day_says_how_to_write_one(self, text: str) -> None:
        assert "Write the day" in said(only([ONE | {"expires_at": text}]), "expires_at")

    def test_a_moment_that_zones_carry_over_an_end_of_time_is_none(self) -> None:
        ends = ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z")
        assert [bounded(datetime.fromisoformat(text)) for text in ends] == [None] * 3
