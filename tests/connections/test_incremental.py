"""Streams of repositories: what changed is asked for, the rest costs nothing, one fails alone."""

from __future__ import annotations

from datetime import timedelta

from connections import tasks
from connections.contracts import PullRequestRecord, PullState, Target
from connections.flows import fetching, keep
from connections.models import (
    Branch,
    Connection,
    PullRequest,
    Repository,
    StreamState,
    SyncFailure,
    SyncRun,
    SyncSettings,
)
from connections.queries import visibility
from portal import clock, roles, tenancy
from portal.models import Job
from tests import scenes
from tests.connections.coding import (
    SPACE,
    held,
    is_equal,
    linked,
    poll,
    runs,
    slugs,
    states,
    written,
)
from tests.connections.pages import base_of, signed_in, text
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

LIST = f"/2.0/repositories/{SPACE}"
KILLED = -9
KINDS = [
    *("push", "force_push", "branch_create", "branch_delete", "tag_create"),
    *("pull_request_create", "approve", "comment", "merge", "decline"),
]


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """Everything of three repositories was read once."""
    made = linked(works, vendor)
    run = works.sync(made, SPACE)
    assert (run.state, run.error) == ("done", "")
    return again(works, made)


class TestWhatIsHeld:
    def test_a_first_sync_ends_equal_to_the_truth(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        for slug in slugs(works):
            is_equal(works, vendor, slug)
        assert set(states(works).values()) == {"current"}
        with works.inside():
            run = SyncRun.objects.get()
            assert run.done == run.total == sum(s.read for s in StreamState.objects.all())

    def test_a_sync_of_what_did_not_change_writes_no_row_of_it(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        before = written(works)
        with works.inside():
            StreamState.objects.update(due_at=clock.now(), wanted="full")
        assert works.sync(connection, SPACE).state == "done"

        after = written(works)
        assert before.pop("connections_streamstate") != after.pop("connections_streamstate")
        for found in (before, after):
            del found["connections_pullrequest"]  # a long list bears the mark of its pass
            del found["connections_pipeline"]  # steps are asked for when it is read again
        assert before == after

    def test_old_news_never_replace_a_pull_request(
        self, works: Works, connection: Connection
    ) -> None:
        with roles.using_role("worker"), works.inside():
            row = PullRequest.objects.select_related("repository__workspace").first()
            place = keep.Place(row.repository.workspace, row.repository)
            older = PullRequestRecord(
                remote_id=row.remote_id,
                number=row.number,
                title="As it was before",
                state=PullState.DECLINED,
                updated_at=row.remote_updated_at - timedelta(seconds=1),
                version=row.version,
            )
            assert keep.page(place, [older], keep.Seen(row.id, clock.now())) == []
            assert PullRequest.objects.get(id=row.id).title == row.title


class TestPolls:
    def test_nothing_new_is_one_request_and_no_row(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        before = written(works)

        assert poll(works, vendor) == [LIST]
        assert written(works) == before
        assert runs(works) == 1
        planned = again(works, connection).next_sync_at
        assert planned is not None and planned > clock.now()

    def test_a_push_costs_what_it_changed(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        slug = slugs(works)[1]
        vendor.order("/push", workspace=SPACE, repository=slug, branch="main", commits=2)

        asked = poll(works, vendor)

        is_equal(works, vendor, slug)
        own = f"{LIST}/{slug}"
        assert asked[0] == LIST and all(path.startswith(own) for path in asked[1:])
        assert asked.count(f"{own}/refs") == 1 and asked.count(f"{own}/pullrequests") == 1
        assert len([path for path in asked if not path.endswith("/steps")]) <= 8
        assert poll(works, vendor) == [LIST]

    def test_random_changes_are_found_where_the_vendor_tells_of_them(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order("/switches", pull_requests_move_repository=True)
        for slug in slugs(works):
            wish = {"repositories": [slug], "kinds": KINDS, "count": 5, "seed": 3}
            vendor.order("/activity", workspace=SPACE, **wish)
        poll(works, vendor)

        for slug in slugs(works):
            is_equal(works, vendor, slug)

    def test_what_nobody_tells_is_looked_at_in_turn(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        with clock.shifted(timedelta(hours=7)):
            asked = poll(works, vendor)

        looked = [path for path in asked if path.endswith(("/pullrequests", "/pipelines"))]
        assert len(looked) == 2 * len(slugs(works))
        assert poll(works, vendor) == [LIST]

    def test_a_new_repository_and_a_deleted_one(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        gone = slugs(works)[0]
        vendor.order("/repositories", workspace=SPACE, create="brand-new", commits=3)
        vendor.order("/repositories", workspace=SPACE, delete=[gone])
        poll(works, vendor)

        is_equal(works, vendor, "brand-new")
        with works.inside():
            assert Repository.objects.get(slug=gone).gone_at is None  # no full pass has ended yet
        assert works.sync(connection, SPACE).state == "done"
        with works.inside():
            assert Repository.objects.get(slug=gone).gone_at is not None

    def test_a_worker_that_dies_after_the_page_loses_nothing(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        slug = slugs(works)[2]
        vendor.order("/push", workspace=SPACE, repository=slug, branch="main", commits=1)
        with works.inside():
            Connection.objects.update(next_sync_at=clock.now())
        with roles.using_role("worker"):
            tasks.start_due()
        assert works.fork_and_die("sync.poll_kept") == KILLED
        with roles.using_role("worker"), works.inside():
            Job.objects.filter(done_at=None).update(lease_until=clock.now())
        works.drain()

        is_equal(works, vendor, slug)


class TestAlone:
    def test_one_repository_fails_and_the_others_go_on(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        bad, *good = slugs(works)
        fault = {"match": f"GET {LIST}/{bad}/refs*", "kind": "status", "times": None}
        vendor.order("/faults", status=403, **fault)
        for slug in (bad, *good):
            vendor.order("/push", workspace=SPACE, repository=slug, branch="main", commits=1)
        poll(works, vendor)

        found = states(works)
        assert found[bad, "branches"] == "failing"
        assert {stand for key, stand in found.items() if key != (bad, "branches")} == {"current"}
        for slug in good:
            is_equal(works, vendor, slug)
        with works.inside():
            run = SyncRun.objects.order_by("-created_at")[0]
            failure = SyncFailure.objects.get(run_id=run.id)
            state = StreamState.objects.get(stand="failing")
        assert (run.state, failure.code) == ("partial", "access_denied")
        assert state.due_at > clock.now() + timedelta(minutes=50)  # somebody has to act first
        assert again(works, connection).last_error == ""

        page = text(signed_in(works.alice).get(base_of(connection) + "sync"))
        assert f"{SPACE}/{bad}" in page and "manager of this connection has to act" in page

        vendor.order("/normal")
        assert works.sync(connection, SPACE).state == "done"
        is_equal(works, vendor, bad)

    def test_a_server_error_of_one_repository_is_its_own(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        bad = slugs(works)[0]
        vendor.order("/push", workspace=SPACE, repository=bad, branch="main", commits=1)
        vendor.order(
            "/faults", match=f"GET {LIST}/{bad}/refs*", kind="status", status=500, times=None
        )
        poll(works, vendor)

        assert states(works, stand="failing") == {(bad, "branches"): "failing"}
        with works.inside():
            assert SyncRun.objects.order_by("-created_at")[0].state == "partial"


class TestTold:
    def test_each_told_thing_is_one_request_and_its_present_state(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        slug = slugs(works)[0]
        vendor.order("/push", workspace=SPACE, repository=slug, branch="told", commits=1)
        before = len(vendor.requests())
        found = fetched(works, connection, slug, Target("branches", "branch:told"))
        assert [one.changed for one in found] == [("branch:told",)]
        vendor.order("/push", workspace=SPACE, repository=slug, branch="told", delete=True)
        gone = fetched(works, connection, slug, Target("branches", "branch:told"))

        assert [(one.gone, one.changed) for one in gone] == [(True, ("branch:told",))]
        assert len(vendor.requests()) - before == 3  # and one whether the repository is there
        assert "branch:told" not in held(works, Branch, slug)


def fetched(
    works: Works, connection: Connection, slug: str, *targets: Target
) -> list[fetching.Fetched]:
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        with tenancy.transaction():
            row = Repository.objects.select_related("workspace").get(slug=slug)
        asking = fetching.opened(connection.id)
        assert asking is not None
        try:
            return fetching.fetch(asking, row.workspace, row, targets)
        finally:
            asking.close()


class TestChoice:
    def test_what_is_taken_out_is_asked_no_more_and_stays(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        alice, base = signed_in(works.alice), base_of(connection)
        wish = {"sync-streams": ["repositories", "branches"], "sync-keep_days": "90"}
        assert alice.post(base + "sync/choose", wish).status_code == 303
        works.drain()
        with works.inside():
            settings = SyncSettings.objects.get()
            pulls = PullRequest.objects.count()
        assert (settings.chosen, settings.keep_days) == (["repositories", "branches"], 90)

        slug = slugs(works)[0]
        vendor.order("/push", workspace=SPACE, repository=slug, branch="main", commits=1)
        assert poll(works, vendor) == [LIST, f"{LIST}/{slug}/refs"]
        with works.inside():
            assert PullRequest.objects.count() == pulls > 0
        page = text(alice.get(base + "settings"))
        assert page.count("checked") >= 2 and "What is read" in page
        assert alice.post(base + "sync/choose", wish | {"sync-keep_days": "7"}).status_code == 400


class TestWhyItIsNotHere:
    def test_the_rows_answer(self, works: Works, vendor: Vendor, connection: Connection) -> None:
        slug = slugs(works)[0]
        questions = {
            f"https://bitbucket.org/{SPACE}/{slug}/src/main/": "here",
            f"git@bitbucket.org:{SPACE}/{slug}.git": "here",
            f"{SPACE}/nothing-like-it": "not listed",
            "acme/whatever": "not chosen",
            "strangers/whatever": "not shared",
        }
        with works.inside():
            found = {one: visibility.why(connection, one)[0].means for one in questions}
            assert visibility.why(connection, " / ") == []
        assert found == questions

    def test_the_page_asks_and_filters(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        alice, address = signed_in(works.alice), base_of(connection) + "sync"
        page = text(alice.get(address, {"why": "acme/whatever"}))
        assert "is not chosen" in page and "Nothing is in trouble." in page
        listed = text(alice.get(address, {"state": "all", "stream": "branches"}))
        assert all(f"{SPACE}/{slug}" in listed for slug in slugs(works))
        assert alice.get(address, {"state": "nonsense"}).status_code == 400
        assert "Requests this hour" in page
