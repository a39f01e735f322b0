"""The sandbox's REST API: who may see what, how lists are cut, how refusals are worded."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from integrations.sandbox.bitbucket_cloud import seed
from integrations.sandbox.running import Sandbox
from tests.integrations.sandboxed import Client, Reply, bearer, running

LACKS = "Your credentials lack one or more required privilege scopes."
REPOSITORY = "/repositories/acme/billing-api"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    client = Client(sandbox)
    client.control("POST", "/reset")
    return client


def everything(client: Client, path: str, name: str = "dana-full") -> list[dict[str, object]]:
    """Follow `next` to the end."""
    found, address = [], path
    while address:
        page = client.get(address, name).json
        found += page["values"]
        address = page.get("next", "")
    return found


class TestTheWorld:
    def test_depends_on_the_seed_alone(self) -> None:
        assert seed.build(7) == seed.build(7)
        assert seed.build(7) != seed.build(8)

    @pytest.mark.parametrize(
        ("name", "slugs"),
        [
            ("dana-full", ["acme", "fjord-lab", "yarden", "dana-levi"]),
            ("tomas-full", ["acme"]),
            ("nora-full", []),
            ("dana-one-workspace", ["fjord-lab"]),
        ],
    )
    def test_shows_each_person_their_workspaces(
        self, client: Client, name: str, slugs: list[str]
    ) -> None:
        values = client.get("/user/workspaces", name).json["values"]

        assert [value["workspace"]["slug"] for value in values] == slugs
        assert all(
            value["workspace"].keys() == {"type", "uuid", "slug", "links"} for value in values
        )

    def test_holds_awkward_names_and_empty_repositories(self, client: Client) -> None:
        found = everything(client, "/repositories/acme?pagelen=100")

        assert len(found) == 240
        names = [str(item["name"]) for item in found]
        assert any("<script>" in name for name in names)
        assert max(map(len, names)) > 250
        assert any(item["mainbranch"] is None for item in found)

    def test_grows_to_ten_thousand_and_shrinks(self, client: Client) -> None:
        client.control("POST", "/repositories", workspace="acme", count=10_000)
        assert client.get("/repositories/acme").json["size"] == 10_000

        client.control("POST", "/repositories", workspace="acme", count=5, delete=["billing-api"])
        assert client.get("/repositories/acme").json["size"] == 4

    def test_keeps_the_uuid_over_a_rename(self, client: Client) -> None:
        uuid = client.get(REPOSITORY).json["uuid"]
        client.control("POST", "/repositories", rename="billing-api", new_slug="new", name="New")

        assert client.get(REPOSITORY).status == 404
        assert client.get(f"/repositories/acme/{quote(uuid)}").json["full_name"] == "acme/new"

    def test_forgets_a_member_who_was_removed(self, client: Client) -> None:
        client.control("POST", "/members", workspace="acme", user="tomas", permission=None)

        assert client.get("/workspaces/acme", "tomas-full").status == 404


class TestCredentials:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("dana-full", "api_token"),
            ("acme-workspace", "workspace_access_token"),
            ("acme-payments", "project_access_token"),
            ("acme-repository", "repo_access_token"),
        ],
    )
    def test_are_named_in_headers(self, client: Client, name: str, kind: str) -> None:
        reply = client.get("/user", name)

        assert reply.headers["x-credential-type"] == kind
        assert reply.headers["x-oauth-scopes"]
        assert reply.headers["x-accepted-oauth-scopes"] == "account"
        assert reply.status == (200 if kind == "api_token" else 403)

    def test_collapse_implied_scopes_in_the_header(self, client: Client) -> None:
        headers = client.get("/workspaces/acme", "acme-repository").headers

        assert headers["x-oauth-scopes"] == "pipeline, pullrequest, webhook"

    @pytest.mark.parametrize("name", ["dana-app-password", "dana-expired", "dana-classic"])
    def test_that_are_dead_get_401(self, client: Client, name: str) -> None:
        reply = client.get("/user", name)

        assert reply.status == 401
        assert reply.headers["www-authenticate"] == 'Basic realm="Bitbucket.org HTTP"'
        assert "not supported for this endpoint" in reply.json["error"]["message"]

    def test_in_the_query_are_refused(self, client: Client) -> None:
        token = client.link()["access_token"]

        assert client.send("GET", f"/2.0/user?access_token={token}").status == 401

    def test_of_an_api_token_need_the_right_email(self, client: Client) -> None:
        row = client.static("dana-full")
        client.known["tokens"] = [{**row, "email": "tomas@acme.example"}]

        assert client.get("/user").status == 401

    def test_reach_no_further_than_their_project_or_repository(self, client: Client) -> None:
        of_project = everything(client, "/repositories/acme?pagelen=100", "acme-payments")
        private = [item for item in of_project if item["is_private"]]
        assert {item["project"]["key"] for item in private} == {"PAY"}  # type: ignore[index]

        other = "/repositories/acme/catalogue-gateway"
        assert client.get(REPOSITORY, "acme-repository").status == 200
        assert client.get(other, "acme-repository").status == 404

    def test_can_be_made_and_revoked(self, client: Client) -> None:
        made = client.control(
            "POST", "/tokens", user="dana", scopes=["read:user:bitbucket"], about="mine: new"
        ).json
        client.known["tokens"].append(made)
        assert client.get("/user", "mine").status == 200

        client.control("POST", "/tokens/revoke", name="mine")
        assert client.get("/user", "mine").status == 401


class TestRefusals:
    def test_name_the_missing_scopes(self, client: Client) -> None:
        reply = client.get(f"{REPOSITORY}/pullrequests", "dana-narrow")

        assert reply.status == 403
        assert reply.json["error"]["message"] == LACKS
        assert reply.json["error"]["detail"]["required"] == ["read:pullrequest:bitbucket"]
        assert "read:user:bitbucket" in reply.json["error"]["detail"]["granted"]

    def test_follow_a_change_of_the_grant(self, client: Client) -> None:
        answer = client.link()
        client.control("POST", "/grants/scopes", user="dana", scopes=["account"])

        reply = client.send("GET", "/2.0/repositories/acme", headers=bearer(answer))

        assert reply.json["error"]["detail"] == {"required": ["repository"], "granted": ["account"]}

    @pytest.mark.parametrize(
        "path",
        ["/workspaces", "/repositories", "/user/permissions/workspaces",
         "/user/permissions/repositories"],
    )  # fmt: skip
    def test_of_removed_endpoints_announce_the_change(self, client: Client, path: str) -> None:
        reply = client.get(path)

        assert reply.status == 410
        assert reply.json["error"]["message"].startswith("CHANGE-2770")
        assert reply.json["data"]["announcement_url"].endswith("#CHANGE-2770")

    @pytest.mark.parametrize("status", [404, 410])
    def test_of_native_issues_are_a_switch(self, client: Client, status: int) -> None:
        client.control("POST", "/switches", removed_status=status)

        assert client.get(f"{REPOSITORY}/issues").status == status

    def test_hide_what_may_not_be_seen(self, client: Client) -> None:
        missing = client.get("/repositories/dev/null")

        assert missing.json["error"]["message"] == "Repository dev/null not found"
        assert client.get("/repositories/yarden/billing-api", "tomas-full").status == 404
        assert client.get(f"{REPOSITORY}/pullrequests/9999").text == "Not Found"
        assert "no API hosted" in client.get("/nowhere").json["error"]["message"]

    def test_outside_2_0_are_plain(self, client: Client) -> None:
        reply = client.send("GET", "/user", headers=client.as_token("dana-full"))

        assert (reply.status, reply.json) == (403, {"message": "Forbidden"})


class TestLists:
    def test_have_opaque_next_links_and_a_last_page_without(self, client: Client) -> None:
        first = client.get("/repositories/yarden?pagelen=10").json
        assert "ctx=" in first["next"]
        assert "page=" not in first["next"]

        last = client.get(first["next"]).json
        assert "next" not in last
        assert len(last["values"]) == first["size"] - 10

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            (f"{REPOSITORY}/pullrequests?pagelen=51", "Invalid pagelen"),
            ("/repositories/acme?pagelen=101", "Invalid pagelen"),
            ("/repositories/acme?pagelen=0", "Invalid pagelen"),
            ("/repositories/acme?page=999", "Invalid page"),
            ("/repositories/acme?page=x", "Invalid page"),
            ("/repositories/acme?ctx=AAAA", "Invalid page"),
        ],
    )
    def test_refuse_bad_pages(self, client: Client, path: str, message: str) -> None:
        reply = client.get(path)

        assert (reply.status, reply.json["error"]["message"]) == (400, message)

    @pytest.mark.parametrize(
        "q",
        [
            'slug = "billing-api"',
            'name ~ "BILLING" AND project.key = "PAY" AND size > 1',
            '(slug="billing-api" OR slug="nothing") AND is_private=true',
            'slug IN ("billing-api", "nothing")',
        ],
    )
    def test_filter(self, client: Client, q: str) -> None:
        values = client.get(f"/repositories/acme?q={quote(q)}").json["values"]

        assert "billing-api" in [value["slug"] for value in values]
        assert len(values) < 10

    def test_find_what_changed_since(self, client: Client) -> None:
        client.control("POST", "/repositories", touch=["billing-api"])
        q = quote("updated_on>2026-11-20T17:00:00+00:00")

        values = client.get(f"/repositories/acme?q={q}&sort=-updated_on").json["values"]

        assert [value["slug"] for value in values] == ["billing-api"]

    @pytest.mark.parametrize("q", ['colour="red"', "name ~", "(name=1", 'name "x"', "size > ?"])
    def test_refuse_filters_they_cannot_read(self, client: Client, q: str) -> None:
        assert client.get(f"/repositories/acme?q={quote(q)}").status == 400

    def test_sort_by_one_field(self, client: Client) -> None:
        values = client.get("/repositories/acme?sort=-size&pagelen=50").json["values"]

        sizes = [value["size"] for value in values]
        assert sizes == sorted(sizes, reverse=True)

    def test_answer_in_part(self, client: Client) -> None:
        page = client.get("/repositories/acme?fields=values.uuid,values.project.key,next").json

        assert page.keys() == {"values", "next"}
        assert page["values"][0].keys() == {"uuid", "project"}
        without = client.get("/repositories/acme?fields=-values.links").json["values"][0]
        assert "links" not in without
        assert "uuid" in without

    def test_know_roles(self, client: Client) -> None:
        sizes = [
            client.get(f"/repositories/acme?role={role}", "tomas-full").json["size"]
            for role in ("member", "contributor", "admin", "owner")
        ]

        assert sizes[0] > sizes[1] > sizes[2] == sizes[3] == 0


class TestConditionsAndBudgets:
    def test_an_unchanged_answer_is_304(self, client: Client) -> None:
        first = client.get(REPOSITORY)

        again = client.get(REPOSITORY, **{"If-None-Match": first.headers["etag"]})

        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]

    def test_a_304_is_free_where_so_switched(self, client: Client) -> None:
        etag = client.get(REPOSITORY).headers["etag"]
        client.control("POST", "/switches", rate_limit=2, not_modified_counts=False)

        for _ in range(3):
            assert client.get(REPOSITORY, **{"If-None-Match": etag}).status == 304
        assert client.get(REPOSITORY).status == 200
        assert client.get(REPOSITORY, **{"If-None-Match": etag}).status == 429

    def spend(self, client: Client, times: int, name: str = "dana-full") -> Reply:
        for _ in range(times):
            reply = client.get(REPOSITORY, name)
        return reply

    def test_a_spent_budget_is_plain_text_until_the_hour_rolls_on(self, client: Client) -> None:
        client.control("POST", "/switches", rate_limit=3)
        assert self.spend(client, 3).status == 200

        refused = self.spend(client, 1)
        assert refused.status == 429
        assert refused.text == "Rate limit for this resource has been exceeded"
        assert refused.headers["content-type"] == "text/plain"
        assert "retry-after" not in refused.headers
        assert client.get("/user").status == 200  # another resource
        assert client.get(REPOSITORY, "tomas-full").status == 200  # another person

        client.control("POST", "/clock", advance=3601)
        assert self.spend(client, 1).status == 200

    def test_the_json_variant_says_when(self, client: Client) -> None:
        client.control("POST", "/switches", rate_limit=1, rate_limit_answer="json")

        assert self.spend(client, 2).headers["retry-after"] == "120"

    def test_scaled_budgets_are_in_headers(self, client: Client) -> None:
        client.control("POST", "/switches", rate_limit=4)
        headers = self.spend(client, 1, "acme-workspace").headers

        assert headers["x-ratelimit-limit"] == str(4 + 10 * 50)
        assert headers["x-ratelimit-nearlimit"] == "false"
        assert "x-ratelimit-limit" not in self.spend(client, 1).headers

    def test_nobody_gets_sixty(self, client: Client) -> None:
        headers = client.get("/repositories/acme", "").headers

        assert headers["x-ratelimit-limit"] == "60, 60;w=3600"
        assert headers["x-credential-type"] == "unauthenticated_identity"
        assert all(
            not value["is_private"] for value in client.get("/repositories/acme", "").json["values"]
        )
