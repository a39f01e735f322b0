"""The dry run of a file: everything is found at once, and nothing of a refused file stays."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied

from connections.flows import imports
from connections.flows.problems import FlowProblem
from connections.imports import documents
from connections.imports.findings import FileRefused
from connections.models import (
    ImportBatch,
    ImportRow,
)
from portal import clock, teams
from tests import importing as files
from tests.connections.test_importing import WRONG, only, row, sealed
from tests.connections.ways import a_team, hurry
from tests.importing import CLOUD, checked, csv_of, now, rows_of
from tests.vendor import Vendor
from tests.works import Works

State, Outcome = ImportBatch.State, ImportRow.Outcome


class TestTheDryRun:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "empty"),
            ("connector,name,token\nÿ".encode("utf-16"), "UTF-8"),
            (b"connector,name,token\nbitbucket-cloud,caf\xe9,x", "UTF-8"),
            (b"connector,name,token\n", "no connection"),
            (b"a,b\n1,2\n", "name the columns"),
            (b"connector,name,token,secret\n1,2,3,4\n", "Two columns"),
            (b'connector,name,token\na,"b,c\n', "not CSV"),
            (b'[{"connector": 1}, {]', "not JSON"),
            (b'{"connections": [{"a": 1, "a": 2}]}', "not JSON"),
        ],
    )
    def test_a_file_that_cannot_be_read_leaves_nothing(
        self, works: Works, content: bytes, says: str
    ) -> None:
        with pytest.raises(FlowProblem, match=says) as refusal:
            checked(works, content)

        assert refusal.value.field == "file"
        with works.inside():
            assert not ImportBatch.objects.exists()
        assert sealed(works) == (0, 0)

    def test_headers_are_understood_however_a_spreadsheet_writes_them(self, works: Works) -> None:
        text = "\ufeffProvider;Connection Name;E-Mail;Tags;API Token;Colour\r\n"
        text += f"Bitbucket;Shop;p@acme.example;a|b;{WRONG.format(1)};red\r\n"

        found = only(works, checked(works, text.encode()))

        assert (found.connector, found.method, found.name) == (CLOUD, "api-token", "Shop")
        assert (found.fields, found.labels) == ({"email": "p@acme.example"}, ["a", "b"])
        assert [f["text"] for f in found.findings] == [
            "Column 6 of the file is not used: its header is not one we know."
        ]

    def test_our_json_and_json_lines_say_the_same(self, works: Works) -> None:
        one = {"connector": CLOUD, "name": "Shop", "labels": ["a"],
               "fields": {"email": "p@acme.example"},
               "credential": {"token": WRONG.format(1)}}  # fmt: skip
        listed = json.dumps({"format": "portal-connections", "connections": [one]}, indent=1)
        line = json.dumps(one) + "\n"

        found = [only(works, checked(works, text.encode())) for text in (listed, line)]

        assert {(r.method, r.name, r.level, r.labels[0]) for r in found} == {
            ("api-token", "Shop", "ok", "a")
        }

    def test_what_looks_like_a_token_in_another_column_is_neither_kept_nor_shown(
        self, works: Works
    ) -> None:
        secret = WRONG.format(7)
        batch = checked(works, csv_of([row(1, description=secret, labels=secret, name=secret)]))

        found = only(works, batch)
        kept = json.dumps([found.findings, found.labels, found.description, found.name])
        assert found.outcome == Outcome.REFUSED and secret not in kept
        assert {f["field"] for f in found.findings} >= {"description", "labels", "name"}
        assert sealed(works) == (0, 0)

    def test_only_who_administers_may_and_a_foreign_team_is_none(self, works: Works) -> None:
        with pytest.raises(PermissionDenied):
            checked(works, csv_of([row(1)]), actor=works.alice)
        with pytest.raises(FlowProblem, match="teams"):
            checked(works, csv_of([row(1)]), team_id=uuid4())

    def test_a_team_that_an_old_import_names_can_be_removed(self, works: Works) -> None:
        team = a_team(works)
        batch = checked(works, csv_of([row(1)]), team_id=team)
        with works.inside():
            teams.remove_team(actor=works.admin, team_id=team)

        assert only(works, batch).team_id is None

    @pytest.mark.parametrize("begins", [b"[{}]", b"[{}],", b"[{}", b'{"connections"'])
    def test_a_file_of_blanks_is_refused_in_one_pass(self, begins: bytes) -> None:
        with pytest.raises(FileRefused, match="not JSON"):
            list(documents.rows(begins + b" " * 2_000_000 + b"x[", frozenset()))

    def test_a_file_may_name_more_new_servers_than_a_person_tries_by_hand(
        self, works: Works, vendor: Vendor
    ) -> None:
        rows = [
            row(n, connector="bitbucket-data-center", email="", team="Payments")
            | {"base_url": f"{vendor.url}/bitbucket{n}", "token": f"BBDC-{n:040}"}
            for n in range(12)
        ]
        a_team(works)
        batch = checked(works, csv_of(rows, (*files.COLUMNS, "base_url")))
        assert [r.findings for r in rows_of(works, batch) if r.level == "error"] == []

    def test_F03_the_same_upload_twice_is_one(self, works: Works) -> None:
        key = uuid4()
        one, again = (checked(works, csv_of([row(1)]), key=key) for _ in range(2))
        assert one.id == again.id

    def test_an_undecided_or_discarded_file_leaves_nothing_sealed(self, works: Works) -> None:
        kept, thrown = (checked(works, csv_of([row(n)])) for n in (1, 2))
        with works.inside():
            imports.discard(actor=works.admin, batch=thrown)
            ImportBatch.objects.filter(id=kept.id).update(expires_at=clock.now())
            with pytest.raises(FlowProblem, match="Upload it again"):
                imports.start(actor=works.admin, batch=kept, rotate_days=None)
        hurry(works)
        works.drain()

        assert {now(works, each.id).state for each in (kept, thrown)} == {State.DISCARDED}
        assert sealed(works) == (0, 0)
