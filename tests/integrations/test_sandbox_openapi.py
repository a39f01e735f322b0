"""Each answer of the sandbox is one that Bitbucket's own OpenAPI document allows."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from integrations.sandbox.bitbucket_cloud.routes import ROUTES
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


def exchange(client: Client, path: str, headers: dict[str, str], query: str = "") -> list[str]:
    target = f"/2.0{path}?{quote(query, safe='=&')}" if query else f"/2.0{path}"
    reply = client.send("GET", target, headers=headers)
    return validate_exchange("GET", f"/2.0{path}", query, reply.status, content(reply))


def content(reply: Reply) -> object:
    kind = reply.headers.get("content-type", "")
    return reply.json if kind.startswith("application/json") and reply.body else reply.body


def path_of(client: Client, template: str) -> str:
    person = quote(next(u["uuid"] for u in client.known["users"] if u["nickname"] == "dana"))
    ids = {**IDS, "selected_user": person, "member": person}
    return template.format(**ids)


@pytest.mark.parametrize("template", [route.template for route in ROUTES])
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
        *exchange(client, f"{REPOSITORY}/hooks", client.as_token("dana-narrow")),
    }

    assert used == {gap.name for gap in GAPS}
    assert all(gap.reason for gap in GAPS)


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
        operation = document()["paths"].get(route.template, {}).get("get")
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
