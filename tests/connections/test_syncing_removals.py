"""What a reading removes: only what a whole listing lacks, and a sharp shrink only when agreed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from connections import tasks
from connections.flows import sync
from connections.flows.problems import FlowProblem
from connections.models import Connection, Repository, StreamState, SyncRun, Workspace
from portal import roles
from portal.models import AuditEvent
from tests.connections.ways import again, jobs
from tests.vendor import Vendor
from tests.works import Works


def read(works: Works, vendor: Vendor, *slugs: str) -> tuple[Connection, SyncRun]:
    """A connection that was read once."""
    connection = works.connection(
        works.link_by_token(vendor.token("dana-full"), capabilities=["repositories-read"])
    )
    return connection, works.sync(connection, *slugs)


def present(works: Works, slug: str) -> int:
    with works.inside():
        workspace = Workspace.objects.get(slug=slug)
        found = Repository.objects.filter(workspace=workspace, gone_at=None).count()
        assert workspace.repository_count == found
        return found


class TestRemovals:
    def test_what_is_deleted_is_marked_gone_and_may_come_back(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection, _ = read(works, vendor, "acme")
        vendor.order("/repositories", workspace="acme", count=235)
        assert works.sync(connection, "acme").state == "done"

        assert present(works, "acme") == 235
        with works.inside():
            assert Repository.objects.exclude(gone_at=None).count() == 5

    def test_a_rename_keeps_the_row(self, works: Works, vendor: Vendor) -> None:
        connection, _ = read(works, vendor, "yarden")
        had = present(works, "yarden")
        with works.inside():
            before = Repository.objects.filter(workspace__slug="yarden").order_by("slug")[0]
        vendor.order(
            "/repositories",
            workspace="yarden",
            rename=before.slug,
            new_slug="renamed-it",
            name="It",
        )
        works.sync(connection, "yarden")

        with works.inside():
            after = Repository.objects.get(id=before.id)
        assert (after.remote_id, after.slug, after.name) == (before.remote_id, "renamed-it", "It")
        assert present(works, "yarden") == had

    def test_an_emptied_listing_is_held_back(self, works: Works, vendor: Vendor) -> None:
        """Abuse case P46."""
        connection, _ = read(works, vendor, "acme")
        vendor.order("/faults", match="GET /2.0/repositories/acme", kind="body", lie="values_empty")
        # the empty page of this lie says where the next one is: cut that off as well
        vendor.order("/repositories", workspace="acme", count=0)
        run = works.sync(connection, "acme")

        assert run.state == "quarantined"
        assert [(s["before"], s["missing"]) for s in run.shrink] == [(240, 240)]
        assert present(works, "acme") == 240

    def test_a_person_agrees_and_a_worker_removes(self, works: Works, vendor: Vendor) -> None:
        connection, _ = read(works, vendor, "acme")
        vendor.order("/repositories", workspace="acme", count=100)
        run = works.sync(connection, "acme")
        assert (run.state, present(works, "acme")) == ("quarantined", 240)

        with works.inside():
            sync.accept_shrink(actor=works.alice, run=run)
        works.drain()

        assert present(works, "acme") == 100
        with works.inside():
            assert SyncRun.objects.get(id=run.id).state == "done"
            assert StreamState.objects.get(stream="repositories").held == 100
            (event,) = AuditEvent.objects.filter(action="sync.shrink_accepted")
            assert event.details["removed"] == 140
            with pytest.raises(FlowProblem) as twice:
                sync.accept_shrink(actor=works.alice, run=run)
        assert twice.value.code == "too_late"

    def test_what_a_later_reading_saw_again_stays(self, works: Works, vendor: Vendor) -> None:
        connection, _ = read(works, vendor, "acme")
        vendor.order(
            "/faults", match="GET /2.0/repositories/acme", kind="body", body={"values": []}
        )
        held = works.sync(connection, "acme")
        later = works.sync(connection, "acme")
        with works.inside():
            sync.accept_shrink(actor=works.alice, run=held)
        works.drain()

        assert (held.state, later.state) == ("quarantined", "done")
        assert present(works, "acme") == 240

    def test_a_shrink_by_a_few_needs_nobody(self, works: Works, vendor: Vendor) -> None:
        connection, _ = read(works, vendor, "fjord-lab")
        vendor.order("/repositories", workspace="fjord-lab", count=15)  # 45 gone, three quarters
        assert works.sync(connection, "fjord-lab").state == "done"
        assert present(works, "fjord-lab") == 15


class TestSchedule:
    def test_a_due_reading_becomes_one_job(self, works: Works, vendor: Vendor) -> None:
        connection, first = read(works, vendor, "yarden")
        in_an_hour = timezone.now() + timedelta(minutes=60)
        planned = again(works, connection).next_sync_at
        assert planned is not None and abs(planned - in_an_hour) < timedelta(minutes=1)
        with works.inside():
            touched, before = Repository.objects.values_list("slug", "remote_updated_at")[0]
        vendor.order("/repositories", workspace="yarden", touch=[touched])
        with works.inside():
            Connection.objects.update(next_sync_at=timezone.now())
        with roles.using_role("worker"):
            tasks.start_due()
            tasks.start_due()

        assert jobs(works) == ["poll_connection"]
        works.drain()
        with works.inside():
            after = Repository.objects.get(slug=touched)
            assert after.remote_updated_at > before
            assert SyncRun.objects.get() == first  # a poll keeps what fits one page by itself

    @pytest.mark.parametrize("state", ["unverified", "needs_reauthorization"])
    def test_what_is_not_active_is_not_read(self, state: str, works: Works, vendor: Vendor) -> None:
        connection, _ = read(works, vendor, "yarden")
        with works.inside():
            Connection.objects.update(next_sync_at=timezone.now(), state=state)
        with roles.using_role("worker"):
            tasks.start_due()

        assert jobs(works) == []
        planned = again(works, connection).next_sync_at
        assert planned is not None and planned > timezone.now()
