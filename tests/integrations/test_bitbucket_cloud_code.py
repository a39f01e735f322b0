"""Bitbucket Cloud's JSON of code becomes records, and no more is asked for than is needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from connections.contracts import (
    Answer,
    Ask,
    BuildState,
    Container,
    HookWish,
    Page,
    Participation,
    Person,
    PullsSaid,
    PullState,
    RepositoryRecord,
    Target,
    Verdict,
    WorkspaceRecord,
)
from connections.errors import EndpointRemoved, RemoteGone, UnexpectedResponse
from integrations.bitbucket_cloud import CONNECTOR, client

FIXTURES = Path(__file__).parents[2] / "integrations/bitbucket_cloud/fixtures"
REPO = RepositoryRecord(
    remote_id="{55555555-aaaa-4bbb-8ccc-000000000001}",
    slug="payments-api",
    name="Payments API",
    full_name="acme/payments-api",
    url="https://bitbucket.org/acme/payments-api",
    main_branch="main",
)
WORKSPACE = WorkspaceRecord("{11111111-aaaa-4bbb-8ccc-000000000001}", "acme", "Acme")
HERE = Container(WORKSPACE, REPO)
ROOT = "repositories/acme/payments-api"
A, B, M = "a1" * 20, "b2" * 20, "c3" * 20
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
STREAMS = {stream.key: stream for stream in CONNECTOR.streams}
EMPTY = {"values": []}


def raw(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


class Recorded:
    """An Api over recorded bodies by path without query; judges as the real one does."""

    def __init__(self, **bodies: Any) -> None:
        self.bodies = {path.replace("__", "/"): body for path, body in bodies.items()}
        self.asked: list[str] = []

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
        self.asked.append(path)
        plain = path.partition("?")[0].removeprefix(ROOT + "/")
        body = self.bodies.get(plain, 404)
        if callable(body):
            body = body(path)
        status, body = body if isinstance(body, tuple) else (200, body)
        if body == 404:
            status, body = 404, {"error": {"message": "Not found"}}
        answer = Answer(status, {}, body, "GET /2.0/x", 0.01)
        wrong = None if status in accept else client.judge(answer)
        if wrong is not None:
            raise wrong
        return answer

    @property
    def queries(self) -> list[dict[str, list[str]]]:
        return [parse_qs(path.partition("?")[2]) for path in self.asked]


def page(stream: str, api: Recorded, **ask: Any) -> Page:
    return STREAMS[stream].page(api, HERE, {}, Ask(**ask))


def fetched(api: Recorded, stream: str, key: str) -> Page:
    return CONNECTOR.fetch(api, HERE, {}, Target(stream, key))


class TestRefs:
    def test_branches_and_tags_come_from_one_list(self):
        api = Recorded(refs=raw("refs__page"))

        found = page("branches", api)

        assert [(one.remote_id, one.target) for one in found.records] == [
            ("branch:main", A),
            ("branch:feature/umlaut-ä", B),
            ("tag:v1.0", "d4" * 20),
        ]
        assert found.records[1].committed_at == datetime(2026, 11, 2, 8, tzinfo=UTC)
        assert [each.remote_id for each in found.rejected] == ["branch:no-target"]
        assert len(api.asked) == 1

    def test_a_long_name_has_a_short_id(self):
        long = {"type": "branch", "name": "x" * 400, "target": {"hash": A}}

        (one,) = page("branches", Recorded(refs={"values": [long]})).records

        assert one.remote_id.startswith("branch:") and len(one.remote_id) == len("branch:") + 64
        assert len(one.name) == 300

    def test_one_branch_is_fetched_by_its_name(self):
        branch = raw("refs__page")["values"][1]
        api = Recorded(**{"refs/branches/feature%2Fumlaut-%C3%A4": branch})

        assert fetched(api, "branches", "branch:feature/umlaut-ä").records[0].target == B
        assert fetched(api, "branches", "branch:gone").records == ()


class TestPullRequests:
    def test_reviews_merge_and_people(self):
        merged, opened = page(
            "pull-requests", Recorded(pullrequests=raw("pull_requests__page"))
        ).records

        tomas = Person("{22222222-aaaa-4bbb-8ccc-000000000002}", "Tomas Berg")
        said = datetime(2026, 10, 2, 8, tzinfo=UTC)
        assert merged.participants[0] == Participation(tomas, True, Verdict.APPROVED, said)
        assert [each.person.name for each in merged.participants] == [
            *("Tomas Berg", "Dana Levi דנה", "Nora Lind")
        ]
        assert merged.participants[2].reviewer, "a reviewer who has not acted is one as well"
        assert (merged.state, merged.merge_hash, merged.closed_by) == (
            PullState.MERGED,
            M[:12],
            tomas,
        )
        assert (opened.author, opened.draft, opened.source_hash) == (Person(), True, "")
        assert opened.participants[0].verdict is Verdict.CHANGES

    def test_a_state_that_nobody_knows_is_set_aside_with_its_number(self):
        found = page("pull-requests", Recorded(pullrequests=raw("pull_requests__page")))

        assert [each.remote_id for each in found.rejected] == ["14"]

    def test_only_what_changed_is_asked_for_in_an_order_that_stays(self):
        api = Recorded(pullrequests=EMPTY)

        page("pull-requests", api, since=NOON)
        page("pull-requests", api)

        changed, whole = api.queries
        assert changed["q"] == ["updated_on>2026-11-01T12:00:00+00:00"] and "q" not in whole
        assert changed["sort"] == whole["sort"] == ["created_on"]
        assert set(whole["state"]) == {"OPEN", "MERGED", "DECLINED", "SUPERSEDED"}
        assert whole["pagelen"] == ["50"] and "values.participants.approved" in whole["fields"][0]

    def test_another_repositorys_pull_request_refuses_the_page(self):
        body = raw("pull_requests__page")
        body["values"][0]["destination"]["repository"]["uuid"] = "{0}"

        with pytest.raises(UnexpectedResponse, match="another repository"):
            page("pull-requests", Recorded(pullrequests=body))


class TestCommits:
    def test_authors_known_and_unknown(self):
        found = page("commits", Recorded(commits=raw("commits__page")))

        merge, start = found.records
        assert (merge.message, merge.parents) == ("Merge branch\n\nwith a body", (B, "d4" * 20))
        assert (merge.author.name, merge.author.email) == ("Dana Levi דנה", "dana@acme.example")
        assert (start.author.name, start.author.remote_id) == ("somebody <nobody@home", "")
        assert found.checkpoint.startswith("https://") and found.rejected[0].remote_id == ""

    def test_heads_are_asked_for_without_what_is_known(self):
        api = Recorded(commits=EMPTY)

        page("commits", api, commits=(A, B), known=(M,))
        page("commits", api)

        heads, main = api.queries
        assert (heads["include"], heads["exclude"]) == ([A, B], [M])
        assert main["include"] == ["main"] and "exclude" not in main

    def test_what_a_forced_push_took_away_is_left_out(self):
        def answer(path: str) -> Any:
            error = {"message": "Commit not found", "data": {"shas": [M]}}
            return (404, {"error": error}) if M in path else EMPTY

        api = Recorded(commits=answer)

        assert page("commits", api, commits=(A,), known=(M,)).records == ()
        assert [query.get("exclude") for query in api.queries] == [[M], None]

    def test_a_hidden_repository_is_not_a_missing_commit(self):
        with pytest.raises(RemoteGone):
            page("commits", Recorded(), commits=(A,), known=(M,))

    def test_reading_ends_behind_a_page_that_is_older_than_since(self):
        api = Recorded(commits=raw("commits__page"))

        assert page("commits", api, since=NOON).checkpoint is None
        assert page("commits", api, since=datetime(2026, 10, 31, 12, tzinfo=UTC)).checkpoint
        assert page("commits", api, since=NOON, known=(M,)).checkpoint

    def test_an_empty_repository_costs_no_request(self):
        api = Recorded()
        bare = Container(WORKSPACE, RepositoryRecord("{5}", "new", "New", "acme/new"))

        assert STREAMS["commits"].page(api, bare, {}, Ask()).records == () and not api.asked

    @pytest.mark.parametrize(
        ("answer", "said", "numbers"),
        [
            ({"values": [{"id": 3}, {"id": 1}, {"id": "x"}, 7]}, PullsSaid.KNOWN, (1, 3)),
            ((202, EMPTY), PullsSaid.INDEXING, ()),
            (404, PullsSaid.ABSENT, ()),
        ],
    )
    def test_the_pull_requests_of_a_commit(self, answer, said, numbers):
        (found,) = fetched(
            Recorded(**{f"commit/{A}/pullrequests": answer}), "commit-pulls", A
        ).records

        assert (found.remote_id, found.said, found.numbers) == (A, said, numbers)


class TestStatuses:
    def test_states_keys_and_links(self):
        api = Recorded(**{f"commit/{A}/statuses": raw("statuses__page")})

        found = page("statuses", api, commits=(A,))

        linux, odd = found.records
        assert (linux.remote_id, linux.state) == (f"{A}:build/linux", BuildState.SUCCESSFUL)
        assert linux.url == "http://jenkins.acme.example/job/12", "build systems have no https"
        assert (odd.state, odd.url, len(odd.key)) == (BuildState.UNKNOWN, "", 200)
        assert len(odd.remote_id) == 40 + 1 + 64
        assert len(found.rejected) == 1

    def test_commits_are_asked_one_after_the_other_and_each_to_its_end(self):
        link = f"https://api.bitbucket.org/2.0/{ROOT}/commit/{A}/statuses?ctx=x"
        api = Recorded(
            **{
                f"commit/{A}/statuses": {"values": [], "next": link},
                link.partition("?")[0]: EMPTY,
                f"commit/{B}/statuses": EMPTY,
            }
        )
        at, asked = None, []
        while True:
            found = page("statuses", api, commits=(A, B), checkpoint=at)
            asked.append(found.checkpoint)
            if (at := found.checkpoint) is None:
                break

        assert asked == [f"{A} {link}", f"{B} ", None]
        assert page("statuses", api).records == () and len(api.asked) == 3

    @pytest.mark.parametrize("at", ["x", "x y", f"{A}", "../.. https://x"])
    def test_a_checkpoint_that_is_not_ours_is_refused(self, at):
        with pytest.raises(UnexpectedResponse):
            page("statuses", Recorded(), commits=(A,), checkpoint=at)

    def test_a_status_of_another_commit_is_set_aside(self):
        body = raw("statuses__page")
        body["values"][0]["commit"]["hash"] = B

        found = page("statuses", Recorded(**{f"commit/{A}/statuses": body}), commits=(A,))

        assert [each.remote_id for each in found.rejected] == [f"{A}:build/linux", ""]


class TestPipelines:
    def api(self) -> Recorded:
        step = {"name": "Test", "state": {"result": {"name": "FAILED"}}, "duration_in_seconds": 7}
        paths = {f"pipelines/%7B66666666-aaaa-4bbb-8ccc-00000000000{n}%7D/steps" for n in (1, 2, 3)}
        return Recorded(
            pipelines=raw("pipelines__page"), **{path: {"values": [step]} for path in paths}
        )

    def test_a_first_reading_asks_for_no_steps(self):
        api = self.api()

        third, second, first = page("pipelines", api).records

        assert [one.state for one in (third, second, first)] == [
            *(BuildState.WAITING, BuildState.FAILED, BuildState.SUCCESSFUL)
        ]
        assert (second.refname, second.seconds, third.creator.name) == ("try", 231, "Dana Levi דנה")
        assert third.url == f"{REPO.url}/pipelines/results/3"
        assert len(api.asked) == 1

    def test_after_a_change_those_that_ended_have_their_steps_once(self):
        api = self.api()
        known = ("{66666666-aaaa-4bbb-8ccc-000000000001}",)

        found = page("pipelines", api, since=NOON, known=known).records

        assert [len(one.steps) for one in found] == [0, 1, 0]
        assert (found[1].steps[0].state, found[1].steps[0].seconds) == (BuildState.FAILED, 7)

    def test_reading_ends_where_it_reaches_back(self):
        body = raw("pipelines__page") | {"next": f"https://api.bitbucket.org/2.0/{ROOT}/pipelines"}

        def ends(since: datetime | None) -> bool:
            known = tuple(one["uuid"] for one in body["values"])
            return (
                page("pipelines", Recorded(pipelines=body), since=since, known=known).checkpoint
                is None
            )

        assert ends(datetime(2026, 11, 1, 11, tzinfo=UTC))
        assert not ends(datetime(2026, 11, 1, 9, tzinfo=UTC)) and not ends(None)


class TestDeploymentsAndPermissions:
    def test_environments_have_names(self):
        environments = {
            "values": [
                {
                    "uuid": "{88888888-aaaa-4bbb-8ccc-000000000001}",
                    "name": "Production",
                    "environment_type": {"name": "Production"},
                },
                "odd",
            ]
        }
        api = Recorded(deployments=raw("deployments__page"), environments=environments)

        production, unnamed = page("deployments", api).records

        assert (production.environment, production.environment_kind) == ("Production",) * 2
        assert (production.state, production.commit) == (BuildState.SUCCESSFUL, B)
        assert production.pipeline_remote_id == "{66666666-aaaa-4bbb-8ccc-000000000002}"
        assert (unnamed.environment[:9], unnamed.state) == ("{88888888", BuildState.WAITING)

    def test_permissions_are_read_of_people_and_then_of_groups(self):
        users = {"values": [{"permission": "admin", "user": {"uuid": "{1}", "display_name": "D"}}]}
        groups = {"values": [{"permission": "read", "group": {"slug": "devs", "name": "Devs"}}, {}]}
        api = Recorded(**{"permissions-config/users": users, "permissions-config/groups": groups})

        first = page("permissions", api)
        second = page("permissions", api, checkpoint=first.checkpoint)

        assert [one.remote_id for one in (*first.records, *second.records)] == [
            *("user:{1}", "group:devs")
        ]
        assert second.checkpoint is None and len(second.rejected) == 1


class TestFetch:
    def test_what_is_gone_is_an_empty_page_but_not_what_the_vendor_removed(self):
        announced = {"error": {"data": {"announcement_url": "https://developer.atlassian.com/x"}}}

        assert fetched(Recorded(), "pull-requests", "9").records == ()
        with pytest.raises(EndpointRemoved):
            fetched(Recorded(pullrequests__9=(410, announced)), "pull-requests", "9")

    def test_a_stream_that_nobody_knows_is_our_own_fault(self):
        for target in (Target("wiki", "1"), Target("wiki")):
            with pytest.raises(ValueError, match="wiki"):
                CONNECTOR.fetch(Recorded(), HERE, {}, target)

    def test_a_pipeline_is_found_by_its_number_too(self):
        run = raw("pipelines__page")["values"][2]
        steps = {"pipelines/%7B66666666-aaaa-4bbb-8ccc-000000000001%7D/steps": EMPTY}

        (found,) = fetched(Recorded(pipelines__1=run, **steps), "pipelines", "1").records

        assert (found.number, found.remote_id) == (1, run["uuid"])

    def test_w18_a_thing_of_another_repository_is_refused(self):
        body = raw("pull_requests__page")["values"][0]
        body["destination"]["repository"]["uuid"] = "{0}"

        with pytest.raises(UnexpectedResponse, match="another repository"):
            fetched(Recorded(pullrequests__12=body), "pull-requests", "12")


def test_a_hook_never_shows_its_address_or_secret():
    wish = HookWish("https://hooks.example/hooks/v1/abc", ("repo:push",), "P", secret="s3cret")
    listed = CONNECTOR.hooks(
        Recorded(hooks={"values": [{"uuid": "{1}", "url": wish.url, "events": ["a", 7]}]}),
        HERE,
        {},
        None,
    )

    assert "s3cret" not in repr(wish) and "hooks/v1" not in repr(listed)
    assert (listed.records[0].url, listed.records[0].events) == (wish.url, ("a",))
