"""What is read of a sandbox's repository is what it holds, and a change costs what it must."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from connections.contracts import (
    Api,
    Ask,
    Container,
    Level,
    PullsSaid,
    RepositoryRecord,
    Target,
    WorkspaceRecord,
)
from connections.errors import Refused, RemoteGone, ScopeMissing
from connections.vendor_api import Authorization, VendorApi
from integrations.bitbucket_cloud import CONNECTOR
from integrations.sandbox.running import Sandbox
from tests.contract import door_to, pages_of
from tests.integrations import openapi
from tests.integrations.receiving import Receiver
from tests.integrations.sandboxed import Client
from tests.integrations.test_bitbucket_cloud import API, pasted

MANIFEST = CONNECTOR.manifest
REDACTED = "…"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(repositories=8) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


@pytest.fixture(scope="module")
def api(sandbox: Sandbox) -> Iterator[Api]:
    yield from api_of(sandbox, "dana-full")


def api_of(sandbox: Sandbox, token: str) -> Iterator[Api]:
    door = door_to(sandbox, API)
    dana = pasted(sandbox, MANIFEST.method("api-token"), token)
    yield VendorApi(
        door=door,
        base=door.vendor(MANIFEST.api_url),
        authorization=Authorization(dana.authorization),
        judge=CONNECTOR.judge,
    )
    door.close()


@pytest.fixture(scope="module")
def here(sandbox: Sandbox, api: Api) -> Container:
    acme = sandbox.bitbucket.world.workspaces["acme"]
    workspace = WorkspaceRecord(acme.uuid, acme.slug, acme.name)
    found = CONNECTOR.fetch(
        api, Container(workspace), {}, Target("repositories", acme.repositories[0].uuid)
    )
    (repository,) = found.records
    assert isinstance(repository, RepositoryRecord)
    return Container(workspace, repository)


@pytest.fixture
def truth(client: Client, here: Container) -> dict[str, Any]:
    assert here.repository is not None
    path = f"/truth?workspace=acme&repository={here.repository.slug}"
    found: dict[str, Any] = client.control("GET", path).json
    return found


def read(api: Api, here: Container, key: str, **ask: Any) -> list[Any]:
    stream = next(stream for stream in CONNECTOR.streams if stream.key == key)
    pages = pages_of(lambda at: stream.page(api, here, {}, Ask(at, **ask)))
    return [record for page in pages for record in page.records]


def do(client: Client, here: Container, path: str, **wish: object) -> Any:
    assert here.repository is not None
    reply = client.control("POST", path, workspace="acme", repository=here.repository.slug, **wish)
    assert reply.status == 200, reply.text
    return reply.json


def test_all_that_a_repository_holds_is_read(api, here, truth):
    names = {"branch:" + name: mark for name, mark in truth["branches"].items()}
    names |= {"tag:" + tag["name"]: tag["target"] for tag in truth["tags"]}
    assert {one.remote_id: one.target for one in read(api, here, "branches")} == names

    commits = {one["hash"]: one for one in truth["commits"]}
    found = {
        one.remote_id: one for one in read(api, here, "commits", commits=tuple(names.values()))
    }
    assert found.keys() == commits.keys()
    assert all(found[mark].parents == tuple(commits[mark]["parents"]) for mark in commits)
    assert all(found[mark].author.remote_id == commits[mark]["author"] for mark in commits)

    asked = tuple(commits)[:40]
    builds = read(api, here, "statuses", commits=asked)
    assert {(one.commit, one.key) for one in builds} == {
        (one["commit"], one["key"]) for one in truth["statuses"] if one["commit"] in asked
    }


def test_pull_requests_have_their_reviews_and_their_merge(api, here, truth):
    found = {one.number: one for one in read(api, here, "pull-requests")}

    assert found.keys() == {one["id"] for one in truth["pull_requests"]}
    for one in truth["pull_requests"]:
        seen = found[one["id"]]
        assert (seen.state.upper(), seen.title) == (one["state"], one["title"])
        assert seen.merge_hash == one["merge_commit"][:12]
        assert seen.closed_by.remote_id == one["closed_by"]
        assert {
            each.person.remote_id for each in seen.participants if each.verdict == "approved"
        } == {each["user"] for each in one["participants"] if each["approved"]}
        assert {each.person.remote_id for each in seen.participants if each.reviewer} == {
            *one["reviewers"],
            *(each["user"] for each in one["participants"] if each["role"] == "REVIEWER"),
        }


def test_what_was_built_and_brought_where(api, here, truth):
    runs = {one.remote_id: one for one in read(api, here, "pipelines")}
    brought = {one.remote_id: one for one in read(api, here, "deployments")}
    environments = {one["uuid"]: one["name"] for one in truth["environments"]}

    assert {uuid: one.commit for uuid, one in runs.items()} == {
        one["uuid"]: one["commit"] for one in truth["pipelines"]
    }
    assert {
        uuid: (one.environment, one.commit, one.pipeline_remote_id, one.by.remote_id)
        for uuid, one in brought.items()
    } == {
        one["uuid"]: (
            environments[one["environment"]], one["commit"], one["pipeline"], one["deployer"],
        )
        for one in truth["deployments"]
    }  # fmt: skip


def test_permissions_are_those_that_were_granted(api, here, truth):
    found = {one.remote_id: one.permission for one in read(api, here, "permissions")}
    granted = truth["permissions"]

    assert found == {f"user:{uuid}": what for uuid, what in granted["people"].items()} | {
        f"group:{slug}": what for slug, what in granted["groups"].items()
    }


def test_a_change_costs_one_request_in_each_list(api, here, client):
    since = datetime.now(UTC) - timedelta(seconds=1)
    before = {one.name: one.target for one in read(api, here, "branches")}
    do(client, here, "/push", branch="main", commits=3, user="dana")
    do(client, here, "/pull-requests", do="comment", id=1, user="dana")
    after = {one.name: one.target for one in read(api, here, "branches")}
    client.control("DELETE", "/requests")

    commits = read(api, here, "commits", commits=(after["main"],), known=tuple(before.values()))
    changed = read(api, Container(here.workspace), "repositories", since=since)
    nothing = read(api, Container(here.workspace), "repositories", since=since + timedelta(days=1))
    pulls = read(api, here, "pull-requests", since=since)

    assert len(commits) == 3 and commits[0].remote_id == after["main"]
    assert [one.remote_id for one in changed] == [here.repository.remote_id] and not nothing
    assert [one.number for one in pulls] == [1]
    assert len(client.requests("/2.0/*")) == 4


def test_a_forced_push_does_not_end_the_reading(api, here, client):
    before = {one.name: one.target for one in read(api, here, "branches")}
    do(client, here, "/push", branch="main", commits=1, force=2, user="dana")
    after = {one.name: one.target for one in read(api, here, "branches")}

    fresh = read(api, here, "commits", commits=(after["main"], "0" * 40), known=(before["main"],))

    assert after["main"] in {one.remote_id for one in fresh}
    unknown = tuple(digit * 40 for digit in "12345")  # each refusal names one of them
    whole = read(api, here, "commits", commits=(after["main"],), known=(before["main"], *unknown))
    assert after["main"] in {one.remote_id for one in whole}


@pytest.mark.parametrize("said", [PullsSaid.KNOWN, PullsSaid.INDEXING, PullsSaid.ABSENT])
def test_the_pull_requests_of_a_merged_commit(api, here, client, truth, said):
    merged = next(one for one in truth["pull_requests"] if one["merge_commit"])
    words = {PullsSaid.KNOWN: "indexed", PullsSaid.INDEXING: "indexing", PullsSaid.ABSENT: "absent"}
    client.control("POST", "/switches", commit_links=words[said])

    (found,) = CONNECTOR.fetch(api, here, {}, Target("commit-pulls", merged["commits"][0])).records

    assert found.said is said
    assert (merged["id"] in found.numbers) is (said is PullsSaid.KNOWN)
    assert CONNECTOR.fetch(api, here, {}, Target("commit-pulls", "0" * 40)).records == ()


def test_what_hooks_tell_names_what_changed(api, here, client, sandbox):
    """Each delivery of a day's work is understood, and what it names is there to be fetched."""
    with Receiver() as receiver:
        events = [event.key for event in MANIFEST.hooks.events]
        path = f"/2.0/repositories/acme/{here.repository.slug}/hooks"
        body = {"url": receiver.url, "events": [e for e in events if e != "project:updated"]}
        api.send("POST", path.removeprefix("/2.0/"), body)
        do(client, here, "/push", branch="told", commits=7, user="dana", **{"from": "main"})
        made = do(client, here, "/pull-requests", do="create", source="told", user="dana")
        for deed in ("approve", "unapprove", "comment", "merge"):
            do(client, here, "/pull-requests", do=deed, id=made["id"], user="dana")
        do(client, here, "/pipelines", branch="main", result="SUCCESSFUL", user="dana")
        client.control("POST", "/webhooks/settle", seconds=10)
        told = [CONNECTOR.read_event(one.headers, one.body) for one in receiver.got]

    assert all(event.known and event.repository == here.repository.remote_id for event in told)
    kinds = {event.kind for event in told}
    assert {"repo:push", "pullrequest:created", "pullrequest:approved"} <= kinds
    assert {"pullrequest:fulfilled", "repo:commit_status_updated"} <= kinds
    for target in {target for event in told for target in event.touches}:
        assert isinstance(CONNECTOR.fetch(api, here, {}, target).records, tuple)
    streams = {target.stream for event in told for target in event.touches}
    assert streams == {"branches", "commits", "pull-requests", "statuses", "pipelines"}


@openapi.needs_document
def test_a_branch_is_made_where_another_stands(api, sandbox, here, truth):
    for writer in api_of(sandbox, "dana-writes"):
        made_where_another_stands(writer, api, here, truth)


def made_where_another_stands(api, reader, here, truth):
    main = truth["repository"]["mainbranch"]
    made = CONNECTOR.make_branch(api, here, {}, name="feature/PAY-1-größe#2", start=main)
    assert (made.name, made.target) == ("feature/PAY-1-größe#2", truth["branches"][main])
    (again,) = CONNECTOR.fetch(api, here, {}, Target("branches", made.remote_id)).records
    assert again == made
    with pytest.raises(Refused, match="already exists"):
        CONNECTOR.make_branch(api, here, {}, name=made.name, start=main)
    with pytest.raises(RemoteGone):
        CONNECTOR.make_branch(api, here, {}, name="x", start="nowhere")
    with pytest.raises(ScopeMissing):
        CONNECTOR.make_branch(reader, here, {}, name="x", start=main)


def test_everything_that_is_asked_is_in_the_vendors_document(api, here, client):
    since = datetime.now(UTC) - timedelta(days=400)
    client.control("DELETE", "/requests")
    heads = tuple(one.target for one in read(api, here, "branches")[:2])
    for stream in CONNECTOR.streams:
        at = here if stream.level is Level.REPOSITORY else Container(here.workspace)
        for record in read(api, at, stream.key, commits=heads, known=heads[:1], since=since)[:1]:
            with suppress(ValueError):
                CONNECTOR.fetch(api, at, {}, Target(stream.key, record.remote_id))
    CONNECTOR.hooks(api, here, {}, None)
    CONNECTOR.hooks(api, Container(here.workspace), {}, None)
    CONNECTOR.fetch(api, here, {}, Target("commit-pulls", heads[0]))

    asked = client.requests("/2.0/*")

    assert len(asked) > 20
    for one in asked:
        shown = [pair for pair in parse_qsl(one["query"]) if pair[1] != REDACTED]
        openapi.validate_request(one["method"], one["path"], urlencode(shown))
