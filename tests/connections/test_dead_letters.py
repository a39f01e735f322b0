"""Dead letters: applied again at a pace, discarded, taken back; twice does nothing more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from connections.flows import dead_letters, deciding, delivery_hours, inbox_upkeep
from connections.flows.deciding import Choice
from connections.flows.problems import FlowProblem
from connections.models import DeedKind, Delivery, DeliveryHour, InboxDeed
from portal import clock, roles, tenancy
from portal.models import AuditEvent, Job, Membership
from portal.policy import Role
from tests import ingesting
from tests.connections.delivering import planted, states
from tests.ingesting import Sender
from tests.vendor import Vendor
from tests.works import Works

KILLED = -9
PAUSE = deciding.PAUSE + timedelta(seconds=1)


@pytest.fixture
def sender(works: Works) -> Sender:
    return ingesting.sender(works)


def decide(works: Works, deed: InboxDeed) -> InboxDeed:
    """Work is done and time passes until the deed has ended."""
    for _ in range(200):
        works.drain()
        with works.inside():
            deed = InboxDeed.objects.get(id=deed.id)
        if not deed.is_running:
            return deed
        clock.shift(PAUSE)
    raise AssertionError("it never ends")


@pytest.fixture(autouse=True)
def time(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(clock.reset)


def test_ten_thousand_are_applied_again_once_however_often_it_is_asked(
    works: Works, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "PORTION", 2500)  # small portions have a test of their own
    planted(sender, 10_000)
    with works.inside():
        shown = dead_letters.preview(Choice(sender.connection), DeedKind.REPLAY)
        deed = dead_letters.replay(actor=works.alice, choice=Choice(sender.connection))
        again = dead_letters.replay(actor=works.alice, choice=Choice(sender.connection))

    ended, second = decide(works, deed), decide(works, again)

    assert (shown.count, shown.seconds) == (10_000, 30)
    assert ended.done + second.done == 10_000
    assert states(sender) == {"ignored": 10_000}  # of a workspace that is not here: foreign
    with works.inside(), pytest.raises(FlowProblem):
        dead_letters.replay(actor=works.alice, choice=Choice(sender.connection))
    assert states(sender) == {"ignored": 10_000}


def test_a_replay_goes_by_its_pace_and_stops_when_asked(works: Works, sender: Sender) -> None:
    planted(sender, 250)
    with works.inside():
        deed = dead_letters.replay(actor=works.alice, choice=Choice(sender.connection))

    works.drain()
    first = states(sender)
    with works.inside():
        dead_letters.stop(actor=works.alice, deed=deed)
    clock.shift(PAUSE)
    works.drain()

    assert first["dead"] == states(sender)["dead"] == 150
    with works.inside():
        deed = InboxDeed.objects.get(id=deed.id)
        assert (deed.state, deed.done, deed.ended_because) == ("stopped", 100, "stopped")


def test_only_what_matches_is_touched(works: Works, sender: Sender) -> None:
    planted(sender, 3, event="pullrequest:created")
    planted(sender, 2, error="unreadable", salt="b")
    planted(sender, 1, event="pullrequest:created", error="unreadable", salt="c")
    choice = Choice(sender.connection, "pullrequest:created", "reading_failed")

    with works.inside():
        deed = dead_letters.discard(actor=works.alice, choice=choice, reason=" old  news ")
    works.drain()

    assert states(sender) == {"dead": 3, "discarded": 3}
    with works.inside():
        event = AuditEvent.objects.get(action="deliveries.discarded")
        assert event.details["reason"] == deed.reason == "old news"
        assert (event.details["count"], event.subject_id) == (3, sender.connection.id)


def test_what_was_discarded_is_taken_back_while_its_body_is_there(
    works: Works, sender: Sender
) -> None:
    planted(sender, 2)
    planted(sender, 1, age=timedelta(days=29, hours=23), salt="old")
    with works.inside():
        deed = dead_letters.discard(actor=works.alice, choice=Choice(), reason="a test")
    works.drain()
    clock.shift(timedelta(hours=2))
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        inbox_upkeep.age_here()

    with works.inside():
        deed = InboxDeed.objects.get(id=deed.id)
        dead_letters.restore(actor=works.alice, deed=deed)
    works.drain()

    assert states(sender) == {"dead": 2, "discarded": 1}
    with works.inside(), pytest.raises(FlowProblem, match=r"left"):
        dead_letters.restore(actor=works.alice, deed=deed)


def test_what_has_no_body_any_more_is_not_applied_again(works: Works, sender: Sender) -> None:
    """Abuse case W37."""
    planted(sender, 1, body=None)
    with works.inside():
        delivery = Delivery.objects.get()
        with pytest.raises(FlowProblem, match="30 days"):
            dead_letters.replay_one(
                actor=works.alice, connection=sender.connection, delivery=delivery
            )
        assert dead_letters.preview(Choice(), DeedKind.REPLAY).without_body == 1


def test_one_is_applied_again_discarded_and_taken_back(works: Works, sender: Sender) -> None:
    planted(sender)
    about = {"actor": works.alice, "connection": sender.connection}
    with works.inside():
        dead_letters.discard_one(**about, delivery=Delivery.objects.get(), reason="not ours")
    with works.inside():
        assert Delivery.objects.get().state == "discarded"
        dead_letters.restore_one(**about, delivery=Delivery.objects.get())
    with works.inside():
        dead_letters.replay_one(**about, delivery=Delivery.objects.get())
    works.drain()

    assert states(sender) == {"ignored": 1}
    with works.inside():
        deeds = AuditEvent.objects.filter(action__startswith="deliveries.")
        assert [each.action.split(".")[1] for each in deeds.order_by("sequence")] == [
            "discarded",
            "restored",
            "replayed",
        ]


def test_only_those_who_manage_decide_and_as_long_as_they_do(works: Works, sender: Sender) -> None:
    planted(sender, 150)
    member = works.person("mel@acme.example", "Mel", Role.MEMBER)
    with works.inside(), pytest.raises(PermissionDenied):
        dead_letters.replay(actor=member, choice=Choice(sender.connection))
    with works.inside():
        deed = dead_letters.replay(actor=works.alice, choice=Choice())
        Membership.objects.filter(user_id=works.alice.id).update(role=Role.MEMBER)

    works.drain()

    assert states(sender) == {"dead": 150}
    with works.inside():
        assert InboxDeed.objects.get(id=deed.id).ended_because == "not_allowed"


def test_attempts_are_kept_with_their_reasons(works: Works, sender: Sender) -> None:
    planted(sender, 1, body=b"[1, 2]")
    with works.inside():
        dead_letters.replay_one(
            actor=works.alice, connection=sender.connection, delivery=Delivery.objects.get()
        )
    works.drain()

    with works.inside():
        found = Delivery.objects.get()
        assert (found.state, found.error) == ("dead", "unreadable")
        assert [one["error"] for one in found.tries] == ["unreadable"]


@pytest.mark.parametrize("at", ["deliveries.decided", "deliveries.counted"])
def test_a_worker_that_dies_leaves_nothing_half_done(
    works: Works, sender: Sender, vendor: Vendor, at: str
) -> None:
    planted(sender, 250)
    with works.inside():
        deed = dead_letters.discard(actor=works.alice, choice=Choice(), reason="a test")
        delivery_hours.ask()
    with roles.using_role("worker"), works.inside():
        Job.objects.update(run_at=clock.now())

    assert works.fork_and_die(at) == KILLED
    with roles.using_role("worker"), works.inside():
        Job.objects.filter(done_at=None).update(lease_until=clock.now())
    clock.shift(timedelta(minutes=1))
    works.drain()

    assert states(sender) == {"discarded": 250}
    with works.inside():
        ended = InboxDeed.objects.get(id=deed.id)
        assert (ended.state, ended.done) == ("finished", 250)
        assert sum(DeliveryHour.objects.values_list("discarded", flat=True)) == 250


class TestHours:
    def test_hours_are_counted_by_outcome_and_again_when_it_changes(
        self, works: Works, sender: Sender
    ) -> None:
        planted(sender, 4)
        planted(sender, 2, state="applied", error="", salt="b")
        with works.inside():
            delivery_hours.ask()
        clock.shift(timedelta(minutes=1))
        works.drain()
        with works.inside():
            before = DeliveryHour.objects.get()
            assert (before.applied, before.dead, before.waiting) == (2, 4, 0)
            dead_letters.discard(actor=works.alice, choice=Choice(), reason="a test")
        works.drain()
        clock.shift(timedelta(hours=5))  # long past what is counted anyway
        works.drain()

        with works.inside():
            after = DeliveryHour.objects.get()
            assert (after.applied, after.dead, after.discarded) == (2, 0, 4)
