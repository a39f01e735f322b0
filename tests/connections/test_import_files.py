"""Files as spreadsheets and other programs write them, row by row; no database is asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

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
    usual: dict[str, Any] = {"teams": {}, "default_team": None, "replaces": False}
    return Known(
        manifests={slug: each.manifest for slug, each in registry.connectors().items()},
        consumers=consumers,
        good_name=link_inputs.NAME,
        looks_secret=import_checks.looks_secret,
        base_url=lambda _, text: text.rstrip("/"),
        now=NOW,
        **usual | rest,
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


def consumer(name: str, base_url: str = "", connector: str = SERVER) -> KnownConsumer:
    names = frozenset({name.lower(), f"kx9q2vb7ztr4wm8y{name.lower()}"})
    return KnownConsumer(uuid4(), connector, names, name, base_url)


class TestWhichConsumer:
    GRANT = {"connector": SERVER, "name": "Own", "token": "at", "refresh_token": "rt"}
    A, B = consumer("a", "https://a.acme.dev/git"), consumer("b", "https://b.acme.dev")

    def test_a_refresh_token_goes_to_no_other_server(self) -> None:
        wrong = self.GRANT | {"base_url": "https://c.acme.dev/secret-part"}
        for named in ({}, {"consumer": "a"}):
            found = only([wrong | named], known(self.A))
            text = said(found, "consumer")
            assert "“a” belongs to https://a.acme.dev/git" in text and "c.acme.dev" in text
            assert "secret-part" not in text and not found.secrets and not found.consumer_id
        other = only([self.GRANT | {"base_url": self.B.base_url, "consumer": "A"}],
                     known(self.A, self.B))  # fmt: skip
        assert "b.acme.dev" in said(other, "consumer") and not other.can_be_imported

    @pytest.mark.parametrize(
        ("row", "taken"),
        [
            ({"base_url": "https://b.acme.dev/"}, B),
            ({"consumer": "B"}, B),
            ({"consumer": "KX9q2vb7ztr4wm8yA"}, A),
        ],
    )
    def test_the_server_tells_the_consumer_and_the_consumer_its_server(
        self, row: dict[str, str], taken: KnownConsumer
    ) -> None:
        by = known(self.A, self.B, teams={"x": UUID(int=1)})
        found = only([self.GRANT | {"team": "x"} | row], by)
        assert (found.consumer_id, found.fields["base_url"]) == (taken.id, taken.base_url)
        assert found.can_be_imported and found.secrets

    def test_where_nothing_tells_it_is_asked(self) -> None:
        assert "Name the OAuth" in said(only([self.GRANT], known(self.A, self.B)), "consumer")
        cloud = self.GRANT | {"connector": CLOUD}
        assert "Name the OAuth" in said(only([cloud], known(self.A)), "consumer")
