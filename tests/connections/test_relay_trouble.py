"""Nothing is lost on its way to a target and nothing comes twice, whatever goes wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections as databases

from connections.flows import (
    relay_backfill,
    relay_deciding,
    relay_links,
    relay_removal,
    relay_waking,
)
from connections.models import (
    Link,
    LinkState,
    RelayItem,
    SmartDeed,
    Workspace,
)
from portal import clock, roles
from portal.models import Notice, Receipt
from portal.policy import Role
from tests import scenes
from tests.connections import relaying
from tests.connections.board import MOST, Wall, wall as a_wall
from tests.connections.relaying import Ends, Relay, relay
from tests.connections.test_relay import assert_once, hashes, works_actions
from tests.vendor import Vendor
from tests.works import Works

KILLED = -9
LEASE_ENDS = 2.2
STEPS = ("relay.taken", "relay.sent", "relay.settled")

ends = scenes.begun(relaying.ends)


@pytest.fixture
def wall(vendor: Vendor, settings: Any) -> Iterator[Wall]:
    with a_wall(settings) as here:
        yield here


@pytest.fixture
def at(works: Works, vendor: Vendor, wall: Wall, ends: Ends) -> Relay:
    return relay(works, vendor, wall, ends)


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_dies_loses_and_doubles_nothing(step: str, at: Relay, wall: Wall) -> None:
    at.push("CARD-1", *(f"CARD-{n} Commit" for n in range(1, MOST + 5)))
    wall.is_down = True
    at.read()
    wall.is_down = False
    with at.works.inside():
        Link.objects.update(waits_until=None)
        RelayItem.objects.update(due_at=clock.now())
    with roles.using_role("worker"):
        relay_waking.wake()
    assert at.works.fork_and_die(step) == KILLED
    time.sleep(LEASE_ENDS)
    at.later(minutes=3)
    assert len(wall.names("commit")) == MOST + 4
    assert {one.state for one in at.items(kind="commit")} == {"sent"}
    assert all(one.sent_sequence == one.sequence for one in at.items(kind="commit"))
    if step != "relay.sent":  # then the answer was lost, and the same state comes again
        assert_once(wall)


def test_what_another_worker_has_by_now_is_not_sent(at: Relay, wall: Wall, settings: Any) -> None:
    wall.is_down = True
    at.push("CARD-1", *(f"CARD-{n} Commit" for n in range(1, MOST + 5)))
    at.read()
    wall.is_down, wall.seconds, settings.LEASE_SECONDS = False, 0.9, 2
    with at.works.inside():
        Link.objects.update(waits_until=None)
        RelayItem.objects.update(due_at=clock.now())
    with roles.using_role("worker"):
        relay_waking.wake()
    wall.came.clear()

    def drain() -> None:
        at.works.drain()
        databases.close_all()

    worker = threading.Thread(target=drain)
    worker.start()
    until = time.monotonic() + 20
    while not at.items(lease_until__isnull=False) and time.monotonic() < until:
        time.sleep(0.05)
    with roles.using_role("worker"), at.works.inside():
        RelayItem.objects.update(lease_owner=uuid4())
    worker.join(30)
    assert len(wall.came) == MOST
    wall.seconds = 0.0
    at.later(minutes=3)
    assert len(wall.names("commit")) == MOST + 4


def test_links_to_one_target_do_not_wait_for_each_others_answers(
    works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends)
    with roles.using_role("worker"), works.inside():
        facts = {"remote_id": "door", "slug": "door", "name": "Door", "selected": True}
        Workspace.objects.create(connection=ends.target, **facts)
    other = relay(works, vendor, wall, ends, place="door")
    wall.meeting = threading.Barrier(2)
    at.push("CARD-2", "CARD-2 Begin")
    at.read()
    sent = [(one.link_id, one.answer) for one in at.attempts()]
    assert sorted(sent) == sorted((one.link.id, "accepted") for one in (at, other))


def test_a_silent_target_is_waited_for_and_told_of(at: Relay, wall: Wall) -> None:
    wall.is_down = True
    at.push("CARD-2", "CARD-2 Begin")
    at.read()
    link = at.now()
    assert link.failing_since and link.waits_for == "unavailable"
    assert link.waits_until and link.waits_until <= clock.now() + timedelta(seconds=10)
    tried = len(wall.seen)
    at.works.drain()
    assert len(wall.seen) == tried  # it is not asked before its time
    at.later(minutes=20)
    assert any("stands still" in title for title in titles(at.works))
    wall.is_down = False
    at.later(minutes=45)
    assert len(wall.names("commit")) == 1
    assert at.now().failing_since is None
    assert_once(wall)


def test_a_pause_that_the_target_asks_for_is_kept(at: Relay, wall: Wall) -> None:
    wall.faults = [429]
    at.push("CARD-2", "CARD-2 Begin")
    at.read()
    link = at.now()
    assert link.waits_for in ("rate_limited", "budget_spent") and link.failing_since is None
    assert link.waits_until and link.waits_until > clock.now() + timedelta(seconds=3)
    at.later(seconds=30)
    assert len(wall.names("commit")) == 1


def test_what_the_target_refuses_is_a_dead_letter_alone(at: Relay, wall: Wall) -> None:
    pushed = at.push("topic", *(f"CARD-{n} Commit" for n in range(1, 5)))
    wall.poison = hashes(pushed)[1]
    at.read()
    at.later(minutes=1)
    dead = at.item(state="dead")
    assert (dead.key, dead.error) == (hashes(pushed)[1], "refused")
    assert len(wall.names("commit")) == 3
    assert "refused" in {one.answer for one in at.attempts()}
    wall.poison = ""
    assert at.do(relay_deciding.replay) == 1
    at.works.drain()
    assert len(wall.names("commit")) == 4 and at.items(state="dead") == []
    assert_once(wall)
    wall.poison = hashes(at.push("topic", "CARD-4 Another"))[0]
    at.read()
    at.later(minutes=1)
    assert at.do(relay_deciding.discard, reason="Not wanted there") == 1
    assert {"relay.replayed", "relay.discarded"} <= set(works_actions(at.works))


def test_another_token_in_the_middle_is_taken_up(at: Relay, wall: Wall) -> None:
    wall.token = "another"
    at.push("CARD-2", "CARD-2 Begin")
    at.read()
    link = at.now()
    assert link.waits_for == "reauthorization_required" and wall.pins == {}
    assert {one.attempts for one in at.items(kind="commit")} <= {0, 1, 2}
    wall.token = "board-token"
    with at.works.inside():
        Link.objects.update(waits_until=None)
    at.later(minutes=1)
    assert len(wall.names("commit")) == 1


# ── What was before, and the end ──────────────────────────────────────────────────────────────


def test_a_back_fill_takes_the_fewest_requests(
    works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends, draft=True)
    at.push("", *(f"CARD-1 Commit {n}" for n in range(45)), "No card")  # to the main branch
    at.read()

    with works.inside():
        shown = relay_backfill.estimate(at.now_inside(), since=None)
    assert shown.events >= 46 and shown.requests >= 2
    at.do(relay_links.activate, fills=True)
    works.drain()
    link = at.now()
    assert (link.backfill_stand, link.backfill_done) == ("done", link.backfill_total)
    assert len(wall.names("commit")) >= 40
    assert wall.writes == -(-link.backfill_total // MOST)
    assert all(pin["fill"] for pin in wall.pins.values())
    assert at.items(state="nothing") == []
    at.do(relay_backfill.start, since=None)
    works.drain()
    assert wall.writes == -(-link.backfill_total // MOST)  # what is there is not sent again


def test_a_back_fill_survives_a_death_and_can_be_stopped(at: Relay, wall: Wall) -> None:

    at.do(relay_links.pause)
    at.push("topic", *(f"CARD-1 Commit {n}" for n in range(30)))
    at.read()
    at.do(relay_backfill.start, since=None)
    assert at.works.fork_and_die("backfill.drawn") == KILLED
    time.sleep(LEASE_ENDS)
    at.later(minutes=2)
    assert at.now().backfill_stand == "done"  # all of it is put down as what happens now
    at.do(relay_links.resume)
    at.works.drain()
    assert len(wall.names("commit")) == 30
    assert_once(wall)


@pytest.mark.parametrize("way", ["pins", "tape"])
def test_a_removed_link_leaves_nothing_of_ours(
    way: str, works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends, way=way)
    at.push("CARD-2", "CARD-2 Begin", "CARD-3 Go on")
    at.read()
    assert len(wall.pins) == 3
    wall.pins["others commit 1"] = {"mark": "another", "sequence": 1}
    wall.is_down = True
    name = str(at.now())
    at.do(relay_removal.remove, erase=True, confirm_name=name)
    works.drain()
    assert at.now().state == LinkState.REMOVING
    wall.is_down = False
    at.later(minutes=2)
    link = at.now()
    assert link.state == LinkState.REMOVED and set(wall.pins) == {"others commit 1"}
    assert (link.removal_total, link.removal_left) == (3, 0)
    at.push("CARD-2", "CARD-2 After")
    at.read()
    assert set(wall.pins) == {"others commit 1"}


@pytest.mark.parametrize(("way", "step"), [("pins", "relay.erased"), ("tape", "relay.taken_back")])
def test_a_worker_that_dies_while_it_removes_leaves_the_rest_to_another(
    way: str, step: str, works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends, way=way)
    at.push("CARD-2", "CARD-2 Begin", "CARD-3 Go on")
    at.read()
    at.do(relay_removal.remove, erase=True, confirm_name=str(at.now()))
    assert works.fork_and_die(step) == KILLED
    time.sleep(LEASE_ENDS)
    at.later(minutes=2)
    assert (at.now().state, at.now().removal_left, wall.pins) == (LinkState.REMOVED, 0, {})


# ── Commands ──────────────────────────────────────────────────────────────────────────────────


def test_a_command_runs_once_as_its_author(at: Relay, wall: Wall) -> None:
    pushed = at.push("topic", "CARD-1 #comment Done\nCARD-2 #fly away")
    at.read()
    at.push("other", "CARD-1 Go on", **{"from": hashes(pushed)[0]})
    at.read()
    assert [(one["card"], one["word"], one["by"]) for one in wall.orders] == [
        ("CARD-1", "comment", "alice@acme.example"),
        ("CARD-2", "fly", "alice@acme.example"),
    ]
    with at.works.inside():
        said = dict(SmartDeed.objects.values_list("subject", "state"))
        assert said == {"CARD-1": "done", "CARD-2": "failed"}
        assert SmartDeed.objects.get(subject="CARD-2").detail == "No card can fly."
    assert any("not carried out" in title for title in titles(at.works))


def test_of_a_strangers_command_those_who_run_the_link_are_told_once(at: Relay, wall: Wall) -> None:
    """Another organization's people are strangers, too, whatever a commit says."""
    other = at.works.organization("globex")
    zoe = at.works.person("zoe@globex.example", "Zoe", Role.MEMBER, other)
    for number in (1, 2):
        at.push(f"topic-{number}", f"CARD-{number} #fly away", author="Zoe <zoe@globex.example>")
    at.read()
    with at.works.inside():
        assert SmartDeed.objects.filter(state="failed").count() == 2
        (notice,) = Notice.objects.filter(kind="relay_stranger_failed")
        told = set(Receipt.objects.filter(notice=notice).values_list("user_id", flat=True))
        assert at.works.alice.id in told and zoe.id not in told
    assert not any("a command was not" in title for title in titles(at.works))


@pytest.mark.parametrize("step", ["command.taken", "command.run"])
def test_a_command_whose_worker_dies_runs_once(step: str, at: Relay, wall: Wall) -> None:
    at.push("topic", "CARD-1 #comment Done")
    wall.is_down = True
    at.read()
    wall.is_down = False
    with at.works.inside():
        Link.objects.update(waits_until=None)
        RelayItem.objects.update(due_at=clock.now())
    with roles.using_role("worker"):
        relay_waking.wake()
    assert at.works.fork_and_die(step) == KILLED
    time.sleep(LEASE_ENDS)
    at.later(minutes=3)
    assert [(one["card"], one["word"]) for one in wall.orders] == [("CARD-1", "comment")]
    with at.works.inside():
        assert SmartDeed.objects.get().state == "done"


def titles(works: Works) -> list[str]:
    with works.inside():
        return list(Notice.objects.order_by("opened_at").values_list("title", flat=True))
