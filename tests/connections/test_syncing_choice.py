"""Another choice while a sync reads: what is added is read, what is taken out is not."""

from __future__ import annotations

import pytest

from connections.flows import lifecycle, sync, workspaces
from connections.models import Connection, Repository, StreamState, SyncRun, Workspace
from tests.connections.pages import base_of, signed_in, text
from tests.connections.ways import Interrupted, again, hurry, now
from tests.vendor import Vendor
from tests.works import Works, vendor_has

ACME = "GET /2.0/repositories/acme"
YARDEN = 11  # of the twelve, one is closed to Dana


@pytest.fixture
def connection(works: Works, vendor: Vendor) -> Connection:
    token = vendor.token("dana-full")
    return works.connection(works.link_by_token(token, capabilities=["repositories-read"]))


def choose(works: Works, connection: Connection, *slugs: str) -> SyncRun | None:
    with works.inside():
        found = Workspace.objects.filter(connection_id=connection.id, slug__in=slugs)
        chosen = list(found.values_list("id", flat=True))
        return workspaces.choose(actor=works.alice, connection=connection, workspace_ids=chosen)


def chosen(works: Works, connection: Connection, *slugs: str) -> SyncRun:
    run = choose(works, connection, *slugs)
    assert run is not None
    return run


def kept(works: Works, slug: str) -> int:
    with works.inside():
        return Repository.objects.filter(workspace__slug=slug, gone_at=None).count()


def states(works: Works, run: SyncRun) -> dict[str, str]:
    with works.inside():
        rows = StreamState.objects.filter(connection_id=run.connection_id)
        return {row.workspace.slug: str(row.stand) for row in rows.select_related("workspace")}


class TestWhileItReads:
    def test_an_added_workspace_is_read_by_the_same_run(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        run = chosen(works, connection, "acme")

        def add() -> None:
            assert chosen(works, connection, "acme", "yarden").id == run.id
            assert "yarden" not in states(works, run)  # a worker draws the plan

        ended = Interrupted(works, vendor).after_pages(run, add)

        assert states(works, run) == {"acme": "current", "yarden": "current"}
        assert kept(works, "yarden") == YARDEN
        assert (ended.state, ended.done) == ("done", ended.total)

    def test_an_unticked_workspace_is_read_no_further(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        run = chosen(works, connection, "acme")
        reading = Interrupted(works, vendor)
        vendor.order("/latency", ms=500)

        ended = reading.after_pages(run, lambda: choose(works, connection, "yarden") and None)

        assert states(works, run) == {"acme": "reading", "yarden": "current"}
        assert (kept(works, "acme"), kept(works, "yarden")) == (100, YARDEN)
        assert (ended.state, ended.done) == ("done", ended.total)

    def test_what_is_ticked_again_goes_on_where_it_stopped(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        fault = {"match": ACME, "kind": "status", "status": 429, "after": 1}
        vendor.order("/faults", **fault, headers={"Retry-After": "77"})
        run = works.sync(connection, "acme")
        assert (run.state, run.done) == ("running", 100)

        choose(works, connection, "yarden")
        choose(works, connection, "yarden", "acme")
        before = len(vendor.requests())
        hurry(works)
        works.drain()

        assert now(works, run).state == "done"
        assert kept(works, "acme") == vendor_has(vendor, "acme")
        asked = [r["path"] for r in vendor.requests()[before:]]
        assert asked.count("/2.0/repositories/acme") == 2


class TestWhatIsPromised:
    def say(self, works: Works, connection: Connection) -> str:
        """What the page says after acme was chosen."""
        with works.inside():
            acme = Workspace.objects.get(connection_id=connection.id, slug="acme").id
        client = signed_in(works.alice)
        client.post(base_of(connection) + "workspaces/choose", {"workspaces": [acme]})
        return text(client.get(base_of(connection) + "sync"))

    def test_a_sync_is_promised_where_one_follows(
        self, works: Works, connection: Connection
    ) -> None:
        assert "A sync of these workspaces is under way." in self.say(works, connection)

    def test_none_is_promised_while_paused(self, works: Works, connection: Connection) -> None:
        with works.inside():
            lifecycle.pause(actor=works.alice, connection=connection)
        page = self.say(works, again(works, connection))

        assert "They are read once this connection is resumed" in page
        with works.inside():
            assert not SyncRun.objects.exists()

    def test_none_is_promised_of_a_run_that_is_cancelled(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        run = chosen(works, connection, "acme")
        reading = Interrupted(works, vendor)
        vendor.order("/latency", ms=500)

        def cancel() -> None:
            with works.inside():
                sync.cancel(actor=works.alice, run=now(works, run))
            assert "The sync under way is being cancelled" in self.say(works, connection)

        assert reading.after_pages(run, cancel).state == "cancelled"
