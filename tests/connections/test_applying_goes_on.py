"""What came by webhook is applied whatever is lost, spent, paused or long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connections.budgets import Purpose
from connections.flows import applying, budget, told, waking
from connections.flows.inbox_claims import Batch
from connections.models import (
    Branch,
    Connection,
    DirtyTarget,
    PullRequest,
    RequestBudget,
)
from portal import clock, roles, tenancy, work
from portal.models import Job
from portal.policy import Role
from tests import ingesting, scenes
from tests.connections.coding import SPACE, held, linked, slugs, truth
from tests.connections.hook_line import Line, posted
from tests.connections.ways import PLATFORM, again
from tests.ingesting import Sender
from tests.vendor import Vendor
from tests.works import Works

LIST = f"/2.0/repositories/{SPACE}"


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """Everything of three repositories was read once."""
    made = linked(works, vendor)
    assert works.sync(made, SPACE).state == "done"
    return again(works, made)


def push(vendor: Vendor, slug: str, **wish: Any) -> None:
    vendor.order("/push", workspace=SPACE, repository=slug, **wish)


def asked(vendor: Vendor, since: int) -> list[str]:
    return [one["path"] for one in vendor.requests()[since:]]


class TestWhatKeepsGoing:
    def test_w31_lost_jobs_and_hints_are_found_by_the_sweep(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        push(at.vendor, slug, branch="found", commits=1)
        at.deliver(at.sent())
        with roles.using_role("worker"), at.works.inside():
            Job.objects.filter(done_at=None).delete()
        with clock.shifted(timedelta(seconds=3)), roles.using_role("worker"):
            waking.wake()
            (claim,) = work.claim()
            work.perform(claim)
        with roles.using_role("worker"), at.works.inside():
            Job.objects.filter(done_at=None).delete()
        assert [one.key for one in at.dirty()] == ["branch:found", ""]
        with clock.shifted(timedelta(seconds=14)), roles.using_role("worker"):
            waking.wake()
            waking.wake()
            work.drain()

        assert at.dirty() == [] and "branch:found" in held(at.works, Branch, slug)

    def test_what_comes_while_the_last_are_read_is_applied_at_once(
        self, at: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slug = slugs(at.works)[0]
        push(at.vendor, slug, branch="last", commits=1)
        last = at.sent()
        push(at.vendor, slug, branch="late", commits=1)
        late = at.sent()
        coming = [late]

        class WhileReading(applying.Sitting):
            def _read(self, batch: Batch) -> None:
                super()._read(batch)
                if batch.rows and coming:
                    at.deliver(coming.pop())

        monkeypatch.setattr(applying, "Sitting", WhileReading)
        at.deliver(last)
        at.works.drain()

        assert {one.state for one in at.sender.deliveries()} == {"applied"} and not coming
        assert {"branch:last", "branch:late"} <= held(at.works, Branch, slug)

    def test_webhooks_take_half_of_the_hour_at_most(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        budget_id = budget.of(at.sender.connection)
        with roles.using_role("worker"), at.works.inside(PLATFORM):
            RequestBudget.objects.update(per_hour=100, spent={}, said_remaining=None)
        with roles.using_role("worker"), tenancy.acting_for(at.works.acme):
            assert budget.take(budget_id, Purpose.TOLD, 60) == 50
        push(at.vendor, slug, branch="waits", commits=1)
        at.deliver(at.sent())
        before = len(at.vendor.requests())
        at.works.drain()

        assert asked(at.vendor, before) == []
        for _ in range(3):  # more of the same makes no more work
            push(at.vendor, slug, branch="waits", commits=1)
            at.deliver(at.sent())
            at.works.drain()
        with at.works.inside():
            jobs = Job.objects.filter(kind="fetch_told", done_at=None)
            assert [job.run_at > clock.now() for job in jobs] == [True]
        assert {one.state for one in at.sender.deliveries()} == {"applied"}
        with clock.shifted(timedelta(hours=1, minutes=2)):
            at.works.drain()
        assert "branch:waits" in held(at.works, Branch, slug) and at.dirty() == []

    def test_a_vendor_in_trouble_is_asked_again_later(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        number = truth(at.vendor, slug)["pull_requests"][0]["id"]
        at.vendor.order("/faults", match=f"GET {LIST}/*", kind="status", status=503, times=None)
        wish = {"workspace": SPACE, "repository": slug, "id": number, "title": "Another title"}
        at.vendor.order("/pull-requests", do="update", **wish)
        at.deliver(at.sent())
        at.works.drain()
        (waiting,) = at.dirty()
        assert (waiting.error, waiting.attempts) == ("unavailable", 1)
        assert 4 < (waiting.due_at - clock.now()).total_seconds() <= 6

        at.vendor.order("/normal")
        with clock.shifted(timedelta(seconds=8)):
            at.works.drain()
        assert at.dirty() == []
        with at.works.inside():
            assert PullRequest.objects.filter(title="Another title").exists()
        (delivery,) = at.sender.deliveries()
        assert delivery.effect["came"] == {f"pull-requests {number}": "changed"}

    def test_a_paused_connection_is_left_alone_until_it_goes_on(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        with at.works.inside():
            Connection.objects.update(paused_at=clock.now())
        push(at.vendor, slug, branch="later", commits=1)
        at.deliver(at.sent())
        at.works.drain()
        with clock.shifted(timedelta(seconds=20)), roles.using_role("worker"):
            waking.wake()
            assert work.drain() == 0 and len(at.dirty()) == 2
            with at.works.inside():
                Connection.objects.update(paused_at=None)
            waking.wake()
            work.drain()
        assert "branch:later" in held(at.works, Branch, slug)

    def test_what_was_fetched_long_ago_is_forgotten(self, at: Line) -> None:
        push(at.vendor, slugs(at.works)[0], branch="old", commits=1)
        at.deliver(at.sent())
        at.work()
        with clock.shifted(timedelta(days=31)), roles.using_role("worker"):
            told.forget()
        with at.works.inside():
            assert not DirtyTarget.objects.exists()


def test_a_long_inbox_lets_others_have_a_turn(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "BATCH", 2)  # or it would take four thousand deliveries
    monkeypatch.setattr(applying, "BATCHES", 1)
    globex = works.organization("globex")
    greta = works.person("greta@globex.example", "Greta", Role.MANAGER, globex)
    long = ingesting.sender(works, "long")
    short = ingesting.sender(works, "short", organization=globex, actor=greta)
    for number in range(5):
        send(long, number)
    send(short, 0)
    with roles.using_role("worker"):
        for _ in range(2):
            (claim,) = work.claim()
            work.perform(claim)

    assert [one.state for one in long.deliveries()] == ["ignored"] * 2 + ["new"] * 3
    assert [one.state for one in short.deliveries()] == ["ignored"]
    works.drain()
    assert {one.state for one in long.deliveries()} == {"ignored"}


def send(vendor: Sender, number: int) -> None:
    body = b'{"n": %d}' % number
    assert posted(vendor.path, vendor.headers(body, x_event_key="issue:created"), body) == 202
