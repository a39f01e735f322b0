"""What we send and what the sandbox answers are held against Atlassian's document of 9.4."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from integrations.bitbucket_data_center.manifest import ENDPOINTS, MANIFEST
from integrations.sandbox.bitbucket_data_center.routes import ROUTES
from integrations.sandbox.running import Sandbox
from tests.integrations.sandboxed import Client

DOCUMENT = (
    Path(__file__).resolve().parents[3] / "shared/specs/bitbucket-data-center-9.4.openapi.json"
)
pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="Atlassian's OpenAPI document is not beside the project"
)
IDS = {
    "projectKey": "PAY", "repositorySlug": "billing-api", "userSlug": "dlevi",
    "workspace": "PAY", "repository": "billing-api", "user": "dlevi",
    "commit": "a" * 40, "pull_request": "1", "hook": "1",
}  # fmt: skip

HOOK = {
    "name": "Portal",
    "url": "http://127.0.0.1:9/x",
    "events": ["repo:refs_changed"],
    "active": True,
    "configuration": {"secret": "s" * 32},
    "sslVerificationRequired": True,
}

# What the document leaves out or gets wrong, by the place; each with how we know better.
GAPS = {
    r"body .*context type": "The real server says null (drone/go-scm's recording).",
    r"body .*createdDate type": "Milliseconds in every recording; ISO 8601 from 10.3 on.",
    r"body GET .*/webhooks .*": "The operation describes no answer.",
    r"status .* (400|401|404|429)": "Any operation may answer so.",
}


class Disallowed(AssertionError):
    """An exchange that the document does not allow."""


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return found


@cache
def registry() -> Registry[Any]:
    resource: Resource[Any] = Resource.from_contents(document(), DRAFT4)
    return Registry().with_resource("urn:document", resource)


def operation(method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The operation of a path below /rest; a literal segment beats a parameter."""
    fitting = [t for t in document()["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", t), path)]
    for template in sorted(fitting, key=lambda each: each.count("{")):
        if method.lower() in document()["paths"][template]:
            return template, document()["paths"][template][method.lower()]
    raise Disallowed(f"path {method} {path}")


def rooted(schema: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(schema).replace('"#/components', '"urn:document#/components')
    found: dict[str, Any] = json.loads(text)
    return found


def excused(place: str) -> None:
    if not any(re.match(gap, place) for gap in GAPS):
        raise Disallowed(place)


def validate(method: str, path: str, query: str, sent: Any, status: int, body: Any) -> None:
    """Raises Disallowed unless each part is as documented or a known gap."""
    template, described = operation(method, path)
    known = {p["name"] for p in described.get("parameters", []) if p["in"] == "query"}
    for name, _ in parse_qsl(query):
        if name not in known:
            raise Disallowed(f"parameter {method} {template} {name}")
    if sent is not None:
        (asked,) = described["requestBody"]["content"].values()
        check(f"request {method} {template}", asked["schema"], sent)
        extra = sent.keys() - resolved(asked["schema"])["properties"].keys()
        assert not extra, extra
    answers = described["responses"]
    told = answers.get(str(status)) or answers.get("default")
    if told is None:
        excused(f"status {method} {template} {status}")
        return
    for content in told.get("content", {}).values():
        if "schema" in content:
            check(f"body {method} {template}", content["schema"], body)


def check(what: str, schema: dict[str, Any], value: Any) -> None:
    validator = Draft4Validator(rooted(schema), registry=registry())
    for error in validator.iter_errors(value):
        where = "/".join(str(part) for part in error.absolute_path)
        excused(f"{what} {where} {error.validator}")


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document()["components"]["schemas"][name] if name else schema
    return found


class Speaker:
    """Asks the sandbox as one of its tokens, and holds each exchange against the document."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.client = sandbox, Client(sandbox)

    def ask(self, method: str, target: str, name: str = "dana-admin", sent: Any = None) -> Any:
        tokens = self.sandbox.data_center.registry.tokens.values()
        text = next((t.token for t in tokens if t.name == name), "")
        headers = {"Authorization": f"Bearer {text}"} if text else {}
        content = None if sent is None else json.dumps(sent).encode()
        reply = self.client.send(method, f"/bitbucket/rest{target}", headers=headers, body=content)
        path, _, query = target.partition("?")
        body = reply.json if reply.body[:1] in (b"{", b"[") else None
        validate(method, path, query, sent, reply.status, body)
        return reply.status, body


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    with Sandbox(repositories=30) as running:
        yield Speaker(running)


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.method == "GET"], ids=lambda route: route.template
)
def test_every_read_of_the_sandbox_is_documented(speaker: Speaker, route: Any) -> None:
    tokens = speaker.sandbox.data_center.registry.tokens.values()
    holders = {"user": "dana-admin", "project": "pay-project", "repo": "billing-repository"}
    kind = "repo" if "{repo" in route.template and "access-" in route.template else "user"
    kind = "project" if route.template.startswith("/access-tokens/latest/projects") else kind
    kind = "repo" if "{repositorySlug}" in route.template and kind != "user" else kind
    name = holders[kind]
    identifier = next(t.id for t in tokens if t.name == name)

    ids, query = held(speaker, route.template)
    status, _ = speaker.ask("GET", route.template.format(**ids, tokenId=identifier) + query, name)
    assert status == 200

    for other in ("nobody", "rashid-read"):  # a stranger, and somebody without the right
        status, _ = speaker.ask("GET", route.template.format(**ids, tokenId="1") + query, other)
        assert status in (200, 401, 404)


def held(speaker: Speaker, template: str) -> tuple[dict[str, str], str]:
    """Names of what is there, and what else one thing is known by."""
    place = "workspace=PAY&repository=billing-api"
    truth = speaker.client.control("GET", f"/data-center/truth?{place}").json
    build, brought = truth["statuses"][0], truth["deployments"][0]
    queries = {
        "builds": (build["commit"], f"?key={build['key']}"),
        "deployments": (
            brought["commit"],
            f"?key=DEPLOY-{brought['number']}&environmentKey=staging"
            f"&deploymentSequenceNumber={brought['number']}",
        ),
    }
    commit, query = queries.get(template.rpartition("/")[2], (build["commit"], ""))
    hooks = speaker.sandbox.data_center.deeds.scene.subscriptions
    project = speaker.sandbox.data_center.world.projects["PAY"]
    watched = project.repositories[0] if "{repositorySlug}" in template else project
    known = hooks.of(watched) or [hooks.create(watched, HOOK)]
    ids = {"commitId": commit, "name": truth["tags"][0]["name"], "pullRequestId": "1"}
    return {**IDS, **ids, "webhookId": known[0].uuid}, query


def test_a_branch_is_made_as_documented(speaker: Speaker) -> None:
    path = "/api/latest/projects/PAY/repos/billing-api/branches"
    _, listed = speaker.ask("GET", path)
    wish = {"name": "PAY-1-count", "startPoint": listed["values"][0]["latestCommit"]}

    assert speaker.ask("POST", path, sent=wish)[0] == 200
    assert speaker.ask("POST", path, "rashid-read", sent=wish)[0] == 401


@pytest.mark.parametrize("repository", ["", "/repos/billing-api"])
def test_hooks_are_made_changed_and_removed_as_documented(
    speaker: Speaker, repository: str
) -> None:
    path = f"/api/latest/projects/PAY{repository}/webhooks"

    status, made = speaker.ask("POST", path, sent=HOOK)
    one = f"{path}/{made['id']}"
    assert (status, made["configuration"]) == (200, HOOK["configuration"])
    assert speaker.ask("PUT", one, sent={**HOOK, "active": False})[1]["active"] is False
    assert speaker.ask("POST", f"{path}/test?webhookId={made['id']}", sent={})[0] == 200
    assert speaker.ask("POST", path, sent={**HOOK, "events": ["repo:nothing"]})[0] == 400
    assert speaker.ask("POST", path, "rashid-read", sent=HOOK)[0] == 401
    assert [speaker.ask("DELETE", one)[0] for _ in range(2)] == [204, 404]


@pytest.mark.parametrize("iso", [False, True])
@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("users/dlevi", "dana-admin"),
        ("projects/PAY", "pay-project"),
        ("projects/PAY/repos/billing-api", "billing-repository"),
    ],
)
def test_tokens_are_made_and_withdrawn_as_documented(
    speaker: Speaker, place: str, name: str, iso: bool
) -> None:
    speaker.sandbox.data_center.switches.set("iso_dates", iso)
    path = f"/access-tokens/latest/{place}"
    wanted = {"name": "new", "permissions": ["REPO_READ"], "expiryDays": 9}

    status, made = speaker.ask("PUT", path, name, wanted)
    assert status == 200 and made["token"].startswith("BBDC-")
    assert speaker.ask("GET", f"{path}?start=0&limit=100", name)[0] == 200
    assert speaker.ask("DELETE", f"{path}/{made['id']}", name)[0] == 204
    assert speaker.ask("DELETE", f"{path}/{made['id']}", name)[0] == 404
    assert speaker.ask("PUT", path, name, {"name": "", "permissions": []})[0] == 400


def test_what_we_ask_is_in_the_document() -> None:
    """Every path of the manifest, its probes too, with the parameters that go along."""
    probes = [c.probe for c in MANIFEST.capabilities if c.probe]
    for path in (*ENDPOINTS, *probes, "api/latest/projects?start=0&limit=100"):
        plain, _, query = path.format(**IDS).partition("?")
        template, described = operation("GET", f"/{plain}")
        known = {p["name"] for p in described.get("parameters", [])}
        assert {name for name, _ in parse_qsl(query)} <= known, template


@pytest.mark.parametrize(
    "wrong",
    [
        ("GET", "/api/latest/nowhere", "", None, 200, {}),
        ("PATCH", "/api/latest/projects", "", None, 200, {}),
        ("GET", "/api/latest/projects", "colour=red", None, 200, {"values": []}),
        ("GET", "/api/latest/projects", "", None, 200, {"values": {}}),
        ("GET", "/api/latest/projects/PAY", "", None, 200, {"id": "one"}),
        ("GET", "/api/latest/projects/PAY", "", None, 418, {}),
        ("PUT", "/access-tokens/latest/users/x", "", {"expiryDays": "9"}, 200, {}),
    ],
    ids=str,
)
def test_what_the_document_does_not_allow_is_refused(wrong: Any) -> None:
    with pytest.raises(Disallowed):
        validate(*wrong)
