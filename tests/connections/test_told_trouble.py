"""What webhooks name never removes more than a reading would, and no trouble loses a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from connections.contracts import (
    BranchRecord,
    CommitPullsRecord,
    PullRequestRecord,
    PullsSaid,
    PullState,
    Target,
)
from connections.flows import fetching, keep, plan, shrink, told
from connections.flows.keep import Place, Seen
from connections.models import (
    Branch,
    Commit,
    Connection,
    Delivery,
    DirtyTarget,
    PullRequest,
    Repository,
    StreamState,
    Workspace,
)
from connections.queries.delivery import DeliveryPage, delivery_page
from portal import clock, roles, tenancy
from portal.models import Job
from tests import scenes
from tests.connections import test_incremental_data_center as data_center
from tests.connections.coding import SPACE, held, linked, slugs, states, truth
from tests.connections.hook_line import Line
from tests.connections.test_incremental import fetched
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

LIST = f"/2.0/repositories/{SPACE}"
OTHER = "yarden"
STREAMS = ["repositories", "branches", "pull-requests"]


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """Branches and pull requests of three repositories were read once; no commits are chosen."""
    made = linked(works, vendor, streams=STREAMS)
    assert works.sync(made, SPACE).state == "done"
    return again(works, made)


def pull_of(vendor: Vendor, slug: str) -> Any:
    return truth(vendor, slug)["pull_requests"][0]["id"]


def title(vendor: Vendor, slug: str, text: str) -> str:
    """A pull request has another title now; its number."""
    number = pull_of(vendor, slug)
    wish = {"workspace": SPACE, "repository": slug, "id": number, "title": text}
    vendor.order("/pull-requests", do="update", **wish)
    return str(number)


def titled(works: Works, text: str) -> bool:
    with works.inside():
        return bool(PullRequest.objects.filter(title=text).exists())


def came(delivery: Delivery) -> Any:
    return delivery.effect["came"]


def page_of(at: Line, delivery: Delivery) -> DeliveryPage:
    with at.works.inside():
        return delivery_page(at.sender.connection, delivery, "Bitbucket Cloud")


class TestKept:
    def test_what_was_seen_while_a_pass_was_under_way_is_there(
        self, works: Works, connection: Connection
    ) -> None:
        with roles.using_role("worker"), works.inside():
            state = state_of("pull-requests")
            place = Place(state.workspace, state.repository)
            some = [pull(number) for number in range(901, 905)]
            keep.page(place, some, Seen(uuid4(), clock.now()))
            state.pass_started_at, seen = clock.now(), Seen(uuid4(), clock.now())
            every = keep.present(PullRequest, place).exclude(remote_id__in=["901", "902"])
            keep.mark(PullRequest, place, every.values_list("remote_id", flat=True), seen)
            told_of = replace(some[0], title="Told", updated_at=clock.now())
            assert keep.page(place, [told_of], Seen(uuid4(), clock.now())) == ["901"]

            assert shrink.settle(place, state, PullRequest, seen, None) == {}
            gone = PullRequest.objects.exclude(gone_at=None)
            assert [row.remote_id for row in gone] == ["902"]

            assert keep.page(place, [some[1]], replace(seen, began=state.pass_started_at)) == []
            assert keep.page(place, [some[1]], Seen(uuid4(), clock.now())) == ["902"]

    def test_a_list_without_dates_and_an_index_that_is_not_ready_forget_nothing(
        self, works: Works, connection: Connection
    ) -> None:
        with roles.using_role("worker"), works.inside():
            state = state_of("branches")
            place, seen = Place(state.workspace, state.repository), Seen(uuid4(), clock.now())
            dated = BranchRecord("branch:x", "branch", "x", "a1" * 20, clock.now())
            bare = replace(dated, committed_at=None)
            keep.page(place, [dated], seen)
            assert keep.page(place, [bare], seen) == []
            assert keep.page(place, [replace(bare, target="b2" * 20)], seen) == ["branch:x"]
            assert Branch.objects.get(name="x").committed_at is None

            known = CommitPullsRecord("a1" * 20, PullsSaid.KNOWN, (12,))
            keep.page(place, [known], seen)
            for said in (PullsSaid.INDEXING, PullsSaid.ABSENT):
                keep.page(place, [CommitPullsRecord("a1" * 20, said)], seen)
                commit = Commit.objects.get(remote_id="a1" * 20)
                assert (commit.pulls, commit.pulls_said) == ([12], said)
            keep.page(place, [replace(known, numbers=())], seen)
            assert Commit.objects.get(remote_id="a1" * 20).pulls == []


def state_of(stream: str) -> StreamState:
    rows = StreamState.objects.select_related("workspace", "repository", "connection")
    found: StreamState = rows.filter(stream=stream).earliest("id")
    return found


def pull(number: int) -> PullRequestRecord:
    return PullRequestRecord(str(number), number, "A title", PullState.OPEN, updated_at=clock.now())


class TestRemovals:
    def test_a_lost_workspace_is_not_emptied_one_webhook_at_a_time(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor, streams=["repositories"])
        assert works.sync(connection, OTHER).state == "done"
        vendor.order("/members", workspace=OTHER, user="dana", permission=None)
        with works.inside():
            space = Workspace.objects.get(slug=OTHER)
            private = Repository.objects.filter(workspace=space, private=True).first()
        found = in_workspace(works, connection, space, Target("repositories", private.remote_id))
        assert [(one.due, one.gone) for one in found] == [(True, False)]
        works.drain()

        with works.inside():
            assert not Repository.objects.exclude(gone_at=None).exists()
        assert states(works, stream="repositories")[OTHER, "repositories"] == "held_back"
        again_ = in_workspace(works, connection, space, Target("repositories", private.remote_id))
        assert again_[0].due
        with works.inside():  # a person is asked once
            assert StreamState.objects.get(stand="held_back").due_at > clock.now()

    def test_a_list_that_is_empty_all_at_once_waits_for_a_person(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        slug = slugs(works)[0]
        before = held(works, Branch, slug)
        assert len(before) > 1
        refs = f"GET {LIST}/{slug}/refs*"
        vendor.order("/faults", match=refs, kind="body", body={"values": []})
        with works.inside():
            StreamState.objects.filter(repository__slug=slug, stream="branches").update(
                due_at=clock.now()
            )
        assert works.sync(connection, SPACE).state == "quarantined"
        assert held(works, Branch, slug) == before

    def test_a_renamed_repository_keeps_what_is_asked_for_by_its_old_name(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        slug = slugs(works)[0]
        number = title(vendor, slug, "Before the other name")
        vendor.order("/repositories", workspace=SPACE, rename=slug, new_slug="better")
        vendor.order("/faults", match=f"GET {LIST}/{slug}/*", kind="status", status=404, times=None)
        found = fetched(works, connection, slug, Target("pull-requests", number))

        assert [one.changed for one in found] == [(number,)]
        assert titled(works, "Before the other name") and "better" in slugs(works)

    def test_a_repository_that_a_data_center_hides_loses_nothing(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = data_center.read(works, vendor, STREAMS)
        slug = slugs(works)[0]
        number = str(data_center.truth(vendor, slug)["pull_requests"][0]["id"])
        hidden = f"GET {data_center.LIST}/{slug}*"
        vendor.order("/faults", match=hidden, kind="status", status=404, times=None)
        before = held(works, Branch, slug)
        targets = [Target("pull-requests", number), Target("branches", min(before))]
        found = fetched(works, connection, slug, *targets)

        assert {one.error for one in found} == {"remote_gone"}
        assert number in held(works, PullRequest, slug) and held(works, Branch, slug) == before
        with works.inside():
            listing = StreamState.objects.get(stream="repositories")
        assert listing.wanted == plan.FULL and listing.due_at <= clock.now()


def in_workspace(
    works: Works, connection: Connection, space: Workspace, target: Target
) -> list[fetching.Fetched]:
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        asking = fetching.opened(connection.id)
        assert asking is not None
        try:
            return fetching.fetch(asking, space, None, [target])
        finally:
            asking.close()


class TestTrouble:
    def test_a_refused_credential_is_tried_again(self, at: Line) -> None:
        number = title(at.vendor, slug := slugs(at.works)[0], "While it was refused")
        match = f"GET {LIST}/{slug}/pullrequests/*"
        at.vendor.order("/faults", match=match, kind="status", status=401)
        at.deliver(at.sent())
        at.works.drain()
        assert [one.error for one in at.dirty()] == ["reauthorization_required"]

        with clock.shifted(timedelta(minutes=2, seconds=5)):
            at.works.drain()
        assert titled(at.works, "While it was refused")
        assert came(at.sender.deliveries()[0]) == {f"pull-requests {number}": "changed"}

    def test_what_is_given_up_is_read_by_a_sync(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        match = f"GET {LIST}/{slug}/pullrequests/*"
        at.vendor.order("/faults", match=match, kind="status", status=503, times=None)
        title(at.vendor, slug, "After a long outage")
        at.deliver(at.sent())
        at.works.drain()
        with roles.using_role("worker"), at.works.inside():
            DirtyTarget.objects.update(attempts=5, due_at=clock.now())
        with clock.shifted(timedelta(seconds=9)):
            at.works.drain()
        assert at.dirty() == []
        with at.works.inside():
            state = StreamState.objects.get(repository__slug=slug, stream="pull-requests")
        assert state.wanted == plan.TOLD and state.due_at <= clock.now() + timedelta(seconds=9)
        (touched,) = page_of(at, at.sender.deliveries()[0]).touched
        assert touched.word == "Could not be fetched"

    def test_nothing_is_asked_of_a_workspace_that_was_lost(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        number = title(at.vendor, slug, "Nobody sees this")
        with roles.using_role("worker"), at.works.inside():
            Workspace.objects.update(last_error="remote_gone")
        at.deliver(at.sent())
        before = len(at.vendor.requests())
        at.works.drain()

        assert len(at.vendor.requests()) == before
        assert came(at.sender.deliveries()[0]) == {f"pull-requests {number}": "remote_gone"}
        with at.works.inside():
            state = StreamState.objects.get(repository__slug=slug, stream="pull-requests")
        assert state.wanted == plan.TOLD  # once the workspace is there again

    def test_a_silent_vendor_gives_its_worker_back(
        self, at: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(told, "SILENT", 2)  # or it would take four repositories
        at.vendor.order("/faults", match=f"GET {LIST}/*", kind="status", status=503, times=None)
        for slug in slugs(at.works):
            title(at.vendor, slug, f"Title of {slug}")
        at.deliver(at.sent())
        before = len(at.vendor.requests())
        at.works.drain()

        assert len(at.vendor.requests()) - before == 2
        assert sorted(one.attempts for one in at.dirty()) == [0, 1, 1]
        with at.works.inside():
            (job,) = Job.objects.filter(kind="fetch_told", done_at=None)
        assert 100 < (job.run_at - clock.now()).total_seconds() <= 120
        at.vendor.order("/normal")
        with clock.shifted(told.PAUSE + timedelta(seconds=1)):
            at.works.drain()
        assert at.dirty() == [] and all(titled(at.works, f"Title of {s}") for s in slugs(at.works))


class TestWhatIsSaid:
    def test_what_nobody_chose_is_no_trouble(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        at.vendor.order("/push", workspace=SPACE, repository=slug, branch="told", commits=1)
        at.deliver(at.sent())
        at.work()

        found = page_of(at, at.sender.deliveries()[0]).touched
        assert [(one.title, one.word, one.tone) for one in found] == [
            ("Branches and tags", "Fetched, and it had changed", "good"),
            ("Commits", "Nobody chose to sync this", "plain"),
        ]
        with at.works.inside():
            assert not DirtyTarget.objects.exclude(error="").exists()

    def test_who_is_not_among_the_last_that_named_a_thing_does_not_wait_for_ever(
        self, at: Line
    ) -> None:
        title(at.vendor, slugs(at.works)[0], "Told often")
        at.deliver(at.sent())
        at.works.drain()
        (delivery,) = at.sender.deliveries()
        with roles.using_role("owner"), at.works.inside():
            Delivery.objects.update(effect=delivery.effect | {"came": {}})
        delivery = at.now(delivery)
        shown = page_of(at, delivery)
        assert [one.word for one in shown.touched] == ["Fetched together with later ones"]
        assert not shown.is_open

        with roles.using_role("owner"), at.works.inside():
            DirtyTarget.objects.update(due_at=clock.now(), told_by=[delivery.id])
        shown = page_of(at, delivery)
        assert [one.word for one in shown.touched] == ["Waits to be fetched"] and shown.is_open
