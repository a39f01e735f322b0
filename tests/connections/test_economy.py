"""What a change costs: not the history before it, not a whole list, and nothing twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections as databases
from django.test.utils import CaptureQueriesContext

from connections.contracts import Page, RepositoryRecord
from connections.errors import UnexpectedResponse
from connections.flows import asks, clocks, heads, keep, plan, sync, sync_choice
from connections.flows.chains import Chain
from connections.models import (
    Commit,
    Connection,
    Pipeline,
    Repository,
    StreamState,
    SyncRun,
    Workspace,
)
from integrations.bitbucket_cloud import CONNECTOR
from portal import clock, roles
from portal.models import AuditEvent
from tests.connections.coding import SPACE, held, linked, poll, runs, states, truth
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

SLUG = "long-lived"
OWN = f"/2.0/repositories/{SPACE}/{SLUG}"
STREAMS = {stream.key: stream for stream in CONNECTOR.streams}
PACE = clocks.Pace(repositories=10, per_hour=1000)
CODE = ["repositories", "branches", "pull-requests", "commits", "statuses", "pipelines"]


def alone(works: Works, vendor: Vendor, *, commits: int = 3, **rest: Any) -> Connection:
    """A connection of a workspace with one repository; nothing is read yet."""
    there = [one["slug"] for one in truth(vendor)["repositories"]]
    vendor.order("/repositories", workspace=SPACE, delete=there)
    vendor.order("/repositories", workspace=SPACE, create=SLUG, commits=commits)
    return linked(works, vendor, **{"streams": CODE, **rest})


def push(vendor: Vendor, branch: str = "main", **wish: Any) -> None:
    vendor.order("/push", workspace=SPACE, repository=SLUG, branch=branch, **wish)


def asked(vendor: Vendor, after: int, path: str = "/commits") -> list[str]:
    """The questions of this list since then."""
    found = vendor.requests()[after:]
    return [one["query"] for one in found if one["path"] == OWN + path]


def state_of(works: Works, stream: str) -> StreamState:
    with works.inside():
        rows = StreamState.objects.select_related("workspace", "repository")
        found: StreamState = rows.get(stream=stream, repository__slug=SLUG)
        return found


def change(works: Works, state: StreamState, **values: Any) -> None:
    with works.inside():
        StreamState.objects.filter(id=state.id).update(**values)


def chain(works: Works, stream: str) -> Chain:
    """The pass that a run would begin, or go on with."""
    with works.inside():
        return asks.chain_of(state_of(works, stream), STREAMS[stream], {})


class TestCommits:
    def test_a_push_to_a_long_history_costs_one_request(self, works: Works, vendor: Vendor) -> None:
        connection = alone(works, vendor, commits=250)
        assert works.sync(connection, SPACE).state == "done"
        assert len(asked(vendor, 0)) == 3
        for commits in (1, 2):
            before = len(vendor.requests())
            push(vendor, commits=commits)
            poll(works, vendor)
            (question,) = asked(vendor, before)
            assert question.count("include=") == 1 and "exclude=" in question

        assert len(held(works, Commit, SLUG)) == 253
        former = truth(vendor, SLUG)["branches"]["main"]
        assert state_of(works, "commits").held_heads[0] == former
        before = len(vendor.requests())
        change(works, state_of(works, "commits"), due_at=clock.now(), wanted="full")
        poll(works, vendor)
        assert asked(vendor, before) == [], "all that a branch stands at is held"

        push(vendor, force=5, commits=1)
        before = len(vendor.requests())
        poll(works, vendor)
        assert len(asked(vendor, before)) == 1
        with works.inside():
            rewritten = Repository.objects.get(slug=SLUG).branch_set.exclude(rewritten_at=None)
            assert [one.former_target for one in rewritten] == [former]

    def test_a_commit_that_somebody_looked_at_hides_nothing_below_it(
        self, works: Works, vendor: Vendor
    ) -> None:
        """Kept alone, it is held without what is below it: it is never left out of a question."""
        connection = alone(works, vendor)
        assert works.sync(connection, SPACE).state == "done"
        push(vendor, commits=4)
        newest = truth(vendor, SLUG)["branches"]["main"]
        with roles.using_role("worker"), works.inside():
            row = Commit.objects.filter(repository__slug=SLUG)[0]
            row.id, row.remote_id = UUID(int=7), newest
            row.save(force_insert=True)
        push(vendor, commits=1)
        poll(works, vendor)

        assert len(held(works, Commit, SLUG)) == 3 + 5

    def test_a_history_without_branches_goes_on_from_what_was_listed_first(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = alone(works, vendor, streams=["repositories", "commits"])
        assert works.sync(connection, SPACE).state == "done"
        before = len(vendor.requests())
        push(vendor, commits=2)
        poll(works, vendor)

        (question,) = asked(vendor, before)
        assert "include=main" in question and question.count("exclude=") == 1
        assert len(held(works, Commit, SLUG)) == 5

        before = len(vendor.requests())
        with works.inside():
            connection.sync_settings.update(keep_days=90)
            streams = ["repositories", "commits"]
            sync_choice.choose(
                actor=works.alice, connection=connection, streams=streams, keep_days=400
            )
        works.drain()
        (question,) = asked(vendor, before)
        assert "exclude=" not in question, "more of the past is read when more is kept"

    def test_how_many_are_held_is_known_without_counting_them_after_each_push(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = alone(works, vendor, streams=["repositories", "branches", "commits"])
        assert works.sync(connection, SPACE).state == "done"
        push(vendor, commits=2)
        with CaptureQueriesContext(databases["worker"]) as asked_here:
            poll(works, vendor)
        assert state_of(works, "commits").held == len(held(works, Commit, SLUG)) == 5
        counts = [one["sql"] for one in asked_here if "COUNT(*)" in one["sql"]]
        assert not [sql for sql in counts if 'FROM "connections_commit"' in sql]

        place = keep.Place(state_of(works, "commits").workspace)
        with roles.using_role("worker"), works.inside():
            Repository.objects.filter(slug=SLUG).update(gone_at=clock.now())
            gone = Repository.objects.get(slug=SLUG).remote_id
            record = RepositoryRecord(gone, SLUG, SLUG, f"{SPACE}/{SLUG}")
            seen = keep.Seen(UUID(int=3), clock.now() + timedelta(seconds=1))
            assert [keep.page(place, [record], seen).new for _ in range(2)] == [1, 0]

    def test_heads_without_room_in_a_question_follow_at_once(
        self, works: Works, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(heads, "AT_ONCE", 2)
        connection = alone(works, vendor)
        for number in range(4):
            push(vendor, f"work-{number}", commits=2)
            named = {"source": f"work-{number}", "destination": "main", "title": "Work"}
            at = {"workspace": SPACE, "repository": SLUG}
            vendor.order("/pull-requests", do="create", **at, **named)
        assert works.sync(connection, SPACE).state == "done"

        so = truth(vendor, SLUG)
        tops = {so["branches"][name] for name in so["branches"]}
        assert len(tops) == 5 and held(works, Commit, SLUG) >= tops
        assert [one.count("include=") for one in asked(vendor, 0)] == [2, 2, 1]
        assert set(state_of(works, "commits").held_heads) == tops
        assert len(held(works, Commit, SLUG)) == 3 + 4 * 2
        for top in tops:
            assert len(asked(vendor, 0, f"/commit/{top}/statuses")) == 1
        assert states(works, stand="current").keys() == states(works).keys()

        first, second = sorted(tops)[:2]
        under_way = {"pass_id": UUID(int=1), "checkpoint": f"{second} ", "heads": [first, second]}
        change(works, state_of(works, "statuses"), last_page_at=clock.now(), **under_way)
        found = chain(works, "statuses")
        assert found.ask.commits == (first, second), "builds go on where a worker left them"
        assert found.state.checkpoint == f"{second} "


class TestPipelines:
    def test_they_are_read_as_far_as_they_are_new_and_with_steps(
        self, works: Works, vendor: Vendor
    ) -> None:
        """One page, the steps of those that ended, and the next time none of them again."""
        connection = alone(works, vendor)
        at = {"workspace": SPACE, "repository": SLUG, "branch": "main"}
        for _ in range(3):
            vendor.order("/pipelines", result="SUCCESSFUL", steps=2, **at)
        assert works.sync(connection, SPACE).state == "done"
        assert state_of(works, "pipelines").since is not None
        assert {len(one) for one in held_steps(works)} == {0}

        before = len(vendor.requests())
        push(vendor, commits=1)
        poll(works, vendor)
        paths = [one["path"] for one in vendor.requests()[before:]]
        assert paths.count(f"{OWN}/pipelines") == 1
        assert sum(path.endswith("/steps") for path in paths) == 3
        assert all(held_steps(works))

        before = len(vendor.requests())
        push(vendor, commits=1)
        poll(works, vendor)
        paths = [one["path"] for one in vendor.requests()[before:]]
        assert not [path for path in paths if path.endswith("/steps")]


def held_steps(works: Works) -> list[Any]:
    with works.inside():
        return list(Pipeline.objects.filter(repository__slug=SLUG).values_list("steps", flat=True))


class TestClocks:
    def test_whole_passes_come_however_often_it_is_read_in_between(self) -> None:
        now = clock.now()
        stream = STREAMS["pull-requests"]
        row = StreamState(wanted=plan.CHANGED, last_full_at=now - timedelta(days=40))
        clocks.after_success(row, stream, PACE, is_unfinished=True)
        assert (row.wanted, row.due_at >= now, row.due_at - now < timedelta(seconds=9)) == (
            *("full", True, True),
        )
        row = StreamState(wanted=plan.FULL, last_full_at=now - timedelta(days=40))
        clocks.after_success(row, stream, PACE, is_unfinished=False)
        assert row.due_at > now + timedelta(days=5), "it was tried: what cannot be read is no loop"
        row = StreamState(wanted=plan.LOOK, last_full_at=now - timedelta(days=2))
        clocks.after_success(row, stream, PACE, is_unfinished=False)
        assert timedelta(days=3) < row.due_at - now < timedelta(days=7)
        row = StreamState(wanted=plan.LOOK, last_full_at=now - timedelta(days=40))
        clocks.after_success(row, STREAMS["commits"], PACE, is_unfinished=True)
        assert (row.wanted, row.due_at < now + timedelta(minutes=16)) == ("changed", True)

    def test_a_long_pass_goes_on_for_days_and_one_that_was_left_begins_anew(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = alone(works, vendor)
        assert works.sync(connection, SPACE).state == "done"
        began = clock.now() - timedelta(days=9)
        under_way = {
            "pass_id": UUID(int=1),
            "checkpoint": f"repositories/{SPACE}/{SLUG}/pullrequests?page=90",
            "pass_started_at": began,
        }
        row = state_of(works, "pull-requests")
        change(works, row, **under_way, last_page_at=clock.now() - timedelta(days=2))
        assert chain(works, "pull-requests").state.checkpoint is not None
        change(works, row, last_page_at=clock.now() - timedelta(days=4))
        assert chain(works, "pull-requests").state.checkpoint is None

        fault = {"match": f"GET {OWN}/pullrequests*", "kind": "html", "times": None}
        vendor.order("/faults", **fault)
        change(works, row, last_page_at=clock.now(), due_at=clock.now(), wanted="full")
        works.sync(connection, SPACE)
        kept = state_of(works, "pull-requests")
        assert (kept.stand, kept.error) == ("failing", "unexpected_response")
        assert kept.checkpoint is not None

        found = chain(works, "commits")
        found.visited = {f"page {number}" for number in range(6000)}
        assert found.follow(Page((), "page 6000")) == "page 6000"
        found.state.total, found.state.read = 100, 6000
        with pytest.raises(UnexpectedResponse):
            found.follow(Page((), "page 6001"))


class TestPolls:
    def test_one_unreadable_repository_and_a_held_back_removal_make_no_poll_whole(
        self, works: Works, vendor: Vendor
    ) -> None:
        token = vendor.token("dana-full")
        made = works.connection(works.link_by_token(token, capabilities=["repositories-read"]))
        vendor.order("/faults", match="GET /2.0/repositories/fjord-lab", kind="body", lie="no_uuid")
        assert works.sync(made, "fjord-lab").state == "partial"
        count, before = runs(works), len(vendor.requests())
        for _ in range(2):
            poll(works, vendor)
        questions = [one["query"] for one in vendor.requests()[before:]]
        assert len(questions) == 2 and all("updated_on" in query for query in questions)
        assert runs(works) == count

        assert works.sync(made, "fjord-lab").state == "done"
        vendor.order("/repositories", workspace="fjord-lab", count=2)
        run = works.sync(made, "fjord-lab")
        assert run.state == "quarantined"
        count = runs(works)
        with works.inside():
            audited = AuditEvent.objects.count()
        poll(works, vendor)
        assert runs(works) == count
        with works.inside():
            assert AuditEvent.objects.count() == audited
            sync.accept_shrink(actor=works.alice, run=run)
        works.drain()
        with works.inside():
            assert Repository.objects.filter(gone_at=None).count() == 2

    def test_an_empty_workspace_costs_a_poll_one_request_and_no_run(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = alone(works, vendor)
        vendor.order("/repositories", workspace=SPACE, delete=[SLUG])
        assert works.sync(connection, SPACE).state == "done"
        count = runs(works)

        assert poll(works, vendor) == [f"/2.0/repositories/{SPACE}"]
        assert runs(works) == count
        vendor.order("/repositories", workspace=SPACE, create=SLUG, commits=2)
        poll(works, vendor)
        assert len(held(works, Commit, SLUG)) == 2

    def test_members_out_of_reach_leave_the_repositories_in_reach(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = alone(works, vendor, streams=[*CODE, "members"])
        fault = {"match": f"GET /2.0/workspaces/{SPACE}/*", "kind": "status", "times": None}
        vendor.order("/faults", status=404, **fault)
        assert works.sync(connection, SPACE).state == "partial"

        assert states(works, stand="failing") == {(SPACE, "members"): "failing"}
        with works.inside():
            assert Workspace.objects.get(slug=SPACE).last_error == ""
            assert SyncRun.objects.count() == 1
        assert again(works, connection).last_error == ""
        push(vendor, commits=1)
        poll(works, vendor)
        assert len(held(works, Commit, SLUG)) == 4
