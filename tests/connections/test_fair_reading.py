"""What one purpose has used up, or one scope does not allow, keeps nothing else from being read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connections.budgets import Purpose
from connections.flows import budget, plan, sync
from connections.models import Connection, StreamState, SyncFailure
from portal import clock, roles, tenancy
from tests import scenes
from tests.connections.coding import SPACE, linked, poll
from tests.connections.ways import again, hurry
from tests.vendor import Vendor
from tests.works import Works

STREAMS = ["repositories", "branches", "pipelines"]
MANY = 6  # two threads may ask for so many before the first answer is read


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """Its repositories were read."""
    made = linked(works, vendor, streams=STREAMS)
    works.sync(made, SPACE)
    return made


def spend(works: Works, connection: Connection, purpose: Purpose, count: int) -> None:
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        budget.count(budget.of(connection), purpose, count)


def due(works: Works, want: str, **where: Any) -> StreamState:
    """The first such list is due for this reason."""
    with works.inside():
        row: StreamState = StreamState.objects.filter(**where).order_by("id").first()
        plan.want(StreamState.objects.filter(id=row.id), want)
        return row


def run_on(works: Works, connection: Connection) -> str:
    """A run reads what is due; how it stands."""
    with roles.using_role("worker"), works.inside():
        run = sync.go_on(connection)
    works.drain()
    with works.inside():
        run.refresh_from_db()
        return str(run.error or run.state)


def was_read(works: Works, row: StreamState) -> bool:
    with works.inside():
        return bool(StreamState.objects.get(id=row.id).last_success_at != row.last_success_at)


class TestPurposes:
    def test_a_flood_of_webhooks_leaves_the_rest_of_the_hour_to_others(
        self, works: Works, connection: Connection
    ) -> None:
        spend(works, connection, Purpose.TOLD, 500)
        told = due(works, plan.TOLD, stream="branches")
        changed = due(works, plan.CHANGED, stream="pipelines")
        looked = due(works, plan.LOOK, stream="pipelines", due_at__gt=clock.now())

        assert run_on(works, connection) == "budget_spent"
        assert was_read(works, changed) and was_read(works, looked)
        assert not was_read(works, told)
        with clock.shifted(timedelta(minutes=62)):
            hurry(works)
            works.drain()
        assert was_read(works, told)

    def test_whoever_asks_for_a_sync_may_use_what_is_kept_for_people(
        self, works: Works, connection: Connection
    ) -> None:
        spend(works, connection, Purpose.INCREMENTAL, 900)
        listed = due(works, plan.FULL, stream="repositories")
        assert run_on(works, connection) == "budget_spent"
        assert not was_read(works, listed)

        with works.inside():
            sync.request(actor=works.alice, connection=again(works, connection))
        works.drain()
        assert was_read(works, listed)


class TestScopes:
    def test_a_missing_scope_is_learned_once_and_tried_in_one_place(
        self, works: Works, vendor: Vendor, settings: Any
    ) -> None:
        settings.SYNC_CONCURRENCY = 2
        connection = linked(works, vendor, streams=STREAMS, token="dana-narrow")
        works.sync(connection, "yarden")
        first = asked(vendor)
        with works.inside():
            rows = StreamState.objects.filter(stream="pipelines")
            assert rows.count() > MANY + 3
            assert set(rows.values_list("stand", "error")) == {("failing", "scope_missing")}
            assert len(set(rows.values_list("due_at", flat=True))) == 1
            assert SyncFailure.objects.count() == 1
        assert first <= MANY

        with clock.shifted(timedelta(hours=2)):
            poll(works, vendor)
        assert asked(vendor) - first == 1
        with works.inside():
            sync.request(actor=works.alice, connection=again(works, connection))
        works.drain()
        assert asked(vendor) - first == 2
        with works.inside():
            assert not rows.filter(attempts__gt=1).exists()  # another one each time

    def test_once_one_list_is_read_the_others_are(
        self, works: Works, connection: Connection
    ) -> None:
        later = clock.now() + timedelta(days=1)
        with works.inside():
            rows = StreamState.objects.filter(stream="pipelines")
            rows.update(stand="failing", error="scope_missing", due_at=later, attempts=1)
        due(works, plan.CHANGED, stream="pipelines")

        assert run_on(works, connection) == "done"
        with works.inside():
            assert set(rows.values_list("stand", "error")) == {("current", "")}
            assert not rows.filter(last_success_at__lt=later - timedelta(days=1)).exists()

    def test_where_others_were_read_with_the_same_credential_one_fails_alone(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order("/faults", match="GET */pipelines", kind="status", status=403, body=NEEDS)
        row = due(works, plan.CHANGED, stream="pipelines")
        assert run_on(works, connection) == "partial"
        with works.inside():
            failing = StreamState.objects.filter(stand="failing")
            assert list(failing.values_list("id", "error")) == [(row.id, "scope_missing")]


NEEDS = {
    "type": "error",
    "error": {"message": "Your credentials lack one or more required privilege scopes."},
}


def asked(vendor: Vendor) -> int:
    return sum("/pipelines" in one["path"] for one in vendor.requests())
