"""Spacelift's answers become records; each fixture is read, and what the README prints is so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connections.contracts import Answer
from connections.errors import AccessDenied, ReauthorizationRequired, VendorError
from integrations.spacelift import CONNECTOR, operations, reading
from tests.probe_table import printed, table

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "integrations/spacelift"
METHOD = CONNECTOR.manifest.method("api-key")
FIELDS = {"base_url": "https://acme.app.spacelift.io", "key_id": "01J8Q0000000000000000000AA"}
STRANGER = {"data": {"viewer": None}}


def fixture(name: str) -> Any:
    return json.loads((ROOM / "fixtures" / f"{name}.json").read_text())


class Said:
    """An Api that was told what to answer to which operation, and notes what was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers, self.asked = dict(answers), []  # type: ignore[var-annotated]

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
        raise AssertionError("nothing is got here")

    def send(
        self, method: str, path: str, body: Any, *, accept: frozenset[int] = frozenset()
    ) -> Answer:
        assert (method, path) == ("POST", "graphql")
        self.asked.append(body)
        said = self.answers[body["query"]]
        return Answer(200, {"date": "Mon, 21 Sep 2026 13:13:20 GMT"}, said, "POST /graphql", 0.1)


def test_an_exchange_is_read_by_the_answers_own_clock() -> None:
    api = Said({operations.EXCHANGE: fixture("exchange__made")})

    answer = CONNECTOR.exchange(api, FIELDS, METHOD, "s" * 64)

    assert answer.access_token.startswith("eyJ")
    assert answer.expires_in_seconds == 1_790_000_000 - 1_789_996_400
    assert api.asked[0]["variables"] == {"id": FIELDS["key_id"], "secret": "s" * 64}
    assert "s" * 64 not in api.asked[0]["query"]


def test_a_pair_that_does_not_fit_is_null() -> None:
    with pytest.raises(ReauthorizationRequired):
        CONNECTOR.exchange(
            Said({operations.EXCHANGE: fixture("exchange__wrong_pair")}), FIELDS, METHOD, "s" * 64
        )


def test_an_administrators_key_tells_its_end() -> None:
    found = CONNECTOR.identify(
        Said({operations.IDENTITY: fixture("identity__administrator")}), FIELDS, METHOD
    )

    assert (found.account.name, found.account.url) == ("Portal", FIELDS["base_url"])
    assert found.expires_at == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)


def test_what_a_small_role_may_not_see_of_itself_is_no_refusal() -> None:
    found = CONNECTOR.identify(
        Said({operations.IDENTITY: fixture("identity__small_role")}), FIELDS, METHOD
    )

    assert (found.account.name, found.expires_at) == ("Reader", None)


def test_a_stranger_is_nobody() -> None:
    with pytest.raises(ReauthorizationRequired):
        CONNECTOR.identify(
            Said({operations.IDENTITY: fixture("identity__stranger")}), FIELDS, METHOD
        )


def test_a_page_of_spaces_leads_on_by_its_cursor() -> None:
    api = Said({operations.SPACES: fixture("spaces__page")})

    page = CONNECTOR.workspaces(api, FIELDS, METHOD, None)

    assert [(s.slug, s.name, s.administrator) for s in page.records] == [
        ("root", "root", False),
        ("payments-01J8K2", "Payments", True),
        ("platform-01J8K4", "Platform & <Reliability>", False),
    ]
    assert page.checkpoint == "b3BhcXVl"
    CONNECTOR.workspaces(api, FIELDS, METHOD, None)
    assert api.asked[0]["variables"] == {"input": {"first": 50}}


def test_p42_bad_spaces_are_set_aside_with_their_reason() -> None:
    page = CONNECTOR.workspaces(
        Said({operations.SPACES: fixture("spaces__bad_items")}), FIELDS, METHOD, None
    )

    assert [record.slug for record in page.records] == ["good-01", "odd-level"]
    assert [one.reason for one in page.rejected] == [
        "id is malformed",
        "name is missing",
        *["the item is not an object"] * 3,
    ]
    assert page.rejected[1].remote_id == "no-name"


def test_rights_are_read_from_the_same_page_and_an_odd_level_is_none() -> None:
    told = CONNECTOR.rights(
        Said({operations.SPACES: fixture("spaces__bad_items")}), FIELDS, METHOD, ()
    )

    assert {each.slug: each.scopes for each in told} == {"good-01": {"WRITE"}, "odd-level": set()}


def test_where_no_space_says_a_level_nothing_is_known() -> None:
    mute = {"edges": [{"node": {"id": "a", "name": "A"}}], "pageInfo": {"hasNextPage": False}}

    api = Said({operations.SPACES: {"data": {"searchSpaces": mute}}})

    assert CONNECTOR.rights(api, FIELDS, METHOD, ()) is None


def test_an_older_schema_is_asked_in_the_older_way() -> None:
    api = Said(
        {
            operations.SPACES: fixture("error__no_such_field"),
            operations.ALL_SPACES: fixture("spaces__all_at_once"),
        }
    )

    page = CONNECTOR.workspaces(api, FIELDS, METHOD, None)

    assert [record.slug for record in page.records] == ["root", "legacy"]
    assert page.checkpoint is None


@pytest.mark.parametrize(
    ("viewer", "kind"),
    [({"viewer": {"id": "api::1"}}, AccessDenied), ({"viewer": None}, ReauthorizationRequired)],
)
def test_unauthorized_is_told_apart_by_who_is_there(
    viewer: Mapping[str, Any], kind: type[VendorError]
) -> None:
    api = Said(
        {
            operations.SPACES: fixture("error__unauthorized"),
            operations.VIEWER: {"data": viewer},
        }
    )

    with pytest.raises(VendorError) as caught:
        CONNECTOR.workspaces(api, FIELDS, METHOD, None)

    assert type(caught.value) is kind


@pytest.mark.parametrize("seconds", [None, True, "1790000000", 0, -1, 2**63, 1.5, [], 10**400])
def test_an_end_that_is_none_is_none(seconds: object) -> None:
    assert reading.moment(seconds) is None


def test_every_fixture_is_read_above() -> None:
    text = Path(__file__).read_text()
    unread = [p.stem for p in (ROOM / "fixtures").iterdir() if f'"{p.stem}"' not in text]
    assert unread == []


def test_the_readme_prints_the_table_of_proofs() -> None:
    assert printed((ROOM / "README.md").read_text()) == table(CONNECTOR.manifest)
