"""What the sandbox's repositories hold, how people change it, and what the truth says of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from urllib.parse import quote

import pytest

from integrations.sandbox.bitbucket_cloud import seed
from integrations.sandbox.code.library import REMEMBERED, Library
from integrations.sandbox.code.planting import plant
from integrations.sandbox.running import Sandbox
from tests.integrations.sandboxed import Client, running

NAME = "delivery-gateway"
REPOSITORY = f"/repositories/acme/{NAME}"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    client = Client(sandbox)
    client.control("POST", "/reset")
    return client


def everything(client: Client, path: str) -> list:
    """Follow `next` to the end, by the largest pages there are."""
    found, address = [], path
    while address:
        page = client.get(address).json
        found += page["values"]
        address = page.get("next", "")
    return found


def truth(client: Client, name: str = NAME) -> dict:
    return client.control("GET", f"/truth?workspace=acme&repository={name}").json


def do(client: Client, path: str, **wish: object) -> dict:
    reply = client.control("POST", path, **{"repository": NAME, **wish})
    assert reply.status == 200, reply.text
    return reply.json


class TestTheContents:
    def test_are_the_same_each_time_and_forgotten_unless_changed(self) -> None:
        world = seed.build(7)
        acme, library = world.workspaces["acme"], Library(partial(plant, world))
        first = library.read(acme, acme.repositories[0])
        kept = library.change(acme, acme.repositories[1])

        for repository in acme.repositories[2 : REMEMBERED + 3]:
            library.read(acme, repository)

        again = library.read(acme, acme.repositories[0])
        assert again is not first
        assert again == first
        assert library.read(acme, acme.repositories[1]) is kept

    def test_agree_with_each_other(self, client: Client) -> None:
        held = truth(client, "billing-api")
        commits = {one["hash"] for one in held["commits"]}

        assert set(held["branches"].values()) <= commits
        assert {p for one in held["commits"] for p in one["parents"]} <= commits
        for one in held["pull_requests"]:
            assert one["state"] != "MERGED" or one["merge_commit"] in commits
            assert one["state"] != "OPEN" or held["branches"][one["source"]] == one["source_hash"]
        built = {one["uuid"] for one in held["pipelines"]}
        assert {one["pipeline"] for one in held["deployments"]} <= built
        assert any(not one["author"] for one in held["commits"])

    @pytest.mark.parametrize(
        ("path", "part"),
        [
            ("refs/branches?pagelen=100", "branches"),
            ("refs/tags", "tags"),
            ("commits?pagelen=100", "commits"),
            ("pullrequests?state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED&pagelen=50",
             "pull_requests"),
            ("pipelines?pagelen=100", "pipelines"),
            ("environments", "environments"),
            ("deployments?pagelen=100", "deployments"),
            ("hooks", "hooks"),
        ],
    )  # fmt: skip
    def test_are_what_the_api_says(self, client: Client, path: str, part: str) -> None:
        shown = everything(client, f"/repositories/acme/billing-api/{path}")

        assert len(shown) == len(truth(client, "billing-api")[part]) > 0


class TestCommits:
    def test_have_neither_size_nor_page_number(self, client: Client) -> None:
        page = client.get(f"{REPOSITORY}/commits").json

        assert page.keys() == {"values", "pagelen", "next"}
        assert page["pagelen"] == 30

    def test_can_be_included_and_excluded(self, client: Client) -> None:
        do(client, "/push", branch="feature/new thing", commits=2)
        main = truth(client)["repository"]["mainbranch"]

        new = everything(client, f"{REPOSITORY}/commits/feature/new%20thing?exclude={main}")
        posted = client.send(
            "POST",
            f"/2.0{REPOSITORY}/commits",
            headers={
                **client.as_token("dana-full"),
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=f"include=feature%2Fnew+thing&exclude={main}".encode(),
        ).json["values"]

        assert len(new) == 2
        assert [one["hash"] for one in posted] == [one["hash"] for one in new]
        assert client.get(f"{REPOSITORY}/commits?exclude=nothing").status == 404

    def test_know_their_pull_requests_when_indexed(self, client: Client) -> None:
        merged = next(p for p in truth(client)["pull_requests"] if p["state"] == "MERGED")
        path = f"{REPOSITORY}/commit/{merged['commits'][0]}/pullrequests"

        assert [one["id"] for one in client.get(path).json["values"]] == [merged["id"]]
        client.control("POST", "/switches", commit_links="indexing")
        assert (client.get(path).status, client.get(path).json["values"]) == (202, [])
        client.control("POST", "/switches", commit_links="absent")
        assert client.get(path).status == 404


class TestPushes:
    def test_move_refs_and_the_repository(self, client: Client) -> None:
        before = truth(client)
        main = before["repository"]["mainbranch"]

        done = do(client, "/push", changes=[{"commits": 3}, {"tag": "v9", "message": "Nine"},
                                            {"branch": "b", "commits": 0}])  # fmt: skip

        after = truth(client)
        assert after["branches"][main] == done["changes"][0]["new"]
        assert len(after["commits"]) == len(before["commits"]) + 3
        assert after["branches"]["b"] == after["branches"][main]
        assert after["repository"]["updated_on"] > before["repository"]["updated_on"]
        assert client.get(f"{REPOSITORY}/refs/tags/v9").json["message"] == "Nine"

    def test_by_force_lose_commits_that_are_still_found_by_hash(self, client: Client) -> None:
        lost = do(client, "/push", commits=1)["changes"][0]["new"]

        forced = do(client, "/push", force=1, commits=1)["changes"][0]

        assert forced["forced"]
        assert lost not in {one["hash"] for one in truth(client)["commits"]}
        assert client.get(f"{REPOSITORY}/commit/{lost[:12]}").json["hash"] == lost

    def test_fill_an_empty_repository(self, client: Client) -> None:
        client.control("POST", "/repositories", create="fresh")
        assert client.get("/repositories/acme/fresh").json["mainbranch"] is None

        do(client, "/push", repository="fresh", branch="trunk", commits=["First\n"])

        assert client.get("/repositories/acme/fresh").json["mainbranch"]["name"] == "trunk"

    def test_are_made_by_bots_and_strangers_too(self, client: Client) -> None:
        wish = {"app": "Renovate", "commits": 1}
        for author, known in (("Tomás <tomas@acme.example>", True), ("Old <a@b.c>", False)):
            mark = do(client, "/push", author=author, **wish)["changes"][0]["new"]
            shown = client.get(f"{REPOSITORY}/commit/{mark}").json["author"]
            assert ("user" in shown) is known
        status = do(client, "/statuses", key="bot", app="Renovate")
        assert status["state"] == "SUCCESSFUL"

        q = quote('user.email IN ("tomas@acme.example", "a@b.c")')
        found = client.get(f"/workspaces/acme/members?q={q}").json["values"]
        assert [one["user"]["nickname"] for one in found] == ["tomas"]


class TestPullRequests:
    @pytest.fixture
    def one(self, client: Client) -> dict:
        do(client, "/push", branch="work", commits=2)
        return do(client, "/pull-requests", do="create", source="work", title="Work",
                  reviewers=["tomas"])  # fmt: skip

    def test_are_reviewed_and_merged(self, client: Client, one: dict) -> None:
        path = f"{REPOSITORY}/pullrequests/{one['id']}"
        do(client, "/pull-requests", do="request_changes", id=one["id"], user="tomas")
        assert client.get(path).json["participants"][0]["state"] == "changes_requested"
        do(client, "/pull-requests", do="approve", id=one["id"], user="tomas")
        do(client, "/pull-requests", do="comment", id=one["id"], user="dana-too", text="Fine")

        merged = do(client, "/pull-requests", do="merge", id=one["id"], user="dana")

        shown, log = client.get(path).json, everything(client, f"{path}/activity?pagelen=50")
        assert shown["state"] == "MERGED"
        assert merged["merge_commit"].startswith(shown["merge_commit"]["hash"])
        assert shown["participants"][0]["approved"]
        assert shown["comment_count"] == 1
        assert [next(k for k in line if k != "pull_request") for line in log] == [
            "update", "comment", "approval", "changes_requested", "update",
        ]  # fmt: skip
        assert "work" not in truth(client)["branches"]
        assert client.control("POST", "/pull-requests", repository=NAME, do="approve",
                              id=one["id"]).status == 400  # fmt: skip

    def test_follow_their_branch(self, client: Client, one: dict) -> None:
        tip = do(client, "/push", branch="work", commits=1)["changes"][0]["new"]

        shown = client.get(f"{REPOSITORY}/pullrequests/{one['id']}").json
        commits = everything(client, f"{REPOSITORY}/pullrequests/{one['id']}/commits")

        assert tip.startswith(shown["source"]["commit"]["hash"])
        assert len(commits) == 3
        assert shown["updated_on"] > one["updated_on"]

    def test_leave_reviewers_out_of_lists_unless_asked(self, client: Client, one: dict) -> None:
        plain = client.get(f"{REPOSITORY}/pullrequests").json["values"][0]
        more = client.get(f"{REPOSITORY}/pullrequests?fields=%2Bvalues.reviewers").json
        only = client.get(f"{REPOSITORY}/pullrequests?fields=values.id,values.participants").json

        assert not {"reviewers", "participants"} & plain.keys()
        assert len(more["values"][0]["reviewers"]) == 1
        assert "participants" not in more["values"][0]
        assert only["values"][0].keys() == {"id", "participants"}

    def test_are_found_by_state_and_time(self, client: Client, one: dict) -> None:
        since = quote(f'updated_on>={one["updated_on"]} AND state="OPEN"')
        merged = quote('state="MERGED" AND updated_on>2020-01-01')
        path = f"{REPOSITORY}/pullrequests"

        assert [p["id"] for p in everything(client, f"{path}?q={since}")] == [one["id"]]
        states = {p["state"] for p in everything(client, f"{path}?q={merged}&pagelen=50")}
        assert states == {"MERGED"}
        client.control("POST", "/switches", q_replaces_state=False)
        assert everything(client, f"{path}?q={merged}") == []

    @pytest.mark.parametrize("moves", [True, False])
    def test_move_the_repository_where_so_switched(
        self, client: Client, one: dict, moves: bool
    ) -> None:
        client.control("POST", "/switches", pull_requests_move_repository=moves)
        before = client.get(REPOSITORY).json["updated_on"]

        do(client, "/pull-requests", do="comment", id=one["id"])

        assert (client.get(REPOSITORY).json["updated_on"] > before) is moves


class TestBuilds:
    def test_pipelines_put_statuses_on_their_commit(self, client: Client) -> None:
        ran = do(client, "/pipelines", running=True, user="tomas")
        path = f"{REPOSITORY}/commit/{ran['commit']}/statuses"
        key = f"PIPELINE-{ran['build_number']}"
        assert client.get(f"{path}/build/{key}").json["state"] == "INPROGRESS"

        do(client, "/pipelines", pipeline=ran["build_number"], result="ERROR")
        do(client, "/deployments", pipeline=ran["build_number"], environment="Moon")

        assert client.get(f"{path}/build/{key}").json["state"] == "FAILED"
        shown = client.get(f"{REPOSITORY}/pipelines/{quote(ran['uuid'])}").json
        assert shown["state"]["result"]["name"] == "ERROR"
        newest = client.get(f"{REPOSITORY}/deployments").json["values"][0]
        assert newest["environment"]["name"] == "Moon"
        assert newest["release"]["commit"]["hash"] == ran["commit"]

    def test_pipelines_are_filtered_without_q(self, client: Client) -> None:
        ran = do(client, "/pipelines", result="FAILED", branch="", user="dana-too")
        wanted = f"target.commit.hash={ran['commit']}&status=FAILED&sort=-created_on"

        found = everything(client, f"{REPOSITORY}/pipelines?{wanted}")
        later = everything(client, f"{REPOSITORY}/pipelines?created_on=2030-01-01")

        assert found[0]["build_number"] == ran["build_number"]
        assert later == []


class TestAdministration:
    def test_a_transfer_keeps_everything_but_the_place(self, client: Client) -> None:
        before = truth(client)
        client.control("POST", "/repositories", transfer=NAME, to="fjord-lab")

        assert client.get(REPOSITORY).status == 404
        moved = client.control("GET", f"/truth?workspace=fjord-lab&repository={NAME}").json
        assert moved["repository"]["uuid"] == before["repository"]["uuid"]
        assert moved["pull_requests"] == before["pull_requests"]

    def test_grants_count_at_once(self, client: Client) -> None:
        for permission, status in (("none", 404), ("read", 200)):
            do(client, "/permissions", user="tomas", permission=permission)
            assert client.get(REPOSITORY, "tomas-full").status == status
        do(client, "/permissions", group="developers", permission="none")
        do(client, "/permissions", user="tomas", permission=None)

        shown = client.get("/repositories/acme?pagelen=100&sort=slug", "tomas-full").json["values"]
        assert NAME not in [one["slug"] for one in shown]
        rows = truth(client)["permissions"]
        assert "developers" not in rows["groups"]
        effective = client.get(f"/workspaces/acme/permissions/repositories/{NAME}").json
        assert effective["size"] == len(rows["effective"]) == 2

    def test_random_activity_is_repeatable_and_listed(self, client: Client) -> None:
        first = client.control("POST", "/activity", count=25, seed=5).json["changes"]
        client.control("POST", "/reset")
        again = client.control("POST", "/activity", count=25, seed=5).json["changes"]

        assert len(first) == 25
        assert [(c["kind"], c["repository"], c["user"]) for c in first] == [
            (c["kind"], c["repository"], c["user"]) for c in again
        ]
        assert len({c["kind"] for c in first}) > 5
