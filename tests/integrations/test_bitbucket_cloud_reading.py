"""Bitbucket Cloud's JSON becomes records: what is kept, what is set aside, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from connections.contracts import Answer, Ask, Container, Page, WorkspaceRecord
from connections.errors import AccessDenied, UnexpectedResponse
from integrations import bitbucket
from integrations.bitbucket_cloud import CONNECTOR, reading, sync

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "integrations/bitbucket_cloud/fixtures"
SAMPLES = ROOT.parent / "shared/samples/bitbucket-cloud/api"
ACME = WorkspaceRecord(
    remote_id="{11111111-aaaa-4bbb-8ccc-000000000001}", slug="acme", name="Acme Engineering"
)
FIELDS = urlencode({"fields": sync.named_fields(sync.REPOSITORY)})
OAUTH = CONNECTOR.manifest.method("oauth")


def raw(name: str, folder: Path = FIXTURES) -> object:
    return json.loads((folder / f"{name}.json").read_text())


def answer(body: object) -> Answer:
    return Answer(200, {}, body, "GET /2.0/x", 0.01)


class Recorded:
    """An Api over recorded bodies: path → body; keeps the paths that were asked."""

    def __init__(self, bodies: dict[str, object]) -> None:
        self.bodies, self.asked = bodies, []

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
        self.asked.append(path)
        return answer(self.bodies[path])


def repositories(body: object, workspace: WorkspaceRecord = ACME) -> Page:
    api = Recorded({f"repositories/acme?pagelen=100&{FIELDS}": body})
    return sync.repositories(api, Container(workspace), {}, Ask())


def workspaces(body: object, **more: object) -> Page:
    named = {
        "workspaces/acme": raw("workspace__team"),
        "workspaces/dana-levi": raw("workspace__personal"),
    }
    return CONNECTOR.workspaces(
        Recorded({"user/workspaces?pagelen=100": body, **named, **more}), {}, OAUTH, None
    )


class TestRepositories:
    def test_a_page_becomes_records(self):
        page = repositories(raw("repositories__page"))

        first, empty, public = page.records
        assert (first.slug, first.main_branch, first.private) == ("payments-api", "main", True)
        assert first.url == "https://bitbucket.org/acme/payments-api"
        assert first.project_remote_id == "{44444444-aaaa-4bbb-8ccc-000000000004}"
        assert first.workspace_remote_id == ACME.remote_id
        assert first.updated_at == datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
        assert (empty.main_branch, empty.size_bytes) == ("", 0)
        assert (public.private, public.name) == (False, "אתר ציבורי")
        assert (page.total, page.rejected) == (204, ())

    def test_the_checkpoint_is_the_vendors_own_link(self):
        link = raw("repositories__page")["next"]
        api = Recorded({link: raw("repositories__bad_items")})

        assert repositories(raw("repositories__page")).checkpoint == link
        assert sync.repositories(api, Container(ACME), {}, Ask(link)).checkpoint is None
        assert api.asked == [link]

    def test_p42_a_bad_item_is_set_aside_and_the_rest_is_kept(self):
        page = repositories(raw("repositories__bad_items"))

        assert [record.slug for record in page.records] == ["payments-api", "fine"]
        assert [(r.label, r.reason) for r in page.rejected] == [
            ("acme/no-uuid", "uuid is missing or malformed"),
            ("acme/null-name", "name is missing"),
            ("str", "the item is not an object"),
            ("NoneType", "the item is not an object"),
            ("acme/wrong-types", "uuid is missing or malformed"),
        ]

    def test_p49_another_workspaces_repository_refuses_the_page(self):
        with pytest.raises(UnexpectedResponse, match="another workspace"):
            repositories(raw("repositories__another_workspace"))

    def test_p49_an_answer_from_before_workspaces_is_judged_by_its_full_name(self):
        old = {"values": [raw("repository__before_workspaces")]}

        assert repositories(old).records[0].workspace_remote_id == ""
        with pytest.raises(UnexpectedResponse):
            repositories({"values": [{**old["values"][0], "full_name": "globex/stash-plugin"}]})

    def test_a_renamed_workspace_is_still_the_same(self):
        page = raw("repositories__page")
        for item in page["values"]:
            item["full_name"] = item["full_name"].replace("acme/", "acme-renamed/")

        assert len(repositories(page).records) == 3

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(None, id="P03"),
            pytest.param([], id="P07-array"),
            pytest.param("text", id="P07-string"),
            pytest.param({}, id="P41-missing"),
            pytest.param({"values": None}, id="P41-null"),
            pytest.param({"values": {"a": 1}}, id="P41-object"),
            pytest.param({"values": [], "next": 7}, id="next-number"),
            pytest.param({"values": [], "next": "/2.0/x"}, id="next-relative"),
            pytest.param({"values": [], "next": "javascript:alert(1)"}, id="next-script"),
            pytest.param({"values": [], "next": "https://[::"}, id="next-broken"),
            pytest.param({"values": [], "next": "https://a.example/" + "x" * 5000}, id="next-long"),
        ],
    )
    def test_p41_a_page_of_another_shape_is_refused(self, body):
        with pytest.raises(UnexpectedResponse):
            repositories(body)

    @pytest.mark.parametrize("end", [{}, {"next": None}, {"next": ""}])
    def test_the_last_page_has_no_next(self, end):
        assert repositories({"values": [], **end}).checkpoint is None

    def test_a_repository_token_reads_its_one_repository(self):
        one = raw("repositories__page")["values"][0]
        api = Recorded({"repositories/acme/payments-api": one})
        fields = {"workspace": "acme", "repository": "payments-api"}

        page = sync.repositories(api, Container(ACME), fields, Ask())

        assert ([r.slug for r in page.records], page.total) == (["payments-api"], 1)

    def test_a_project_token_lists_its_project_only(self):
        path = f"repositories/acme?pagelen=100&q=project.key%3D%22PAY%22&{FIELDS}"
        api = Recorded({path: raw("repositories__page")})

        sync.repositories(api, Container(ACME), {"workspace": "acme", "project": "PAY"}, Ask())

        assert api.asked == [path]

    def test_what_changed_is_asked_for_in_an_order_that_stays(self):
        since = datetime(2026, 11, 1, 12, tzinfo=UTC)
        changed = "updated_on%3E2026-11-01T12%3A00%3A00%2B00%3A00"
        path = f"repositories/acme?pagelen=100&sort=created_on&q={changed}&{FIELDS}"
        api = Recorded({path: raw("repositories__page")})

        assert sync.repositories(api, Container(ACME), {}, Ask(since=since)).records

    @pytest.mark.parametrize("slug", ["..", ".", ""])
    def test_a_slug_cannot_change_the_path(self, slug):
        with pytest.raises(UnexpectedResponse):
            sync.repositories(Recorded({}), Container(replace(ACME, slug=slug)), {}, Ask())
        assert bitbucket.segment("a/../b?c#d") == "a%2F..%2Fb%3Fc%23d"


class TestProjectsAndMembers:
    def test_projects(self):
        api = Recorded({"workspaces/acme/projects?pagelen=100": raw("projects__page")})

        first, second = sync.projects(api, Container(ACME), {}, Ask()).records

        assert (first.key, first.name, first.private) == ("PAY", "Payments", True)
        assert (second.key, second.private) == ("OPEN", False)

    def test_members_with_and_without_a_permission(self):
        path = "workspaces/acme/permissions?pagelen=100"
        api = Recorded({path: raw("members__page")})

        dana, tomas = sync.members(api, Container(ACME), {}, Ask()).records

        assert (dana.name, dana.permission) == ("Dana Levi דנה", "")
        assert (tomas.name, tomas.permission) == ("tomas", "owner")

    def test_members_are_listed_without_where_permissions_are_closed(self):
        class Closed(Recorded):
            def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
                if "/permissions" in path:
                    raise AccessDenied
                return super().get(path, accept=accept)

        bodies = {"workspaces/acme/members?pagelen=100": raw("members__page")}

        assert len(sync.members(Closed(bodies), Container(ACME), {}, Ask()).records) == 2
        assert len(
            sync.members(Recorded(bodies), Container(ACME), {"workspace": "acme"}, Ask()).records
        )

    def test_p49_members_of_another_workspace_refuse_the_page(self):
        api = Recorded({"workspaces/other/permissions?pagelen=100": raw("members__page")})
        other = replace(ACME, remote_id="{0}", slug="other")

        with pytest.raises(UnexpectedResponse):
            sync.members(api, Container(other), {}, Ask())


class TestWorkspaces:
    def test_names_are_fetched_one_by_one(self):
        team, personal = workspaces(raw("user_workspaces__page")).records

        assert (team.name, team.administrator, team.personal) == ("Acme Engineering", True, False)
        assert (personal.slug, personal.personal) == ("dana-levi", True)
        assert personal.url == "https://bitbucket.org/dana-levi/"

    def test_the_shape_of_the_removed_listing_is_refused(self):
        with pytest.raises(UnexpectedResponse, match="workspace_access"):
            workspaces(raw("user_workspaces__removed_shape"))

    def test_p42_one_bad_workspace_does_not_hide_the_others(self):
        page = raw("user_workspaces__page")
        page["values"][0]["administrator"] = None

        found = workspaces(page)

        assert [record.slug for record in found.records] == ["dana-levi"]
        assert found.rejected[0].reason == "administrator is not true or false"

    def test_p49_a_name_of_another_workspace_is_refused(self):
        with pytest.raises(UnexpectedResponse):
            workspaces(
                raw("user_workspaces__page"), **{"workspaces/acme": raw("workspace__personal")}
            )


class TestSmallThings:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2015-10-05T01:11:48.096116Z", datetime(2015, 10, 5, 1, 11, 48, 96116, tzinfo=UTC)),
            ("2018-04-01T16:36:35+00:00", datetime(2018, 4, 1, 16, 36, 35, tzinfo=UTC)),
            ("2018-04-01T18:36:35+02:00", datetime(2018, 4, 1, 16, 36, 35, tzinfo=UTC)),
            ("0001-01-01T00:00:00+14:00", None),
            ("9999-12-31T23:59:59-05:00", None),
            ("9999-12-31T23:59:59Z", None),
            ("yesterday", None),
            (1525192595000, None),
            (None, None),
        ],
    )
    def test_both_date_shapes_are_read_and_others_are_none(self, text, moment):
        assert bitbucket.iso_moment(text) == moment

    def test_text_cannot_carry_what_a_page_or_table_cannot(self):
        item = {**raw("workspace__team"), "name": "a\x00b\u202e\ud800 c\r\nd \u200d"}

        assert reading.workspace(item).name == "ab c d \u200d"

    def test_an_address_becomes_a_link_only_when_it_is_https(self):
        item = {**raw("workspace__team"), "links": {"html": {"href": "javascript:alert(1)"}}}

        assert reading.workspace(item).url == ""

    @pytest.mark.parametrize("size", [-1, 2**63, True, "12", 1.5])
    def test_a_size_that_is_no_number_of_bytes_is_unknown(self, size):
        item = {**raw("repository__before_workspaces"), "size": size}

        assert reading.repository(item).size_bytes is None

    def test_a_million_characters_become_few(self):
        item = {**raw("repository__before_workspaces"), "name": "x" * 1_000_000}

        assert len(reading.repository(item).name) == 300


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the folder of real payloads is not here")
class TestRealPayloads:
    def test_a_repository_and_a_page_of_them(self):
        one = bitbucket.one(answer(raw("goscm_repo", SAMPLES)), reading.repository)
        page = reading.page(answer(raw("goscm_repos", SAMPLES)), reading.repository)

        assert one == page.records[0]
        assert (one.full_name, one.main_branch) == ("atlassian/stash-example-plugin", "master")
        assert one.updated_at == datetime(2018, 4, 1, 16, 36, 35, 970175, tzinfo=UTC)
        assert page.checkpoint.startswith("https://api.bitbucket.org/")

    def test_a_user(self):
        account = reading.account(raw("goscm_user", SAMPLES))

        assert account.remote_id == "{87bb15eb-47c1-49b3-9f16-ca824a2979a4}"
        assert (account.kind, account.url) == ("user", "https://bitbucket.org/brydzewski/")

    def test_the_workspaces_of_the_wrong_shape_are_refused(self):
        with pytest.raises(UnexpectedResponse):
            workspaces(raw("goscm_user_workspaces", SAMPLES))

    @pytest.mark.parametrize("name", ["branches", "commits", "hooks", "prs", "statuses"])
    def test_the_envelope_of_every_list_is_read(self, name):
        body = answer(raw(f"goscm_{name}", SAMPLES))

        assert len(bitbucket.items(body)) == 1
        assert reading.next_page(body) is None or reading.next_page(body).startswith("https://")

    @pytest.mark.parametrize("name", ["error", "hook", "pr", "repo", "status", "user"])
    def test_what_is_no_list_is_not_taken_for_one(self, name):
        with pytest.raises(UnexpectedResponse):
            bitbucket.items(answer(raw(f"goscm_{name}", SAMPLES)))
