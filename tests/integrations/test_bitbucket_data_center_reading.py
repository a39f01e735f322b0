"""Bitbucket Data Center's JSON becomes records: what is kept, set aside and refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connections.contracts import Answer, Api, Ask, Container, Page, WorkspaceRecord
from connections.errors import (
    AccessDenied,
    ReauthorizationRequired,
    RemoteGone,
    UnexpectedResponse,
    VendorError,
)
from integrations import bitbucket
from integrations.bitbucket_data_center import CONNECTOR, reading, sync, tokens
from tests.probe_table import printed, table

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "integrations/bitbucket_data_center/fixtures"
SAMPLES = ROOT.parent / "shared/samples/bitbucket-data-center/api"
README = (ROOT / "integrations/bitbucket_data_center/README.md").read_text()
PAY = WorkspaceRecord(remote_id="1", slug="PAY", name="Payments")


def raw(name: str, folder: Path = FIXTURES) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, {"x-ausername": "dlevi"} | headers, body, "GET /rest/api/x", 0.01)


class Recorded:
    """An Api that gives the same body to every question, and keeps what was asked."""

    def __init__(self, body: Any) -> None:
        self.body, self.asked = body, []

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
        self.asked.append(path)
        return answer(self.body)

    def send(
        self, method: str, path: str, body: object, *, accept: frozenset[int] = frozenset()
    ) -> Answer:
        self.asked.append((method, path, body))
        return answer(self.body)


def repositories(body: Any, workspace: WorkspaceRecord = PAY, at: str | None = None) -> Page:
    api: Api = Recorded(body)
    return sync.repositories(api, Container(workspace), {}, Ask(at))


def test_a_page_becomes_records_and_goes_on_where_it_says() -> None:
    page = repositories(raw("repositories__page"))

    billing, ledger = page.records
    assert (billing.remote_id, billing.full_name, billing.main_branch) == (
        "11",
        "PAY/billing-api",
        "main",
    )
    assert billing.private and not ledger.private and billing.workspace_remote_id == "1"
    assert billing.url.startswith("https://bitbucket.acme.example/bitbucket/projects/PAY/")
    assert page.checkpoint == "5", "two of five places were shown"


def test_bad_items_are_set_aside_and_the_rest_is_kept() -> None:
    page = repositories(raw("repositories__bad_items"))

    assert [record.remote_id for record in page.records] == ["11"]
    assert [rejected.remote_id for rejected in page.rejected] == ["", "13", "", "14"]


def test_another_project_s_page_is_refused() -> None:
    with pytest.raises(UnexpectedResponse, match="another project"):
        repositories(raw("repositories__another_project"))


@pytest.mark.parametrize(
    "ends",
    [
        {"isLastPage": False},
        {"isLastPage": False, "nextPageStart": None},
        {"isLastPage": False, "nextPageStart": 0},
        {"isLastPage": False, "nextPageStart": "25"},
        {"isLastPage": False, "nextPageStart": 2**40},
        {"isLastPage": "no"},
    ],
    ids=str,
)
def test_a_page_without_an_honest_end_is_refused(ends: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedResponse):
        repositories({"values": [], **ends})


def test_projects_members_and_people_are_read() -> None:
    projects = [reading.project(item) for item in raw("projects__page")["values"]]
    members = [reading.member(item) for item in raw("members__page")["values"]]

    assert [(p.slug, p.personal) for p in projects] == [
        ("PAY", False),
        ("~dlevi", True),
        ("WEB", False),
    ]
    assert [m.permission for m in members] == ["PROJECT_ADMIN", "PROJECT_READ"]
    assert reading.account(raw("user__person")).kind == "user"
    assert reading.account(raw("user__service")).kind == "app"


@pytest.mark.parametrize("name", ["token__made", "token__made_iso"])
def test_a_new_token_ends_on_its_day(name: str) -> None:
    api = Recorded({"token": "x", **raw(name)})

    made = tokens.make(api, "users/dlevi", name="portal-1", days=90, scopes=frozenset())

    assert made.expires_at and made.expires_at.date() == datetime(2027, 2, 19, tzinfo=UTC).date()
    assert api.asked == [
        (
            "PUT",
            "users/dlevi",
            {"name": "portal-1", "permissions": ["REPO_READ"], "expiryDays": 90},
        )
    ]


@pytest.mark.parametrize(
    ("name", "status", "user", "kind"),
    [
        ("error__no_project", 404, "dlevi", RemoteGone),
        ("error__not_permitted", 401, "dlevi", AccessDenied),
        ("error__not_permitted", 401, "", ReauthorizationRequired),
        ("error__wrong_password", 401, "anonymous", ReauthorizationRequired),
    ],
)
def test_errors_are_told_apart_by_whom_they_answer(
    name: str, status: int, user: str, kind: type[VendorError]
) -> None:
    found = CONNECTOR.judge(answer(raw(name), status, **{"x-ausername": user}))

    assert type(found) is kind and found.detail == raw(name)["errors"][0]["message"]


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded payloads are not here")
class TestRealPayloads:
    def test_lists_and_single_ones_are_read(self) -> None:
        mine = raw("goscm_repos", SAMPLES)
        first = mine["values"][0]
        workspace = reading.owner(first)
        page = repositories(mine, workspace)

        assert page.records and not page.rejected
        assert reading.repository(raw("goscm_repo", SAMPLES)).slug == "my-repo"
        assert reading.account(raw("goscm_user", SAMPLES)).name == "Jane Citizen"
        for name in ("goscm_branches", "goscm_commits", "goscm_prs", "goscm_webhooks"):
            assert bitbucket.items(answer(raw(name, SAMPLES)))

    def test_both_kinds_of_dates_and_the_envelope_of_errors(self) -> None:
        epoch = raw("goscm_prs", SAMPLES)["values"][0]["createdDate"]
        iso = raw("goscm_pr_iso_dates", SAMPLES)["createdDate"]

        assert reading.moment(epoch) and reading.moment(iso)
        found = CONNECTOR.judge(answer(raw("goscm_error", SAMPLES), 404))
        assert isinstance(found, RemoteGone) and found.detail == "Project dev does not exist."


class TestReadme:
    def test_its_table_of_probes_is_in_step(self) -> None:
        assert printed(README) == table(CONNECTOR.manifest), f"\n{table(CONNECTOR.manifest)}"

    def test_each_quirk_has_a_link(self) -> None:
        quirks = README.partition("## Quirks")[2].partition("\n## ")[0]
        lines = [line for line in quirks.splitlines() if line.startswith("- ")]

        assert len(lines) >= len(CONNECTOR.manifest.quirks)
        assert all("https://" in line for line in lines)

    def test_each_fixture_and_way_to_link_is_listed(self) -> None:
        for path in FIXTURES.iterdir():
            assert f"`{path.name}`" in README
        for method in CONNECTOR.manifest.methods:
            assert method.title in README
