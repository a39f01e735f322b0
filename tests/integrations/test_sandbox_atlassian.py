"""The sandbox's Atlassian keeps to the published schemas, to its tokens' lives and its limits."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from launcher.programs import VENDOR_ORIGINS

from integrations.sandbox import vendors
from integrations.sandbox.running import Sandbox
from tests.integrations.sandboxed import Client, Reply

SPECS = Path(__file__).resolve().parents[3] / "shared/specs"
needs_documents = pytest.mark.skipif(
    not SPECS.exists(), reason="Atlassian's OpenAPI documents are not beside the project"
)
CALLBACK = "http://localhost:8000/oauth/bitbucket-cloud/callback"
ACME, API = "https://acme.atlassian.net", "https://api.atlassian.com"
JIRA, V2, V1, DEVELOPMENT = (
    "jira-platform-swagger-v3.v3.json",
    "confluence-openapi-v2.v3.json",
    "confluence-v1-swagger.v3.json",
    "jira-software-swagger.v3.json",
)
# Where the documents say less or other than what is seen, by document and place of the error.
GAPS = {
    r"GET /rest/api/3/serverInfo .*'defaultLocale'": "Every site says it; the schema is closed.",
}


class Atlassian(Client):
    """Speaks to each of Atlassian's hosts."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.places = vendors.origins(sandbox.url)
        self.facts = self.known["vendors"]["atlassian"]
        self.cloud_id = self.facts["sites"][0]["cloud_id"]

    def row(self, kind: str, name: str) -> dict[str, Any]:
        return next(dict(row) for row in self.facts[kind] if row["name"] == name)

    def basic(self, name: str) -> dict[str, str]:
        token = self.row("tokens", name)
        pair = base64.b64encode(f"{token['email']}:{token['token']}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def ask(self, method: str, address: str, headers: dict[str, str], body: object = None) -> Reply:
        """`address` begins with the vendor's real origin."""
        real = next(each for each in self.places if address.startswith(f"{each}/"))
        sent = None if body is None else json.dumps(body).encode()
        typed = {"Content-Type": "application/json", **headers}
        where = self.places[real] + address.removeprefix(real)
        return self.send(method, where, headers=typed, body=sent)

    def token(self, **fields: str) -> Reply:
        return self.ask("POST", "https://auth.atlassian.com/oauth/token", {}, fields)

    def provider(self, name: str = "acme-site") -> dict[str, str]:
        client = self.row("site_credentials", name)
        keys = {"client_id": client["client_id"], "client_secret": client["secret"]}
        found = self.token(grant_type="client_credentials", **keys).json
        assert found["expires_in"] == 900 and "refresh_token" not in found
        return {"Authorization": f"Bearer {found['access_token']}"}

    def refresh(self, text: str) -> Reply:
        app = self.row("apps", "jira-portal")
        keys = {"client_id": app["key"], "client_secret": app["secret"]}
        return self.token(grant_type="refresh_token", refresh_token=text, **keys)

    def grant(self, app: str = "jira-portal") -> dict[str, Any]:
        made = self.control("POST", "/atlassian/grants", app=app, user="dana").json
        return dict(made["grants"][0])

    def submit(self, kind: str, body: object, headers: dict[str, str]) -> Reply:
        at = f"{API}/jira/{kind}/0.1/cloud/{self.cloud_id}/bulk"
        return self.ask("POST", at, headers, body)


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


# ── the documents ─────────────────────────────────────────────────────────────────────────────

DOC = {"type": "doc", "version": 1, "content": [
    {"type": "paragraph", "content": [{"type": "text", "text": "Hi"}]}]}  # fmt: skip
LINK = {"globalId": "g", "object": {"url": "https://x.example", "title": "T"}}
ISSUE, PLACE = "/rest/api/3/issue/PAY-1", "/rest/api/3/issue/{issueIdOrKey}"
ASKED: list[tuple[str, str, str, str, object, int]] = [
    (JIRA, "GET", "/rest/api/3/myself", "/rest/api/3/myself", None, 200),
    (JIRA, "GET", "/rest/api/3/serverInfo", "/rest/api/3/serverInfo", None, 200),
    (JIRA, "GET", "/rest/api/3/mypermissions?permissions=LINK_ISSUES",
     "/rest/api/3/mypermissions", None, 200),
    (JIRA, "GET", "/rest/api/3/project/search", "/rest/api/3/project/search", None, 200),
    (JIRA, "GET", "/rest/api/3/project/PAY", "/rest/api/3/project/{projectIdOrKey}", None, 200),
    (JIRA, "GET", "/rest/api/3/search/jql?jql=project=PAY&fields=summary",
     "/rest/api/3/search/jql", None, 200),
    (JIRA, "POST", "/rest/api/3/issue/bulkfetch", "/rest/api/3/issue/bulkfetch",
     {"issueIdsOrKeys": ["PAY-1"]}, 200),
    (JIRA, "GET", "/rest/api/3/user/search?query=sam", "/rest/api/3/user/search", None, 200),
    (JIRA, "GET", ISSUE, PLACE, None, 200),
    (JIRA, "POST", f"{ISSUE}/remotelink", f"{PLACE}/remotelink", LINK, 201),
    (JIRA, "GET", f"{ISSUE}/remotelink", f"{PLACE}/remotelink", None, 200),
    (JIRA, "POST", f"{ISSUE}/comment", f"{PLACE}/comment", {"body": DOC}, 201),
    (JIRA, "POST", f"{ISSUE}/worklog", f"{PLACE}/worklog", {"timeSpent": "1h 5m"}, 201),
    (JIRA, "GET", f"{ISSUE}/transitions", f"{PLACE}/transitions", None, 200),
    (JIRA, "POST", f"{ISSUE}/transitions", f"{PLACE}/transitions", {"transition": {"id": "11"}},
     204),
    (JIRA, "GET", "/rest/api/3/issue/NO-1", PLACE, None, 404),
    (V2, "GET", "/wiki/api/v2/spaces", "/spaces", None, 200),
    (V2, "GET", "/wiki/api/v2/pages?limit=3", "/pages", None, 200),
    (V1, "GET", "/wiki/rest/api/user/current", "/wiki/rest/api/user/current", None, 200),
    (V1, "GET", "/wiki/rest/api/search?cql=space=PAY", "/wiki/rest/api/search", None, 200),
]  # fmt: skip


@needs_documents
@pytest.mark.parametrize(("name", "method", "path", "template", "sent", "status"), ASKED)
def test_answers_are_as_documented(atlassian, name, method, path, template, sent, status):
    if path.endswith("/remotelink") and method == "GET":
        atlassian.ask("POST", f"{ACME}{path}", atlassian.basic("dana-classic"), LINK)
    reply = atlassian.ask(method, f"{ACME}{path}", atlassian.basic("dana-classic"), sent)
    assert reply.status == status, reply.text
    assert_documented(name, method, template, status, reply.json if reply.body else None)


@needs_documents
def test_a_devinfo_answer_is_as_documented(atlassian):
    told = atlassian.submit("devinfo", body(commit()), atlassian.provider())
    assert_documented(DEVELOPMENT, "POST", "/rest/devinfo/0.10/bulk", 202, told.json)


def assert_documented(name: str, method: str, template: str, status: int, told: object) -> None:
    """Nothing is said against an answer but what is a known gap."""
    if not SPECS.exists():
        return
    responses = document(name)["paths"][template][method.lower()]["responses"]
    content = responses[str(status)].get("content", {}).get("application/json", {})
    if told is None or "schema" not in content:
        return
    schema = {**content["schema"], "components": document(name)["components"]}
    found = [
        f"{method} {template} {'/'.join(map(str, error.absolute_path))} {error.message[:120]}"
        for error in Draft202012Validator(schema).iter_errors(told)
    ]
    assert not [each for each in found if not any(re.match(gap, each) for gap in GAPS)]


@cache
def document(name: str) -> Any:
    return json.loads((SPECS / name).read_text())
