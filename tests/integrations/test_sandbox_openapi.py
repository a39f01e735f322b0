"""Each answer of the sandbox is one that Bitbucket's own OpenAPI document allows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import pytest

from integrations.sandbox.bitbucket_cloud.routes import COMMIT, ROUTES
from tests.integrations.openapi import (
    GAPS,
    ExchangeInvalid,
    document,
    needs_document,
    validate_exchange,
)
from tests.integrations.sandboxed import Client, Reply, bearer, running

pytestmark = needs_document
REPOSITORY = "/repositories/acme/billing-api"
IDS = {
    "workspace": "acme", "repo_slug": "billing-api", "project_key": "PAY",
    "subject_type": "repository", "pull_request_id": "7",
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running() as sandbox:
        yield Client(sandbox)


@pytest.fixture(scope="module")
def wide(client: Client) -> dict[str, str]:
    """Dana, by OAuth, with every scope."""
    return bearer(client.link("dana", "acme-wide"))


def exchange(
    client: Client,
    path: str,
    headers: dict[str, str],
    query: str = "",
    method: str = "GET",
    body: Mapping[str, object] | None = None,
) -> list[str]:
    target = f"/2.0{path}?{quote(query, safe='=&')}" if query else f"/2.0{path}"
    sent = None if body is None else json.dumps(body).encode()
    reply = client.send(method, target, headers=headers, body=sent)
    return validate_exchange(method, f"/2.0{path}", query, reply.status, content(reply))


def content(reply: Reply) -> object:
    kind = reply.headers.get("content-type", "")
    return reply.json if kind.startswith("application/json") and reply.body else reply.body


def path_of(client: Client, template: str) -> str:
    person = quote(next(u["uuid"] for u in client.known["users"] if u["nickname"] == "dana"))
    ids = {**IDS, **held(client), "selected_user": person, "member": person}
    return template.format(**ids, selected_user_id=person)


def held(client: Client) -> dict[str, str]:
    """Return the identifiers of something of each kind in the repository."""
    truth = client.control("GET", "/truth?workspace=acme&repository=billing-api").json
    pipeline = truth["pipelines"][-1]
    return {
        "name": quote(truth["repository"]["mainbranch"]),
        "revision": quote(truth["repository"]["mainbranch"]),
        "commit": pipeline["commit"],
        "key": f"PIPELINE-{pipeline['build_number']}",
        "pipeline_uuid": quote(pipeline["uuid"]),
        "step_uuid": quote(pipeline["steps"][0]["uuid"]),
        "environment_uuid": quote(truth["environments"][0]["uuid"]),
        "deployment_uuid": quote(truth["deployments"][0]["uuid"]),
        "group_slug": "developers",
        "uid": quote(truth["hooks"][0]["uuid"]),
    }


@pytest.mark.parametrize("template", [route.template for route in ROUTES if route.method == "GET"])
def test_every_endpoint_answers_as_documented(
    client: Client, wide: dict[str, str], template: str
) -> None:
    exchange(client, path_of(client, template), wide)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/repositories/acme", "role=admin&pagelen=25&sort=-updated_on"),
        ("/repositories/acme", 'q=updated_on>2026-01-01 AND name ~ "api"'),
        ("/repositories/acme", "fields=values.uuid,values.slug,next&page=2"),
        ("/repositories/acme", "pagelen=101"),
        ("/repositories/acme", "q=nonsense ="),
        ("/repositories/yarden", "role=owner"),
        ("/repositories/nobody", ""),
        ("/repositories/acme/nothing", ""),
        ("/user/workspaces", "sort=slug&administrator=true"),
        (f"{REPOSITORY}/pullrequests", "state=MERGED&state=OPEN&pagelen=50"),
        (f"{REPOSITORY}/pullrequests", "pagelen=51"),
        (f"{REPOSITORY}/pullrequests", "fields=+values.participants,+values.reviewers"),
        (f"{REPOSITORY}/pullrequests", 'q=updated_on>2026-01-01 AND state="MERGED"'),
        (f"{REPOSITORY}/pullrequests/activity", "pagelen=50"),
        (f"{REPOSITORY}/pullrequests/activity", "pagelen=51"),
        (f"{REPOSITORY}/pullrequests/nothing", ""),
        (f"{REPOSITORY}/refs/branches", "sort=-target.date&pagelen=100"),
        (f"{REPOSITORY}/commits", "pagelen=100"),
        (f"{REPOSITORY}/commit/0000000/pullrequests", ""),
        ("/repositories/acme/delivery-gateway/deployments", ""),
        ("/workspaces/acme/permissions/repositories", 'q=permission="admin"&pagelen=50'),
        (f"{REPOSITORY}/pipelines", "sort=-created_on&pagelen=20"),
        ("/workspaces/acme/permissions", 'q=permission="owner"'),
        ("/user/workspaces/yarden/permission", ""),
        ("/workspaces/yarden/hooks", ""),
    ],
)
def test_parameters_and_failures_are_documented(
    client: Client, wide: dict[str, str], path: str, query: str
) -> None:
    exchange(client, path, wide, query)


def test_a_repository_without_commits_is_the_only_null(
    client: Client, wide: dict[str, str]
) -> None:
    used = exchange(client, "/repositories/acme", wide, "pagelen=40")

    assert set(used) == {"no main branch", "clone by ssh", "list parameters"}


def test_refusals_are_documented(client: Client) -> None:
    narrow = bearer(client.link("dana", "acme-narrow"))

    assert "scopes in detail" in exchange(client, f"{REPOSITORY}/pullrequests", narrow)
    exchange(client, "/user", {})
    exchange(client, "/user", client.as_token("dana-app-password"))
    exchange(client, "/user", client.as_token("acme-repository"))


def test_every_gap_is_needed_and_explained(client: Client, wide: dict[str, str]) -> None:
    first = client.send("GET", "/2.0/repositories/acme", headers=wide).json["next"]
    tip = client.control("POST", "/statuses", repository="billing-api", key="no-ref").json["commit"]
    used = {
        *exchange(client, "/user/emails", wide),
        *exchange(client, f"{REPOSITORY}/issues", wide),
        *exchange(client, "/repositories/acme", wide, first.partition("?")[2]),
        *exchange(client, "/repositories/acme", wide, "pagelen=40"),
        *exchange(client, "/repositories/acme", wide, "fields=values.uuid"),
        *exchange(
            client, "/repositories/acme/catalogue-gateway/pipelines", wide, "sort=-created_on"
        ),
        *exchange(client, f"{REPOSITORY}/pullrequests", wide),
        *exchange(client, "/user", client.as_token("acme-repository")),
        *exchange(client, f"{REPOSITORY}/refs/tags", wide),
        *exchange(client, f"{REPOSITORY}/pullrequests/7", wide),
        *exchange(client, f"{REPOSITORY}/commit/{tip}/statuses", wide),
        *exchange(client, f"{REPOSITORY}/commits", wide, f"include={tip}&exclude={tip}"),
        *exchange(client, f"{REPOSITORY}/hooks", wide, method="POST", body={}),
        *exchange(client, f"{REPOSITORY}/hooks", client.as_token("dana-narrow")),
    }

    assert used == {gap.name for gap in GAPS}
    assert all(gap.reason for gap in GAPS)


@pytest.mark.parametrize("links", ["indexing", "absent"])
def test_unindexed_commit_links_are_documented(
    client: Client, wide: dict[str, str], links: str
) -> None:
    client.control("POST", "/switches", commit_links=links)

    exchange(client, path_of(client, f"{COMMIT}/pullrequests"), wide)
    client.control("POST", "/switches", commit_links="indexed")


@pytest.mark.parametrize("subject", [REPOSITORY, "/workspaces/acme"])
def test_the_life_of_a_hook_is_documented(
    client: Client, wide: dict[str, str], subject: str
) -> None:
    place = f"{subject}/hooks".replace(REPOSITORY, "/repositories/acme/catalogue-gateway")
    wish = {"url": "https://example.com/in", "events": ["repo:push"], "secret": "s"}

    exchange(client, place, wide, method="POST", body=wish)
    exchange(client, place, wide, method="POST", body={"url": "nowhere"})
    made = client.send("GET", f"/2.0{place}", headers=wide).json["values"][-1]
    one = f"{place}/{quote(made['uuid'])}"
    exchange(client, one, wide)
    exchange(client, one, wide, method="PUT", body={"active": False})
    exchange(client, one, wide, method="DELETE")
    exchange(client, one, wide)


def test_a_branch_that_is_made_is_documented(client: Client, wide: dict[str, str]) -> None:
    tip = client.control("GET", "/truth?workspace=acme&repository=billing-api").json["branches"]
    wish = {"name": "PAY-1-count", "target": {"hash": next(iter(tip.values()))}}

    for _ in range(2):
        exchange(client, f"{REPOSITORY}/refs/branches", wide, method="POST", body=wish)


def test_a_reported_status_is_documented(client: Client, wide: dict[str, str]) -> None:
    wish = {"key": "ci", "state": "FAILED", "url": "https://ci.example/1"}
    place = path_of(client, f"{COMMIT}/statuses/build")

    exchange(client, place, wide, method="POST", body=wish)


@pytest.mark.parametrize(
    "wrong",
    [
        ("GET", "/2.0/repositories/acme", "role=boss", 200, {"values": []}),
        ("GET", "/2.0/repositories/acme", "colour=red", 200, {"values": []}),
        ("GET", "/2.0/repositories/acme", "", 200, {"values": {}}),
        ("GET", "/2.0/repositories/acme", "", 200, "<html>"),
        (
            "GET",
            "/2.0/repositories/acme",
            "",
            200,
            {"values": [{"type": "repository", "size": ""}]},
        ),
        ("GET", "/2.0/user", "", 200, {"type": "user", "nickname": 7}),
        ("GET", "/2.0/user", "", 200, {"display_name": "has no type"}),
        ("GET", "/2.0/nowhere", "", 200, {}),
        ("PATCH", "/2.0/user", "", 200, {"type": "user"}),
        ("GET", "/2.0/user", "", 201, {"type": "user"}),
        ("GET", "/2.0/user", "", 404, {"error": {}}),
    ],
    ids=str,
)
def test_what_the_document_does_not_allow_is_refused(
    wrong: tuple[str, str, str, int, object],
) -> None:
    with pytest.raises(ExchangeInvalid):
        validate_exchange(*wrong)


def test_scopes_are_those_of_the_document() -> None:
    for route in ROUTES:
        operation = document()["paths"].get(route.template, {}).get(route.method.lower())
        if operation is None or operation.get("deprecated"):
            continue
        oauth = [rule["oauth2"] for rule in operation.get("security", []) if "oauth2" in rule]
        granular = [
            scope
            for scheme in operation.get("x-atlassian-oauth2-scopes", [])
            for scope in scheme["scopes"]
        ]
        assert set(route.oauth) == {scope for scopes in oauth for scope in scopes}, route.template
        assert set(route.granular) == set(granular), route.template
