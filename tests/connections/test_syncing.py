"""A reading of workspaces: progress, cancelling, waiting, failing alone, and what it removes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections as databases
from django.utils import timezone

from connections.flows import lifecycle, sync, workspaces
from connections.flows.problems import FlowProblem
from connections.models import (
    Connection,
    Credential,
    Repository,
    StreamState,
    SyncFailure,
    SyncRun,
    Verification,
    Workspace,
)
from portal.models import Job
from tests import scenes
from tests.connections.ways import (
    Interrupted,
    again,
    hurry,
    jobs,
    link_by_consent,
    now,
    patiently,
)
from tests.vendor import Vendor
from tests.works import Works, vendor_has

STREAMS = ["repositories-read", "workspaces-read", "members-read", "projects-read"]
ACME = "GET /2.0/repositories/acme"
YARDEN = 11  # of the twelve, one is closed to Dana


def linked(works: Works, vendor: Vendor, **rest: Any) -> Connection:
    rest.setdefault("capabilities", STREAMS)
    return works.connection(works.link_by_token(vendor.token("dana-full"), **rest))


connection = scenes.begun(linked)


def choose(works: Works, connection: Connection, *slugs: str) -> SyncRun:
    """These workspaces are chosen; no worker has looked yet."""
    with works.inside():
        found = Workspace.objects.filter(connection_id=connection.id, slug__in=slugs)
        workspaces.choose(
            actor=works.alice,
            connection=again_inside(connection),
            workspace_ids=list(found.values_list("id", flat=True)),
        )
        run: SyncRun = SyncRun.objects.get(state="queued")
        return run


def again_inside(connection: Connection) -> Connection:
    found: Connection = Connection.objects.get(id=connection.id)
    return found


def names(works: Works, slug: str = "acme") -> list[str]:
    with works.inside():
        found = Repository.objects.filter(workspace__slug=slug, gone_at=None)
        return sorted(found.values_list("slug", flat=True))


def streams(works: Works, run: SyncRun) -> dict[tuple[str, str], str]:
    with works.inside():
        found = StreamState.objects.filter(connection_id=run.connection_id)
        rows = found.select_related("workspace")
        return {(row.workspace.slug, row.stream): str(row.stand) for row in rows}


class TestProgress:
    def test_the_numbers_add_up(self, works: Works, vendor: Vendor) -> None:
        run = works.sync(linked(works, vendor), "acme", "yarden")

        with works.inside():
            kept = StreamState.objects.all()
            assert run.done == run.total == sum(s.read for s in kept) == sum(s.held for s in kept)
            assert run.requests >= sum(s.pages for s in kept) >= 3 + 2
        assert (run.state, run.now_reading, run.error) == ("done", "", "")
        assert len(names(works)) == vendor_has(vendor, "acme")
        assert len(names(works, "yarden")) == YARDEN

    def test_only_what_was_chosen_is_read(self, works: Works, vendor: Vendor) -> None:
        run = works.sync(linked(works, vendor), "yarden")

        assert {workspace for workspace, _ in streams(works, run)} == {"yarden"}
        assert names(works) == []

    def test_there_is_one_live_run(self, works: Works, connection: Connection) -> None:
        run = choose(works, connection, "acme")
        with works.inside():
            other = sync.request(actor=works.alice, connection=connection)
        assert other.id == run.id

    def test_two_who_ask_at_once_get_one_run(self, works: Works, connection: Connection) -> None:
        works.sync(connection, "yarden")
        found: list[Any] = []

        def ask() -> None:
            with works.inside():
                found.append(sync.request(actor=works.alice, connection=connection).id)

        at_once(*[ask] * 6)
        assert len(found) == 6 and len(set(found)) == 1

    def test_nothing_to_read_is_said(self, works: Works, connection: Connection) -> None:
        with works.inside(), pytest.raises(FlowProblem) as problem:
            sync.request(actor=works.alice, connection=connection)
        assert problem.value.code == "no_workspace"


def at_once(*deeds: Callable[[], None]) -> None:
    """Each in a thread of its own, none before all are ready; what they raise is raised here."""
    ready, failed = threading.Barrier(len(deeds)), []

    def do(deed: Callable[[], None]) -> None:
        try:
            ready.wait(10)
            deed()
        except BaseException as error:
            failed.append(error)
        finally:
            databases.close_all()

    threads = [threading.Thread(target=do, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failed:
        raise failed[0]


class TestStopping:
    def test_cancelling_keeps_what_was_read(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        run = choose(works, connection, "acme")

        def cancel() -> None:
            with works.inside():
                sync.cancel(actor=works.alice, run=run)

        run = Interrupted(works, vendor).after_pages(now(works, run), cancel)

        assert (run.state, run.error) == ("cancelled", "")
        assert len(names(works)) + run.done > 0
        assert again(works, connection).state == Connection.State.ACTIVE
        assert jobs(works) == []

    def test_cancelling_what_waits_works_at_once(
        self, works: Works, connection: Connection
    ) -> None:
        run = now(works, choose(works, connection, "acme"))
        with works.inside():
            sync.cancel(actor=works.alice, run=run)
            assert SyncRun.objects.get(id=run.id).state == "cancelled"
            sync.request(actor=works.alice, connection=connection)
        works.drain()

        with works.inside():
            states = list(SyncRun.objects.order_by("created_at").values_list("state", flat=True))
        assert states == ["cancelled", "done"]

    def test_pausing_stops_after_the_page(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        run = choose(works, connection, "acme")

        def pause() -> None:
            with works.inside():
                lifecycle.pause(actor=works.alice, connection=again_inside(connection))

        run = Interrupted(works, vendor).after_pages(run, pause)
        assert (run.state, run.error) == ("cancelled", "not_live")
        assert again(works, connection).next_sync_at is None

        vendor.order("/normal")
        with works.inside():
            lifecycle.resume(actor=works.alice, connection=again_inside(connection))
        assert works.sync(connection, "acme").state == "done"
        assert len(names(works)) == vendor_has(vendor, "acme")

    def test_revoking_in_the_middle_leaves_nothing(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        run = choose(works, connection, "acme")

        def revoke() -> None:
            with works.inside():
                lifecycle.revoke(
                    actor=works.alice,
                    connection=again_inside(connection),
                    typed_name=connection.name,
                )

        run = Interrupted(works, vendor).after_pages(run, revoke)
        patiently(works)

        assert run.state == "cancelled"
        with works.inside():
            assert not Repository.objects.exists()
            assert Credential.objects.filter(replaced_at=None).count() == 0
            assert not Verification.objects.filter(outcome="running").exists()
        assert again(works, connection).state == Connection.State.REVOKED


class TestWaiting:
    def test_a_429_in_the_middle_waits_its_hour_and_resumes(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor, capabilities=["repositories-read"])
        vendor.order(
            "/faults", match=ACME, kind="status", status=429, after=1, headers={"Retry-After": "77"}
        )
        run = works.sync(connection, "acme")

        assert (run.state, run.error) == ("running", "rate_limited")
        with works.inside():
            (job,) = Job.objects.filter(kind="sync_connection", done_at=None)
            wait = (job.run_at - timezone.now()).total_seconds()
            kept = StreamState.objects.get()
        assert 60 < wait < 78 and job.attempts == 0
        assert (kept.pages, kept.read, kept.stand) == (1, 100, "reading")
        before = len(vendor.requests())
        hurry(works)
        works.drain()

        assert now(works, run).state == "done"
        assert len(names(works)) == vendor_has(vendor, "acme")
        asked = [r["path"] for r in vendor.requests()[before:]]
        assert asked == ["/2.0/repositories/acme"] * 2

    def test_a_429_without_a_word_waits_by_our_own(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order("/faults", match=ACME, kind="status", status=429)
        works.sync(connection, "acme")

        with works.inside():
            (job,) = Job.objects.filter(kind="sync_connection", done_at=None)
        assert job.run_at > timezone.now() + timedelta(minutes=10)

    def test_an_outage_is_waited_out(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        fault = vendor.order("/faults", match="GET *", kind="status", status=503, times=None)
        run = works.sync(connection, "acme")
        assert (run.state, run.error) == ("running", "unavailable")
        assert again(works, connection).last_error == "unavailable"
        vendor.order("/normal")
        patiently(works)

        assert fault and now(works, run).state == "done"
        assert again(works, connection).last_error == ""

    def test_an_outage_that_stays_fails_the_run_and_nothing_else(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor, capabilities=["repositories-read"])
        works.sync(connection, "yarden")
        vendor.order("/faults", match="GET *", kind="reset", times=None)
        with works.inside():
            run = sync.request(actor=works.alice, connection=connection)
        patiently(works)

        run = now(works, run)
        assert (run.state, run.error in {"unavailable", "answer_lost"}) == ("failed", True)
        assert len(names(works, "yarden")) == YARDEN
        assert again(works, connection).state == Connection.State.ACTIVE

    def test_a_token_that_ends_on_the_way_is_renewed(self, works: Works, vendor: Vendor) -> None:
        connection = works.connection(link_by_consent(works, vendor))
        vendor.order("/faults", match=ACME, kind="status", status=401, after=1, times=1)
        run = works.sync(connection, "acme")

        assert run.state == "done"
        assert len(names(works)) == vendor_has(vendor, "acme")
        with works.inside():
            assert Credential.objects.get().version == 2

    def test_a_grant_withdrawn_on_the_way_is_looked_at(self, works: Works, vendor: Vendor) -> None:
        connection = works.connection(link_by_consent(works, vendor))
        run = choose(works, connection, "acme")
        vendor.order("/grants/revoke", user="dana")
        works.drain()

        run = now(works, run)
        assert (run.state, run.error) == ("failed", "reauthorization_required")
        current = again(works, connection)
        assert current.state == Connection.State.ACTIVE and current.suspect_since is not None


class TestFailingAlone:
    def test_one_stream_without_its_scope(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order(
            "/faults",
            match="GET /2.0/workspaces/acme/projects",
            kind="status",
            status=403,
            body={"error": {"message": "no", "detail": {"required": ["project"]}}},
            times=None,
        )
        run = works.sync(connection, "acme", "yarden")

        assert run.state == "partial"
        assert streams(works, run)["acme", "projects"] == "failing"
        assert streams(works, run)["yarden", "projects"] == "current"
        assert len(names(works)) == vendor_has(vendor, "acme")
        with works.inside():
            (failure,) = SyncFailure.objects.filter(run_id=run.id)
        assert (failure.stream, failure.code) == ("projects", "scope_missing")

    def test_one_stream_that_stays_out_of_reach(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order(
            "/faults",
            match="GET /2.0/workspaces/acme/permissions",
            kind="status",
            status=500,
            times=None,
        )
        run = works.sync(connection, "acme")
        patiently(works)

        assert now(works, run).state == "partial"
        assert streams(works, run)["acme", "members"] == "failing"
        assert len(names(works)) == vendor_has(vendor, "acme")

    def test_unreadable_repositories_are_named_and_remove_nothing(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor, capabilities=["repositories-read"])
        works.sync(connection, "yarden")
        vendor.order(
            "/faults", match="GET /2.0/repositories/yarden", kind="body", lie="no_uuid", times=None
        )
        run = works.sync(connection, "yarden")

        assert run.state == "partial"
        assert len(names(works, "yarden")) == YARDEN
        with works.inside():
            failures = SyncFailure.objects.filter(run_id=run.id)
            assert failures.count() == 6
            assert all(each.label and each.code == "unidentified" for each in failures)

    def test_a_workspace_that_is_gone_keeps_its_rows(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        """Abuse case P47."""
        works.sync(connection, "yarden", "acme")
        had = names(works, "yarden")
        vendor.order("/workspaces", workspace="yarden", delete=True)
        run = works.sync(connection, "yarden", "acme")

        assert run.state == "partial"
        assert names(works, "yarden") == had
        with works.inside():
            assert Workspace.objects.get(slug="yarden").last_error == "remote_gone"
            assert Workspace.objects.get(slug="acme").last_error == ""
        assert again(works, connection).state == Connection.State.ACTIVE

    @pytest.mark.parametrize("kind", ["next_self", "next_loop", "next_foreign"])
    def test_pages_in_a_circle(
        self, kind: str, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        """Abuse case P44."""
        works.sync(connection, "acme")
        vendor.order("/faults", match=ACME, kind=kind, times=None)
        run = works.sync(connection, "acme")

        assert run.state == "partial"
        assert streams(works, run)["acme", "repositories"] == "failing"
        assert len(names(works)) == vendor_has(vendor, "acme")
