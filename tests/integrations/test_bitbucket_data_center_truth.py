"""What is read of the sandbox's Data Center is what it holds, and a change costs what it must."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connections.contracts import (
    Api,
    Ask,
    Container,
    HookWish,
    Level,
    PullsSaid,
    RepositoryRecord,
    Target,
    WorkspaceRecord,
)
from connections.errors import Refused, RemoteGone
from connections.http import Door
from connections.origins import BaseUrl
from connections.vendor_api import Authorization, VendorApi
from integrations.bitbucket_data_center import CONNECTOR
from integrations.sandbox.running import Sandbox
from tests.contract import door_to, pages_of
from tests.integrations import test_bitbucket_data_center_openapi as openapi
from tests.integrations.receiving import Receiver
from tests.integrations.sandboxed import Client
from tests.integrations.test_bitbucket_data_center import CONTEXT, token

FIELDS = {"base_url": "https://bitbucket.example"}
REPOS = "/bitbucket/rest/api/latest/projects/PAY/repos"
PUSH = "repo:refs_changed"
NEVER = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(repositories=8) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


@pytest.fixture(scope="module")
def api(sandbox: Sandbox) -> Iterator[Api]:
    door: Door = door_to(sandbox, "https://bitbucket.example/")
    origin = next(iter(door._sandbox.values()))
    yield VendorApi(
        door=door,
        base=BaseUrl(origin, f"{CONTEXT}/rest"),
        authorization=Authorization(f"Bearer {token(sandbox, 'dana-admin').token}"),
        judge=CONNECTOR.judge,
    )
    door.close()


@pytest.fixture(scope="module")
def here(sandbox: Sandbox, api: Api) -> Container:
    """The first repository of PAY, with more pull requests than fit on a page."""
    project = sandbox.data_center.world.projects["PAY"]
    workspace = WorkspaceRecord(project.uuid, project.key, project.name)
    found = read(api, Container(workspace), "repositories")
    repository = next(one for one in found if one.remote_id == project.repositories[0].uuid)
    assert isinstance(repository, RepositoryRecord)
    return Container(workspace, repository)


def truth_of(client: Client, here: Container) -> Any:
    assert here.repository is not None
    path = f"/data-center/truth?workspace=PAY&repository={here.repository.slug}"
    return client.control("GET", path).json


@pytest.fixture(autouse=True)
def _as_usual(sandbox: Sandbox) -> None:
    sandbox.data_center.switches.set("newest_pull_requests", "updated")
    sandbox.data_center.switches.set("iso_dates", False)


@pytest.fixture
def truth(client: Client, here: Container) -> Any:
    return truth_of(client, here)


def read(api: Api, here: Container, key: str, **ask: Any) -> list[Any]:
    stream = next(stream for stream in CONNECTOR.streams if stream.key == key)
    pages = pages_of(lambda at: stream.page(api, here, FIELDS, Ask(at, **ask)))
    assert not [one for page in pages for one in page.rejected]
    return [record for page in pages for record in page.records]


def do(client: Client, here: Container, path: str, **wish: object) -> Any:
    assert here.repository is not None
    named = {"workspace": "PAY", "repository": here.repository.slug, **wish}
    reply = client.control("POST", f"/data-center{path}", **named)
    assert reply.status == 200, reply.text
    return reply.json


def reviews(one: Any) -> Any:
    return {each.person.remote_id: each.verdict for each in one.participants if each.verdict}


def reviewed(one: Any) -> Any:
    return {each["user"]: each["state"] for each in one["participants"] if each["state"]}


def is_equal(api: Api, here: Container, truth: Any, held: Any) -> None:
    """Pull requests are held as they are, with their reviews."""
    assert held.keys() == {one["id"] for one in truth["pull_requests"]}
    for one in truth["pull_requests"]:
        seen = held[one["id"]]
        assert (seen.state.upper(), seen.title) == (one["state"], one["title"])
        assert (seen.source_hash, seen.merge_hash) == (one["source_hash"], one["merge_commit"])
        assert reviews(seen) == reviewed(one)


def test_all_that_a_repository_holds_is_read(api, here, truth):
    refs = read(api, here, "branches")
    names = {"branch:" + name: mark for name, mark in truth["branches"].items()}
    names |= {"tag:" + tag["name"]: tag["target"] for tag in truth["tags"]}
    assert {one.remote_id: one.target for one in refs} == names
    assert [one.name for one in refs if one.is_main] == [truth["repository"]["mainbranch"]]

    commits = {one["hash"]: one for one in truth["commits"]}
    heads = tuple(dict.fromkeys(names.values()))
    found = {one.remote_id: one for one in read(api, here, "commits", commits=heads)}
    assert found.keys() == commits.keys()
    assert all(found[mark].parents == tuple(commits[mark]["parents"]) for mark in commits)
    assert all(found[mark].author.remote_id == commits[mark]["author"] for mark in commits)

    is_equal(api, here, truth, {one.number: one for one in read(api, here, "pull-requests")})
    told = {one["commit"] for one in truth["statuses"]}
    builds = read(api, here, "statuses", commits=tuple(told))
    assert {(one.commit, one.key) for one in builds} == {
        (one["commit"], one["key"]) for one in truth["statuses"]
    }
    granted = truth["permissions"]
    assert {one.remote_id: one.permission for one in read(api, here, "permissions")} == {
        **{f"user:{name}": what for name, what in granted["people"].items()},
        **{f"group:{name}": what for name, what in granted["groups"].items()},
    }


@pytest.mark.parametrize("newest", ["updated", "created"])
def test_what_changed_since_ends_equal_to_the_truth(api, here, client, newest):
    """By whatever date the server lists the newest first, and though no review moves a date."""
    client.control("POST", "/data-center/switches", newest_pull_requests=newest)
    held = {one.number: one for one in read(api, here, "pull-requests")}
    refs = {one.remote_id: one.target for one in read(api, here, "branches")}
    known = tuple(dict.fromkeys(refs.values()))
    commits = {one.remote_id for one in read(api, here, "commits", commits=known)}
    since = datetime.now(UTC) - timedelta(seconds=1)
    kinds = ["push", "force_push", "branch_create", "branch_delete", "tag_create"]
    kinds += ["pull_request_create", "pull_request_update", "approve", "unapprove"]
    kinds += ["request_changes", "comment", "merge", "decline", "status", "permission"]
    slug = here.repository.slug
    do(client, here, "/activity", count=25, seed=newest, repositories=[slug], kinds=kinds)
    truth = truth_of(client, here)

    held |= {one.number: one for one in read(api, here, "pull-requests", since=since)}
    refs = {one.remote_id: one.target for one in read(api, here, "branches")}
    heads = tuple(dict.fromkeys(refs.values()))
    fresh = read(api, here, "commits", commits=heads, known=known[:20])

    is_equal(api, here, truth, held)
    assert commits | {one.remote_id for one in fresh} >= {one["hash"] for one in truth["commits"]}


def test_nothing_new_costs_a_page_of_each_list(api, here, client):
    """Pull requests cost another page of those that are open, where not all fit on one."""
    heads = tuple(one.target for one in read(api, here, "branches"))
    main = next(one.target for one in read(api, here, "branches") if one.is_main)
    known = tuple(one.remote_id for one in read(api, here, "commits", commits=(main,))[:20])
    client.control("DELETE", "/requests")

    assert read(api, here, "commits", commits=(main,), known=known) == []
    assert len(read(api, here, "pull-requests", since=datetime.now(UTC))) > 100
    assert len(read(api, here, "branches")) >= len(set(heads))
    asked = [one["path"].removeprefix(f"{REPOS}/billing-api/") for one in client.requests()]

    assert asked == ["commits", "pull-requests", "pull-requests", "branches", "tags"]


def test_a_branch_that_parted_long_ago_does_not_cost_the_whole_history(api, here, client):
    """The server takes one commit to leave out; a nearer one that is known replaces it."""
    do(client, here, "/push", commits=300)
    main = next(one for one in read(api, here, "branches") if one.is_main)
    before = read(api, here, "commits", commits=(main.target,))
    old = do(client, here, "/push", branch="old", commits=1, **{"from": before[-1].remote_id})
    do(client, here, "/push", branch=main.name, commits=2)
    known = (old["changes"][0]["new"], main.target)
    tip = truth_of(client, here)["branches"][main.name]
    client.control("DELETE", "/requests")

    fresh = read(api, here, "commits", commits=(tip,), known=known)

    assert tip in {one.remote_id for one in fresh}
    assert len(before) > 400 and len(client.requests(f"{REPOS}/*")) == 2


def test_the_pull_requests_of_a_commit_and_who_merged(api, here, truth):
    merged = next(one for one in truth["pull_requests"] if one["merge_commit"])
    target = Target("commit-pulls", merged["commits"][0])

    (found,) = CONNECTOR.fetch(api, here, FIELDS, target).records
    number = str(merged["id"])
    (one,) = CONNECTOR.fetch(api, here, FIELDS, Target("pull-requests", number)).records

    assert found.said is PullsSaid.KNOWN and merged["id"] in found.numbers
    assert one.closed_by.remote_id == merged["closed_by"]
    assert CONNECTOR.fetch(api, here, FIELDS, Target("commit-pulls", "0" * 40)).records == ()


def test_a_branch_is_made_where_another_stands(api, here, client):
    name, tip = "feature/PAY-1-größe#2", truth_of(client, here)["branches"]["master"]
    made = CONNECTOR.make_branch(api, here, FIELDS, name=name, start="master")
    assert (made.name, made.target) == (name, tip)
    with pytest.raises(Refused, match="already exists"):
        CONNECTOR.make_branch(api, here, FIELDS, name=name, start="master")
    with pytest.raises(RemoteGone):
        CONNECTOR.make_branch(api, here, FIELDS, name="x", start="nowhere")


@pytest.mark.parametrize("iso", [False, True])
def test_what_hooks_tell_names_what_changed(api, here, client, iso):
    """Each delivery of a day's work is understood, and what it names is there to be fetched."""
    client.control("POST", "/data-center/switches", iso_dates=iso)
    project = Container(here.workspace)
    with Receiver() as receiver:
        events = tuple(event.key for event in CONNECTOR.manifest.hooks.events)
        wish = HookWish(receiver.url, events, "Portal", secret="s" * 32)
        made = CONNECTOR.make_hook(api, here, FIELDS, wish)
        whole = CONNECTOR.make_hook(api, project, FIELDS, wish)
        name = f"told-{iso}"
        do(client, here, "/push", branch=name, commits=7, **{"from": "master"})
        one = do(client, here, "/pull-requests", do="create", source=name, user="tomas")
        for deed in ("approve", "unapprove", "request_changes", "comment", "update", "merge"):
            do(client, here, "/pull-requests", do=deed, id=one["id"], user="dlevi", title="Anew")
        do(client, here, "/mirrors", too_much=iso)
        CONNECTOR.test_hook(api, here, FIELDS, made.remote_id, receiver.url)
        client.control("POST", "/webhooks/settle", seconds=10)
        got = [(one, CONNECTOR.read_event(one.headers, one.body)) for one in receiver.got]
        CONNECTOR.remove_hook(api, project, FIELDS, whole.remote_id)
        CONNECTOR.remove_hook(api, here, FIELDS, made.remote_id)

    told = [event for _, event in got if not event.ping]
    assert len(got) - len(told) == 1 and len(told) % 2 == 0, "one ping, all else for both hooks"
    assert all(event.known and event.repository == here.repository.remote_id for event in told)
    assert all(event.at and event.actor.remote_id for event in told)
    assert {event.kind for event in told} == {
        *(PUSH, "pr:opened", "pr:reviewer:approved", "pr:reviewer:unapproved", "pr:modified"),
        *("pr:reviewer:changes_requested", "pr:comment:added", "pr:merged"),
        "mirror:repo_synchronized",
    }
    lower = [{name.lower() for name in one.headers} for one, _ in got]
    assert all({"x-hub-signature", "x-request-id", "x-event-key"} <= names for names in lower)
    for target in {target for event in told for target in event.touches}:
        assert isinstance(CONNECTOR.fetch(api, here, FIELDS, target).records, tuple)


@pytest.mark.skipif(not openapi.DOCUMENT.exists(), reason="the vendor's document is not here")
def test_everything_that_is_asked_is_in_the_vendors_document(api, here, client):
    client.control("DELETE", "/requests")
    heads = tuple(one.target for one in read(api, here, "branches")[:2])
    for stream in CONNECTOR.streams:
        at = here if stream.level is Level.REPOSITORY else Container(here.workspace)
        asked = {"commits": heads, "known": heads[:1], "since": NEVER}
        for record in read(api, at, stream.key, **asked)[:1]:
            with suppress(ValueError):
                CONNECTOR.fetch(api, at, FIELDS, Target(stream.key, record.remote_id))
    CONNECTOR.fetch(api, here, FIELDS, Target("commit-pulls", heads[0]))
    for at in (here, Container(here.workspace)):
        CONNECTOR.hooks(api, at, FIELDS, None)

    rows = client.requests("/bitbucket/*")

    assert len(rows) > 15
    for row in rows:
        path = row["path"].removeprefix("/bitbucket/rest")
        _, described = openapi.operation(row["method"], path)
        known = {each["name"] for each in described.get("parameters", [])}
        if path.endswith("/webhooks"):
            known |= {"start", "limit"}  # "a page of webhooks", whose paging is left out
        assert {name for name, _ in parse_qsl(row["query"])} <= known, row
