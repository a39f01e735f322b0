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
from connections.imports.findings import FileRefused
from connections.imports.judging import judge
from connections.imports.known import Judged, Known, KnownConsumer
from connections.moments import bounded
from portal.fields import is_known_token
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
        is_token=is_known_token,
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
    names = frozenset({name.lower(), f"kx9q2vb7ztr4wm8yn3hd6fjp{name.lower()}"})
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
            ({"consumer": "KX9q2vb7ztr4wm8yN3hD6fjpA"}, A),
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

    def test_what_was_chosen_for_the_file_or_said_by_its_program_is_used(self) -> None:
        by = known(self.A, self.B, consumer_id=self.B.id)
        assert only([self.GRANT], by).consumer_id == self.B.id
        assert only([self.GRANT | {"consumer": "a"}], by).consumer_id == self.A.id
        cloud = [consumer(name, connector=CLOUD) for name in ("one", "my-bb")]
        found = only([nango()], known(*cloud))
        assert found.consumer_id == cloud[1].id and not said(found, "consumer", "warning")
        override = {"config_override": {"client_id": "unknown", "client_secret": "never-read"}}
        other = only([nango(**override)], known(cloud[1]))
        assert "Name the OAuth" in said(other, "consumer") and "never-read" not in repr(other)


def nango(kind: str = "OAUTH2", *, about: dict[str, Any] | None = None, **held: Any) -> Any:
    """A connection as Nango's API gives it."""
    tokens = {"OAUTH2": {"access_token": "at", "refresh_token": "rt", "raw": {"a": [1]}}}
    return {
        "id": 18393,
        "provider_config_key": "my-bb",
        "connection_id": "c1",
        "provider": "bitbucket",
        "credentials": {"type": kind, **tokens.get(kind, {}), **held},
        "connection_config": {},
        "metadata": {"a": {"b": 1}},
    } | (about or {})


class TestJson:
    LIST = [ONE, ONE | {"name": "Two"}]

    @pytest.mark.parametrize(
        "text",
        [
            json.dumps(LIST),
            json.dumps({"connections": LIST}),
            json.dumps({"connections": LIST, "pagination": {"next": None, "of": [1]}}),
            json.dumps({"pagination": {"next": None}, "connections": LIST}, indent=2),
            json.dumps({"data": LIST}, indent=1),
            "\n".join(map(json.dumps, LIST)),
            "\r\n\r\n".join(json.dumps(each, indent=2) for each in LIST),
            " " * 5000 + json.dumps(LIST),
            "\ufeff" + json.dumps(LIST),
        ],
    )  # fmt: skip
    def test_a_list_is_found_wherever_it_stands(self, text: str) -> None:
        found = rows(text)
        assert [(each.number, each.values["name"]) for each in found] == [(1, "Shop"), (2, "Two")]
        assert all(each.secrets == {"token": TOKEN} for each in found)

    @pytest.mark.parametrize("indent", [None, 2])
    def test_one_alone_is_an_item(self, indent: int | None) -> None:
        one, other = json.dumps(ONE, indent=indent), json.dumps(nango(), indent=indent)
        assert only(one).name == "Shop" and only(other).name == "c1"

    @pytest.mark.parametrize(
        "text",
        [
            '[{"name":"a","name":"b"}]', '{"name":"a","name":"b"}', '{"data":[],"data":[]}',
            '[{}', "[{},]", "[{}] x", '{"data":[{}]', '{"data":[{}]} x', '{"a":1,}', "{1:2}",
            '{"a" 1}', '[{"a":NaN}]', '{"a":NaN}', "[" * 100_000, '{"a":' * 100_000,
            "{", '{"a', '{"data": [{}}', f'[{{"a":{"9" * 5000}}}]',
        ],
    )  # fmt: skip
    def test_what_is_no_json_is_refused(self, text: str) -> None:
        with pytest.raises(FileRefused, match="not JSON from its"):
            rows(text)

    def test_a_line_ends_at_its_line_feed_only(self) -> None:
        parted = "before\u2028and\u0085after"
        lines = "\n".join(
            json.dumps(ONE | {"name": name, "description": parted}, ensure_ascii=False)
            for name in ("A", "B")
        )
        assert [row.name for row in judged(lines)] == ["A", "B"]

    @pytest.mark.parametrize("field", ["token", "description", "name", "team", "labels", "\ud800"])
    @pytest.mark.parametrize("shape", ["[%s]", "%s"])
    def test_half_a_letter_is_an_error_of_its_row(self, field: str, shape: str) -> None:
        found = only(shape % json.dumps(ONE | {field: "x\ud800y"}))
        assert "half a letter" in said(found, "") and not found.secrets and not found.name
        assert only([ONE | {"description": "\U0001f600"}]).secrets  # two halves are a whole

    @pytest.mark.parametrize(
        "item",
        [
            ONE | {"secret": "other"},
            {"secret": "other"} | ONE,
            {**ONE, "credential": {"token": "other"}},
            {**ONE, "Password": 7},
        ],
    )
    def test_two_keys_of_one_meaning_are_an_error(self, item: dict[str, Any]) -> None:
        found = only([item])
        assert "Two keys of this item mean “token”" in said(found, "token") and not found.secrets

    def test_a_key_without_a_value_is_none(self) -> None:
        found = only([ONE | {"secret": None, "password": "", "title": " ", "tags": []}])
        assert found.secrets["token"].reveal() == TOKEN and found.level == "ok"


class TestNango:
    @pytest.mark.parametrize(
        "item",
        [
            nango(about={"credentials": {}}), nango("NONE"), nango("API_KEY"),
            {k: v for k, v in nango().items() if k != "credentials"},
        ],
    )  # fmt: skip
    def test_where_no_secret_is_it_says_so(self, item: dict[str, Any]) -> None:
        found = only([item])
        assert "no secret in it" in said(found, "token")
        assert [f.level for f in found.findings] == ["error"]

    @pytest.mark.parametrize("kind", ["OAUTH1", "OAUTH2_CC", "APP_STORE", "TABLEAU", "CUSTOM"])
    def test_what_cannot_be_moved_says_so(self, kind: str) -> None:
        found = only([nango(kind, token="t", client_secret="s")])
        assert f"{kind} credentials cannot be moved" in said(found, "method")
        assert "this kind cannot be moved" in said(only([nango(TOKEN, token="t")]), "method")
        assert TOKEN not in repr(only([nango(TOKEN, token="t")]))

    @pytest.mark.parametrize("where", ["connection_config", "metadata"])
    @pytest.mark.parametrize(
        ("places", "method"),
        [
            ({"email": "p@acme.example"}, "api-token"),
            ({"workspace": "acme", "repository": "web"}, "repository-token"),
        ],
    )
    def test_a_key_of_the_cloud_finds_whose_it_is_beside_it(
        self, where: str, places: dict[str, str], method: str
    ) -> None:
        found = only([nango("API_KEY", apiKey="x" * 30, about={where: places})])
        assert (found.method, found.fields, found.level) == (method, places, "ok")

    def test_a_password_comes_with_its_user(self) -> None:
        found = only([nango("BASIC", username="p@acme.example", password=TOKEN)])
        assert found.fields == {"email": "p@acme.example"} and found.can_be_imported


class TestCsv:
    HEADER, ROW = "connector,name,email,description,token", f"{CLOUD},Shop,p@acme.example,,{TOKEN}"

    @pytest.mark.parametrize(
        "text",
        [
            f"{HEADER}\n{ROW}", f"{HEADER}\r{ROW}", f"{HEADER},,\r\n{ROW},,,\r\n,,,,,\r\n",
            f"sep=,\n{HEADER}\n{ROW}", f"\ufeffSEP=;\r\n{HEADER}\r\n{ROW}".replace(",", ";"),
            f'"sep=|"\n{HEADER}\n{ROW}'.replace(",", "|"), f"{HEADER}\n{ROW}".replace(",", "\t"),
        ],
    )  # fmt: skip
    def test_the_ways_of_spreadsheets_are_read(self, text: str) -> None:
        found = only(text)
        assert (found.number, found.name, found.level) == (2, "Shop", "ok")

    def test_lines_in_a_cell_are_no_error(self) -> None:
        text = f'{self.HEADER}\r\n{CLOUD},"The\r\nshop",p@acme.example,"one\r\ntwo\tthree",{TOKEN}'
        found = only(text)
        assert (found.name, found.description, found.level) == ("The shop", "one\ntwo three", "ok")

    def test_a_filled_cell_too_many_is_an_error_and_a_broken_line_is_named(self) -> None:
        found = only(f"{self.HEADER}\n{self.ROW},,x")
        assert "more cells" in said(found, "")
        with pytest.raises(FileRefused, match="Line 3 "):
            rows(f'sep=,\n{self.HEADER}\n{CLOUD},"a"b')
        bell = only(f"{self.HEADER}\n{self.ROW}".replace("Shop", "Sh\x07op"))
        assert "control characters" in said(bell, "name")
