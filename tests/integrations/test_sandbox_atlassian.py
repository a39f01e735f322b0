"""The sandbox's Atlassian keeps to the published schemas, to its tokens' lives and its limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from launcher.programs import VENDOR_ORIGINS

from integrations.sandbox import vendors
from integrations.sandbox.running import Sandbox
from tests.integrations.atlassian_client import ACME, API, CALLBACK, Atlassian
from tests.integrations.atlassian_documents import DEVELOPMENT, assert_documented


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(callbacks=[CALLBACK]) as running:
        yield running


@pytest.fixture
def atlassian(sandbox: Sandbox) -> Atlassian:
    client = Atlassian(sandbox)
    client.control("POST", "/reset")
    return Atlassian(sandbox)


def test_the_launcher_leads_to_the_same_addresses():
    origins = vendors.origins("http://127.0.0.1:8801")
    assert {real: f"http://{at}:8801" for real, at in VENDOR_ORIGINS.items()} == origins


# ── tokens ────────────────────────────────────────────────────────────────────────────────────


def test_a_spent_refresh_token_works_in_the_leeway_and_then_ends_the_family(atlassian):
    first = atlassian.grant()["refresh_token"]
    second, again = atlassian.refresh(first).json, atlassian.refresh(first).json
    assert len({first, second["refresh_token"], again["refresh_token"]}) == 3
    atlassian.control("POST", "/clock", advance=601)
    dead = atlassian.refresh(first)
    assert dead.status == 403
    assert dead.json["error"] == "invalid_grant"
    assert atlassian.refresh(second["refresh_token"]).status == 403
    written = [each["spends"] for each in atlassian.control("GET", "/atlassian/spends").json]
    assert [[how for _, how in one] for one in written] == [
        ["issued", "issued", "late"],
        ["refused"],
    ]


def test_a_wrong_secret_is_told_as_atlassian_tells_it(atlassian):
    app = atlassian.row("apps", "jira-portal")
    reply = atlassian.token(
        grant_type="refresh_token", client_id=app["key"], client_secret="x", refresh_token="y"
    )
    assert (reply.status, reply.json["error"]) == (401, "access_denied")


def test_a_site_is_listed_once_for_each_product(atlassian):
    headers = {"Authorization": f"Bearer {atlassian.grant('both-portal')['access_token']}"}
    found = atlassian.ask("GET", f"{API}/oauth/token/accessible-resources", headers).json
    assert [row["url"] for row in found].count(ACME) == 2


@pytest.mark.parametrize(
    ("name", "at_site", "at_gateway"),
    [
        ("dana-classic", 200, 401),
        ("dana-jira", 401, 200),
        ("dana-expired", 401, 401),
        ("bot-jira", 401, 200),
    ],
)
def test_each_token_works_where_it_belongs(atlassian, name, at_site, at_gateway):
    headers, me = atlassian.basic(name), "rest/api/3/myself"
    gateway = f"{API}/ex/jira/{atlassian.cloud_id}/{me}"
    assert atlassian.ask("GET", f"{ACME}/{me}", headers).status == at_site
    assert atlassian.ask("GET", gateway, headers).status == at_gateway


def test_consent_goes_back_to_the_registered_callback_alone(atlassian):
    app = atlassian.row("apps", "jira-portal")
    query = (
        f"audience=api.atlassian.com&client_id={app['key']}&scope=read:jira-work&state=s"
        "&response_type=code&prompt=consent&redirect_uri="
    )
    at = f"https://auth.atlassian.com/authorize?{query}"
    assert atlassian.ask("GET", at + app["callbacks"][0], {}).status == 200
    assert atlassian.ask("GET", f"{at}http://elsewhere.example/", {}).status == 400


# ── development information ───────────────────────────────────────────────────────────────────


def commit(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"c{number}", "issueKeys": ["PAY-1"], "updateSequenceId": 5, "message": "PAY-1",
        "author": {"email": "dana@acme.example"}, "fileCount": 1, "url": "https://x.example/c",
        "authorTimestamp": "2026-11-20T04:00:00Z", "displayId": f"c{number}", **more,
    }  # fmt: skip


def body(*commits: dict[str, Any], **more: Any) -> dict[str, Any]:
    repository = {
        "id": "r", "name": "r", "url": "https://x.example/r", "updateSequenceId": 5,
        "commits": list(commits),
    }  # fmt: skip
    return {"repositories": [repository], "properties": {"link": "7"}, **more}


def panel(atlassian: Atlassian, key: str = "PAY-1") -> Any:
    return atlassian.control("GET", f"/atlassian/panel?issue={key}").json


def test_a_stale_update_is_accepted_and_not_stored(atlassian):
    headers = atlassian.provider()
    atlassian.submit("devinfo", body(commit()), headers)
    stale = atlassian.submit("devinfo", body(commit(message="old", updateSequenceId=4)), headers)
    assert stale.json["acceptedDevinfoEntities"]["r"]["commits"] == ["c1"]
    assert [row["message"] for row in panel(atlassian)["commits"]] == ["PAY-1"]


def test_a_devinfo_answer_is_as_documented(atlassian):
    told = atlassian.submit("devinfo", body(commit()), atlassian.provider())
    assert_documented(DEVELOPMENT, "POST", "/rest/devinfo/0.10/bulk", 202, told.json)


def test_unknown_keys_and_bad_ids_are_told(atlassian):
    sent = body(commit(issueKeys=["NO-9", "PAY-1"]), commit(2, id="a/b"))
    told = atlassian.submit("devinfo", sent, atlassian.provider()).json
    assert told["unknownIssueKeys"] == ["NO-9"]
    assert [row["id"] for row in told["failedDevinfoEntities"]["r"]["commits"]] == ["a/b"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"repositories": []}, 400),
        (body(commit(), properties={"_x": "1"}), 400),
        (body(commit(), properties=dict.fromkeys("abcdef", "1")), 400),
        (body(commit(), commit()), 400),
        (body(commit(associations=[{"associationType": "issueKeys", "values": ["PAY-1"]}])), 400),
        (body(*map(commit, range(401))), 400),
        ({"repositories": [
            {**body(*map(commit, range(400)))["repositories"][0], "id": f"r{each}"}
            for each in range(3)
        ]}, 413),
    ],
)  # fmt: skip
def test_limits_of_a_whole_request_hold(atlassian, sent, status):
    assert atlassian.submit("devinfo", sent, atlassian.provider()).status == status


def test_deletion_heeds_the_sequence_and_properties(atlassian):
    headers = atlassian.provider()
    atlassian.submit("devinfo", body(commit()), headers)
    base = f"{API}/jira/devinfo/0.1/cloud/{atlassian.cloud_id}"
    one = f"{base}/repository/r/commit/c1?_updateSequenceId="
    atlassian.ask("DELETE", f"{one}4", headers)
    assert panel(atlassian)["commits"]
    atlassian.ask("DELETE", f"{one}5", headers)
    assert not panel(atlassian)["commits"]
    there = f"{base}/existsByProperties?link=7"
    assert atlassian.ask("GET", there, headers).json == {"hasDataMatchingProperties": True}
    assert atlassian.ask("DELETE", f"{base}/bulkByProperties?link=7", headers).status == 202
    assert atlassian.ask("GET", there, headers).json == {"hasDataMatchingProperties": False}


def test_builds_are_judged_singly_and_need_the_right_tick(atlassian):
    build = {
        "pipelineId": "p", "buildNumber": 1, "updateSequenceNumber": 1, "displayName": "b",
        "url": "https://x.example/b", "state": "successful", "issueKeys": ["PAY-1"],
        "lastUpdated": "2026-11-20T04:00:00Z",
    }  # fmt: skip
    sent = {"builds": [build, {**build, "buildNumber": 2, "url": None},
                       {**build, "buildNumber": 3, "issueKeys": ["NO-1"]}]}  # fmt: skip
    told = atlassian.submit("builds", sent, atlassian.provider("acme-builds")).json
    assert [row["errors"][0]["message"] for row in told["rejectedBuilds"]] == [
        "'url' is required", "No valid issues found for build",
    ]  # fmt: skip
    assert (
        atlassian.submit("devinfo", body(commit()), atlassian.provider("acme-builds")).status == 403
    )
    assert_documented(DEVELOPMENT, "POST", "/rest/builds/0.1/bulk", 202, told)


def test_a_spent_hour_is_told_with_reason_and_patience(atlassian):
    atlassian.control("POST", "/atlassian/switches", points_per_hour=3)
    headers = {"Authorization": f"Bearer {atlassian.grant()['access_token']}"}
    at = f"{API}/ex/jira/{atlassian.cloud_id}/rest/api/3/issue/PAY-1"
    told = [atlassian.ask("GET", at, headers) for _ in range(2)]
    assert [reply.status for reply in told] == [200, 429]
    assert told[1].headers["ratelimit-reason"] == "jira-quota-global-based"
    assert int(told[1].headers["retry-after"]) > 0
