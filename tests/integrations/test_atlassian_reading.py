"""What the rooms of Atlassian's cloud make of answers, without a vendor: errors, sites, pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connections.contracts import Answer, Ask, Container, WorkspaceRecord
from connections.errors import (
    AccessDenied,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    ScopeMissing,
    Unavailable,
    UnexpectedResponse,
)
from integrations import atlassian, atlassian_sites
from integrations.confluence import CONNECTOR as CONFLUENCE, client as confluence
from integrations.jira import CONNECTOR as JIRA, client as jira

ROOMS = Path(__file__).parents[2] / "integrations"
ACME = WorkspaceRecord("5c1d6a52-0000-4000-8000-000000000001", "acme", "Acme", "https://a.example")


def fixture(name: str) -> Any:
    return json.loads((ROOMS / name).read_text())


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    text = "" if body is not None else "<html>sign in</html>"
    return Answer(status, named, body, "GET /rest/api/3/myself", 0.1, text)


class Canned:
    """An Api that gives one body to every question, and keeps the paths."""

    def __init__(self, body: object) -> None:
        self.body, self.paths = body, []

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
        self.paths.append(path)
        return answer(self.body)

    def send(self, method: str, path: str, body: object, **_: object) -> Answer:
        raise AssertionError("nothing is written")


class TestErrors:
    @pytest.mark.parametrize(
        ("room", "name", "status", "kind", "said"),
        [
            ("jira", "error__messages", 404, RemoteGone, "Issue does not exist"),
            ("jira", "error__fields", 400, Refused, "query: The query parameter"),
            ("jira", "error__gateway", 401, ReauthorizationRequired, "Unauthorized"),
            ("jira", "error__scope", 401, ScopeMissing, "scope does not match"),
            ("confluence", "error__v1", 403, AccessDenied, "Not authorized"),
            ("confluence", "error__v2", 404, RemoteGone, "Page not found"),
        ],
    )
    def test_the_vendors_own_sentence_is_kept(self, room, name, status, kind, said):
        body = fixture(f"{room}/fixtures/{name}.json")

        error = atlassian.judge(answer(body, status))

        assert type(error) is kind and said in error.detail and error.status == status

    def test_a_missing_scope_is_known_by_its_header_too(self):
        told = answer({"code": 401}, 401, x_failure_category="FAILURE_CLIENT_SCOPE_CHECK")

        assert isinstance(atlassian.judge(told), ScopeMissing)

    def test_p23_a_403_without_json_passes(self):
        assert isinstance(atlassian.judge(answer(None, 403)), Unavailable)

    def test_p01_a_login_page_is_no_success(self):
        assert isinstance(atlassian.judge(answer(None)), UnexpectedResponse)

    def test_p24_a_limit_says_when_to_come_back(self):
        error = atlassian.judge(answer({}, 429, retry_after="7"))

        assert isinstance(error, RateLimited) and error.retry_after_seconds == 7


class TestBudget:
    @pytest.mark.parametrize(
        ("headers", "limit", "remaining"),
        [
            ({"x-ratelimit-limit": "65000", "x-ratelimit-remaining": "64000"}, 65_000, 64_000),
            (
                {
                    "x-ratelimit-limit": "100",
                    "x-ratelimit-remaining": "0",
                    "ratelimit-reason": "jira-burst-based",
                },
                None,
                None,
            ),
            (
                {"x-ratelimit-limit": "20", "ratelimit-reason": "jira-per-issue-on-write"},
                None,
                None,
            ),
            ({"x-ratelimit-limit": "-1", "x-ratelimit-remaining": "many"}, None, None),
            ({}, None, None),
        ],
    )
    def test_p51_points_are_the_hours_and_a_burst_is_no_budget(self, headers, limit, remaining):
        told = Answer(200, headers, {}, "GET /x", 0.1)

        rate = JIRA.rate(told)

        assert (rate.limit, rate.remaining, rate.resets_in_seconds) == (limit, remaining, None)
        assert rate.resource == headers.get("ratelimit-reason", "")

    @pytest.mark.parametrize(
        ("said", "seconds"),
        [
            ("2026-11-22T11:00:00Z", 120),
            ("2026-11-22T09:00:00Z", 0),
            ("2027-11-22T11:00:00Z", 3600),
            ("soon", None),
            ("99999-01-01", None),
        ],
    )
    def test_the_hour_ends_when_jira_says(self, said, seconds):
        headers = {"x_ratelimit_reset": said, "date": "Sun, 22 Nov 2026 10:58:00 GMT"}
        assert JIRA.rate(answer({}, **headers)).resets_in_seconds == seconds
        burst = answer({}, ratelimit_reason="jira-burst-based", **headers)
        assert JIRA.rate(burst).resets_in_seconds is None


class TestSites:
    def test_a_site_is_told_apart_by_scopes_and_listed_once(self):
        api = Canned(fixture("jira/fixtures/accessible_resources.json"))

        jira_sites = atlassian_sites.sites(api, "jira")
        confluence_sites = atlassian_sites.sites(api, "confluence")

        assert [r.slug for r in jira_sites.records] == ["acme", "fjord"]
        assert [r.slug for r in confluence_sites.records] == ["acme"]
        assert [r.reason for r in jira_sites.rejected] == ["id is missing"]

    def test_a_token_of_one_site_leads_to_no_other(self):
        """Keys of issues and spaces are the same at many sites."""
        assert atlassian.at({}, "jira", ACME.remote_id, "x") == f"ex/jira/{ACME.remote_id}/x"
        assert atlassian.at({"cloud_id": ACME.remote_id}, "jira", ACME.remote_id, "x") == "x"
        with pytest.raises(RemoteGone, match="another site"):
            atlassian.at({"cloud_id": "of-fjord"}, "jira", ACME.remote_id, "x")

    def test_rights_are_said_site_by_site(self):
        api = Canned(fixture("jira/fixtures/accessible_resources.json"))
        known = list(atlassian_sites.sites(api, "jira").records)

        rights = atlassian_sites.rights(api, "jira", known)

        assert {each.slug: each.scopes for each in rights} == {
            "acme": {"read:me", "read:jira-work", "write:jira-work", "read:jira-user"},
            "fjord": {"read:me", "read:jira-work"},
        }

    @pytest.mark.parametrize("body", [{}, None, "x", 5])
    def test_p07_what_is_no_list_is_refused(self, body):
        with pytest.raises(UnexpectedResponse):
            atlassian_sites.sites(Canned(body), "jira")

    @pytest.mark.parametrize(
        ("scope", "product"),
        [
            ("read:jira-work", "jira"),
            ("write:dev-info:jira", "jira"),
            ("read:confluence-space.summary", "confluence"),
            ("search:confluence", "confluence"),
            ("readonly:content.attachment:confluence", "confluence"),
            ("read:me", ""),
            ("offline_access", ""),
        ],
    )
    def test_each_scope_belongs_to_one_product(self, scope, product):
        of = [p for p in ("jira", "confluence", "") if atlassian_sites.is_of(p, scope)]

        assert of == [product]


class TestPages:
    def test_projects_are_counted_on_and_not_followed(self):
        api = Canned(fixture("jira/fixtures/projects__page.json"))

        page = jira.projects(api, Container(ACME), {}, Ask())
        jira.projects(api, Container(ACME), {"cloud_id": ACME.remote_id}, Ask(page.checkpoint))

        assert [(r.remote_id, r.key, r.private) for r in page.records] == [
            ("10001", "PAY", False),
            ("10002", "OPS", True),
        ]
        assert page.checkpoint == "2" and page.total == 3
        assert api.paths[0].startswith(f"ex/jira/{ACME.remote_id}/rest/api/3/project/search?")
        assert api.paths[1].startswith("rest/api/3/project/search?") and "startAt=2" in api.paths[1]

    def test_p42_bad_projects_are_set_aside(self):
        api = Canned(fixture("jira/fixtures/projects__bad_items.json"))

        page = jira.projects(api, Container(ACME), {}, Ask())

        assert [r.key for r in page.records] == ["PAY"] and len(page.rejected) == 3

    def test_spaces_go_on_by_the_cursor_alone(self):
        api = Canned(fixture("confluence/fixtures/spaces__page.json"))

        page = confluence.spaces(api, Container(ACME), {}, Ask())
        confluence.spaces(api, Container(ACME), {}, Ask(page.checkpoint))

        assert [(r.remote_id, r.key) for r in page.records] == [
            ("65538", "ENG"),
            ("65540", "operations"),
        ]
        assert page.records[0].url == "https://a.example/wiki/spaces/ENG"
        assert page.checkpoint == "eyJpZCI6IjY1NTQwIn0="
        assert api.paths[1].endswith("&cursor=eyJpZCI6IjY1NTQwIn0%3D")

    @pytest.mark.parametrize(
        "link", [5, "/wiki/api/v2/spaces", "/x?cursor=", "/x?cursor=a&cursor=b"]
    )
    def test_p44_a_link_without_one_cursor_is_refused(self, link):
        api = Canned({"results": [], "_links": {"next": link}})

        with pytest.raises(UnexpectedResponse):
            confluence.spaces(api, Container(ACME), {}, Ask())

    def test_p42_bad_spaces_are_set_aside(self):
        api = Canned(fixture("confluence/fixtures/spaces__bad_items.json"))

        page = confluence.spaces(api, Container(ACME), {}, Ask())

        assert [r.key for r in page.records] == ["ENG"] and len(page.rejected) == 3


class TestAccounts:
    @pytest.mark.parametrize(
        ("name", "account_name", "kind"),
        [
            ("jira/fixtures/me.json", "Dana Reyes", "user"),
            ("jira/fixtures/myself.json", "Dana Reyes", "user"),
            ("confluence/fixtures/user_current.json", "Portal Bot", "app"),
        ],
    )
    def test_one_account_whoever_says_it(self, name, account_name, kind):
        account = atlassian.account(fixture(name))

        assert account.remote_id == "712020:11111111-2222-4333-8444-555555555555"
        assert (account.name, account.kind) == (account_name, kind)

    @pytest.mark.parametrize("connector", [JIRA, CONFLUENCE], ids=["jira", "confluence"])
    @pytest.mark.parametrize(
        ("key", "says"),
        [
            ("classic-token", "choose “API token with scopes”"),
            ("scoped-token", "choose “API token without scopes”"),
        ],
    )
    def test_a_token_at_the_wrong_address_is_told_where_it_belongs(self, connector, key, says):
        class Refusing(Canned):
            def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
                raise ReauthorizationRequired("Client must be authenticated.", status=401)

        method = connector.manifest.method(key)
        fields: Mapping[str, str] = {"site": "acme", "cloud_id": ACME.remote_id}

        with pytest.raises(ReauthorizationRequired, match=says):
            connector.identify(Refusing(None), fields, method)
