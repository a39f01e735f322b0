"""Bitbucket Data Center's JSON of code becomes records, from lists that know no filter by time."""

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
    PullsSaid,
    RepositoryRecord,
    Target,
    Verdict,
    WorkspaceRecord,
)
from connections.errors import RemoteGone, UnexpectedResponse
from integrations.bitbucket_data_center import CONNECTOR, client
from tests.integrations.test_bitbucket_data_center_openapi import DOCUMENT, operation

FIXTURES = Path(__file__).parents[2] / "integrations/bitbucket_data_center/fixtures"
REPO = RepositoryRecord(
    remote_id="11",
    slug="billing-api",
    name="Billing API",
    full_name="PAY/billing-api",
    url="https://bitbucket.acme.example/projects/PAY/repos/billing-api/browse",
)
HERE = Container(WorkspaceRecord("1", "PAY", "Payments"), REPO)
ROOT = "api/latest/projects/PAY/repos/billing-api"
A, B, M = "a1" * 20, "b2" * 20, "c3" * 20
STREAMS = {stream.key: stream for stream in CONNECTOR.streams}
EMPTY = {"values": [], "isLastPage": True}
SAMPLES = Path(__file__).parents[3] / "shared/samples/bitbucket-data-center/api"


def raw(name: str, folder: Path = FIXTURES) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def must_be_documented(path: str) -> None:
    """Where Atlassian's document is at hand, it knows the path and all that is asked along."""
    plain, _, query = path.partition("?")
    if DOCUMENT.exists() and not plain.endswith("/webhooks"):  # a page whose paging is left out
        _, described = operation("GET", f"/{plain}")
        known = {each["name"] for each in described.get("parameters", [])}
        assert parse_qs(query).keys() <= known, path


class Recorded:
    """An Api over recorded bodies by path without query; judges as the real one does."""

    def __init__(self, bodies: dict[str, Any]) -> None:
        self.bodies, self.asked, self.sent = bodies, [], []

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
        self.asked.append(path)
        must_be_documented(path)
        found = self.bodies.get(path.partition("?")[0].removeprefix(f"{ROOT}/"))
        status, body = found if isinstance(found, tuple) else (200 if found else 404, found)
        return self.judged(Answer(status, {"x-ausername": "dlevi"}, body, "GET /x", 0.01), accept)

    def send(
        self, method: str, path: str, body: Any, *, accept: frozenset[int] = frozenset()
    ) -> Answer:
        self.sent.append((method, path, body))
        answer = {"id": 7, **body} if body else None
        status = 200 if body else 204
        return self.judged(Answer(status, {"x-ausername": "d"}, answer, method, 0.01), accept)

    def judged(self, answer: Answer, accept: frozenset[int]) -> Answer:
        wrong = None if answer.status in accept else client.judge(answer)
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


def test_branches_come_first_and_tags_after_them():
    tags = {"values": [{"id": "refs/tags/v1", "latestCommit": A, "hash": B}], "isLastPage": True}
    api = Recorded({"branches": raw("branches__page"), "tags": tags})

    whole = page("branches", api)
    api.bodies["tags"] = {**tags, "isLastPage": False, "nextPageStart": 1}
    goes_on = page("branches", api)
    api.bodies["tags"] = tags
    rest = page("branches", api, checkpoint=goes_on.checkpoint)

    found = [one.remote_id for one in whole.records]
    assert found == ["branch:main", "branch:feature/x", "tag:v1"]
    assert whole.records[-1].target == A, "a tag leads to its commit"
    assert len(whole.rejected) == 1 and whole.checkpoint is None
    assert (goes_on.checkpoint, len(rest.records)) == ("tags 1", 1)


def test_a_branch_is_fetched_by_its_newest_commit():
    api = Recorded({"commits": raw("commits__page")})

    (found,) = fetched(api, "branches", "branch:feature/x").records

    assert (found.remote_id, found.target) == ("branch:feature/x", A)
    assert api.queries[0]["until"] == ["refs/heads/feature/x"]
    assert fetched(Recorded({}), "branches", "tag:v1").records == ()


def test_both_shapes_of_dates_and_both_kinds_of_authors():
    first, second = page("commits", Recorded({"commits": raw("commits__page")})).records

    assert (first.author.remote_id, first.author.email) == ("2", "dlevi@acme.example")
    assert (second.author.remote_id, second.author.name) == ("", "Nobody Known")
    assert first.committed_at == datetime(2025, 11, 1, 10, tzinfo=UTC)
    assert second.committed_at == datetime(2025, 10, 31, 10, tzinfo=UTC)
    assert first.url.endswith(f"/repos/billing-api/commits/{A}")


def test_commits_are_read_head_by_head_without_what_is_known():
    api = Recorded({"commits": raw("commits__page")})

    first = page("commits", api, commits=(A, B), known=(M,))
    api.bodies["commits"] = EMPTY
    last = page("commits", api, commits=(A, B), known=(M,), checkpoint=first.checkpoint)

    assert (first.checkpoint, last.checkpoint) == (f"{A} {M} 100", f"{B} ")
    assert [query["start"] for query in api.queries] == [["0"], ["100"]]
    assert api.queries[0]["since"] == [M] and api.queries[1]["until"] == [A]
    with pytest.raises(UnexpectedResponse):
        page("commits", api, checkpoint=f"{A} -1")


def test_an_empty_repository_has_no_commits_and_a_hidden_one_is_no_empty_one():
    said = {"errors": [{"exceptionName": "com.atlassian.bitbucket.x.NoDefaultBranchException"}]}

    assert page("commits", Recorded({"commits": (404, said)})).records == ()
    with pytest.raises(RemoteGone):
        page("commits", Recorded({}))


def test_pull_requests_with_their_reviews():
    api = Recorded({"pull-requests": raw("pull_requests__page")})

    found = page("pull-requests", api)

    (merged,) = found.records
    assert [(one.person.name, one.reviewer, one.verdict) for one in merged.participants] == [
        ("Tomas", True, Verdict.APPROVED),
        ("Nora", True, Verdict.CHANGES),
        ("Rashid", False, Verdict.NONE),
    ]
    assert (merged.version, merged.merge_hash) == (3, M)
    assert merged.closed_at == datetime(2025, 11, 1, 10, tzinfo=UTC)
    assert (merged.source_repository, merged.source_branch) == ("PAY/billing-api", "rounding")
    assert [each.remote_id for each in found.rejected] == ["6"]


def test_reading_ends_only_where_pages_are_in_the_order_of_their_changes():
    older = {**raw("pull_requests__page")["values"][0], "id": 4, "updatedDate": 1661991200000}
    newest_first = [raw("pull_requests__page")["values"][0], older]
    more = {"isLastPage": False, "nextPageStart": 2}
    since = datetime(2025, 10, 1, tzinfo=UTC)

    def goes_to(items: list[Any]) -> str | None:
        api = Recorded({"pull-requests": {"values": items, **more}})
        return page("pull-requests", api, since=since).checkpoint

    assert goes_to(newest_first) == "open ", "no review moves a date: all that are open are read"
    assert goes_to(newest_first[::-1]) == goes_to(newest_first[:1]) == "2"


def test_who_merged_is_asked_for_when_somebody_told_of_it():
    body = raw("pull_requests__page")["values"][0]
    lines = [{"action": "COMMENTED", "user": {"id": 9}}, {"action": "MERGED", "user": {"id": 3}}]
    api = Recorded({"pull-requests/5": body, "pull-requests/5/activities": {"values": lines}})

    (found,) = fetched(api, "pull-requests", "5").records

    assert found.closed_by.remote_id == "3"
    body["toRef"]["repository"]["id"] = 12
    with pytest.raises(UnexpectedResponse, match="another repository"):
        fetched(api, "pull-requests", "5")


def test_builds_of_a_fork_are_not_ours():
    api = Recorded({f"build-status/latest/commits/{A}": raw("builds__page")})

    linux, old = page("statuses", api, commits=(A,)).records

    assert (linux.remote_id, linux.name, linux.refname) == (f"{A}:linux", "Linux", "main")
    assert (old.state, old.name) == (BuildState.STOPPED, "old")
    assert page("statuses", api).records == () and len(api.asked) == 1


def test_permissions_and_the_pull_requests_of_a_commit():
    users = {"values": [{"user": {"id": 2, "name": "d"}, "permission": "REPO_ADMIN"}]}
    groups = {"values": [{"group": {"name": "devs"}, "permission": "REPO_READ"}, {}]}
    pulls = {"values": [{"id": 5}, {"id": 2}]}
    api = Recorded(
        {
            "permissions/users": users,
            "permissions/groups": groups,
            f"commits/{A}/pull-requests": pulls,
        }
    )

    first = page("permissions", api)
    second = page("permissions", api, checkpoint=first.checkpoint)
    (found,) = fetched(api, "commit-pulls", A).records

    assert [(one.remote_id, one.permission) for one in (*first.records, *second.records)] == [
        *(("user:2", "admin"), ("group:devs", "read"))
    ]
    assert (found.said, found.numbers) == (PullsSaid.KNOWN, (2, 5))


def test_a_hook_keeps_its_secret_when_only_its_events_change():
    kept = {"id": 7, "configuration": {"secret": "the old one"}}
    api = Recorded({"webhooks/7": kept, "webhooks": {"values": [kept]}})
    wish = HookWish("https://portal.example/x", ("repo:refs_changed", "project:modified"), "P")

    changed = CONNECTOR.change_hook(api, HERE, {}, "7", wish)
    CONNECTOR.remove_hook(api, HERE, {}, "7")
    (listed,) = CONNECTOR.hooks(api, HERE, {}, None).records

    (_, path, body), (method, _, _) = api.sent
    assert (path, method) == (f"{ROOT}/webhooks/7", "DELETE")
    assert body["configuration"] == {"secret": "the old one"}
    assert body["events"] == ["repo:refs_changed"], "a repository knows no events of projects"
    assert changed.secret_set and listed.secret_set and "the old one" not in repr(listed)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the folder of real payloads is not here")
def test_real_answers_are_read():
    api = Recorded(
        {
            "branches": raw("goscm_branches", SAMPLES),
            "tags": EMPTY,
            "commits": raw("goscm_commits", SAMPLES),
            "pull-requests": raw("goscm_prs", SAMPLES),
            "pull-requests/1": raw("goscm_pr_iso_dates", SAMPLES),
            "webhooks": raw("goscm_webhooks", SAMPLES),
        }
    )
    at = Container(
        WorkspaceRecord("2", "PAY", "P"), RepositoryRecord("1", "billing-api", "B", "PAY/b")
    )
    for key in ("branches", "commits", "pull-requests"):
        found = STREAMS[key].page(api, at, {}, Ask())
        assert len(found.records) == 1 and not found.rejected
    (pull,) = CONNECTOR.fetch(api, at, {}, Target("pull-requests", "1")).records
    assert pull.updated_at == datetime(2018, 7, 5, 5, 1, 10, tzinfo=UTC)
    (hook,) = CONNECTOR.hooks(api, at, {}, None).records
    assert hook.secret_set and len(hook.events) > 10
