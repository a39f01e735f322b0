"""What the sandbox's Atlassian answers, and what we ask of Confluence, is as documented."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
from jsonschema import Draft202012Validator

from integrations.confluence import client as confluence
from integrations.sandbox.running import Sandbox
from tests.integrations.atlassian_client import ACME, API, CALLBACK, Atlassian
from tests.integrations.atlassian_documents import (
    DEVELOPMENT,
    JIRA,
    V1,
    V2,
    assert_documented,
    document,
    needs_documents,
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(callbacks=[CALLBACK]) as running:
        yield running


@pytest.fixture
def atlassian(sandbox: Sandbox) -> Atlassian:
    client = Atlassian(sandbox)
    client.control("POST", "/reset")
    return Atlassian(sandbox)


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


BUILD = {
    "pipelineId": "p", "buildNumber": 1, "updateSequenceNumber": 1, "displayName": "b",
    "url": "https://x.example/b", "state": "successful", "issueKeys": ["PAY-1"],
    "lastUpdated": "2026-11-20T04:00:00Z",
    "testInfo": {"totalNumber": 3, "numberPassed": 3, "numberFailed": 0},
}  # fmt: skip
DEPLOYMENT = {
    "deploymentSequenceNumber": 1, "updateSequenceNumber": 1, "displayName": "d",
    "url": "https://x.example/d", "description": "to staging", "state": "successful",
    "lastUpdated": "2026-11-20T04:00:00Z",
    "pipeline": {"id": "p", "displayName": "p", "url": "https://x.example/p"},
    "environment": {"id": "staging", "displayName": "Staging", "type": "staging"},
    "associations": [{"associationType": "issueIdOrKeys", "values": ["PAY-1"]}],
}  # fmt: skip
ONE_BUILD = "pipelines/{pipelineId}/builds/{buildNumber}"
ONE_DEPLOYMENT = (
    "pipelines/{pipelineId}/environments/{environmentId}/deployments/{deploymentSequenceNumber}"
)


@needs_documents
@pytest.mark.parametrize(
    ("kind", "good", "one", "at"),
    [
        ("builds", BUILD, ONE_BUILD, "pipelines/p/builds/1"),
        ("deployments", DEPLOYMENT, ONE_DEPLOYMENT,
         "pipelines/p/environments/staging/deployments/1"),
    ],
)  # fmt: skip
def test_answers_about_builds_and_deployments_are_as_documented(atlassian, kind, good, one, at):
    headers, base = atlassian.provider(), f"{API}/jira/{kind}/0.1/cloud/{atlassian.cloud_id}"
    number = "buildNumber" if kind == "builds" else "deploymentSequenceNumber"
    wrong = [{**good, number: 2, "url": None}, {**good, number: 3, "state": "no such state"}]
    unknown = {"issueKeys": ["NO-1"]} if kind == "builds" else {
        "associations": [{"associationType": "issueIdOrKeys", "values": ["PAY-1", "NO-1"]}]
    }  # fmt: skip
    sent = {kind: [good, *wrong, {**good, number: 4, **unknown}], "properties": {"link": "7"}}

    told = atlassian.submit(kind, sent, headers)

    assert told.status == 202, told.text
    assert len(told.json[f"rejected{kind.title()}"]) >= 2
    assert_documented(DEVELOPMENT, "POST", f"/rest/{kind}/0.1/bulk", 202, told.json)
    found = atlassian.ask("GET", f"{base}/{at}", headers)
    assert_documented(DEVELOPMENT, "GET", f"/rest/{kind}/0.1/{one}", found.status, found.json)
    for path, template in ((at, one), ("bulkByProperties?link=7", "bulkByProperties")):
        gone = atlassian.ask("DELETE", f"{base}/{path}", headers)
        assert_documented(DEVELOPMENT, "DELETE", f"/rest/{kind}/0.1/{template}", gone.status, None)
    refused = atlassian.submit(kind, {kind: []}, headers)
    assert_documented(DEVELOPMENT, "POST", f"/rest/{kind}/0.1/bulk", refused.status, refused.json)


@needs_documents
@pytest.mark.parametrize(
    "asked",
    [
        confluence.CURRENT_USER,
        confluence.SPACES.format(size=confluence.PAGE_SIZE),
        *confluence.PROOFS.values(),
    ],
)
def test_what_the_portal_asks_of_confluence_is_documented(atlassian, asked):
    path, _, query = asked.partition("?")
    name = V2 if path.startswith("wiki/api/v2/") else V1
    template = path.removeprefix("wiki/api/v2") if name == V2 else f"/{path}"
    known = {
        each["name"]: each["schema"]
        for each in document(name)["paths"][template]["get"]["parameters"]
    }
    for word, value in parse_qsl(query):
        schema = {**known[word], "components": document(name)["components"]}
        plain = int(value) if value.isdigit() else value
        if schema.get("type") == "array":
            plain = [plain]
        assert Draft202012Validator(schema).is_valid(plain), (word, value)

    reply = atlassian.ask("GET", f"{ACME}/{asked}", atlassian.basic("dana-classic"))

    assert reply.status == 200
    assert_documented(name, "GET", template, 200, reply.json)
