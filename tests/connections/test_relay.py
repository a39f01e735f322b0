"""What happens at a linked source is at the target: once, in order, by the right person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connections.flows import relay_links
from connections.models import LinkRepository, LinkState, RelayItem, Repository
from portal.models import AuditEvent
from tests import scenes
from tests.connections import relaying
from tests.connections.board import Wall, wall as a_wall
from tests.connections.coding import SPACE
from tests.connections.hook_line import line
from tests.connections.relaying import Ends, relay
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

ends = scenes.begun(relaying.ends)


@pytest.fixture
def wall(vendor: Vendor, settings: Any) -> Iterator[Wall]:
    with a_wall(settings) as here:
        yield here


def test_a_push_and_what_follows_it_is_there_once(
    works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends)
    assert wall.came == []  # nothing of before, unless it is asked for
    slug = at.slugs()[0]
    with line(works, vendor, again(works, at.source)) as told:
        pushed = at.push("feature/CARD-1-login", "CARD-1 Begin", "CARD-1 CARD-2 Go on", "No card")
        told.deliver(told.sent())
        told.work()

        assert wall.names("commit") == {f"commit {one}" for one in hashes(pushed)[:2]}
        assert wall.names("branch") == {"branch branch:feature/CARD-1-login"}
        one = wall.pins[f"{SPACE}/{slug} commit {hashes(pushed)[0]}"]
        assert one["who"] == "alice@acme.example" and not one["fill"]  # who linked Dana's account
        item = at.item(kind="branch")
        assert (item.state, item.cause, item.subjects) == ("sent", "webhook", ["CARD-1"])
        assert item.heard_at is not None and item.sent_sequence == item.sequence
        assert at.item(kind="commit", key=hashes(pushed)[2]).state == "nothing"

        at.vendor.order(
            "/pull-requests", workspace=SPACE, repository=slug, do="create",
            title="CARD-1 Let people in", source="feature/CARD-1-login",
        )  # fmt: skip
        vendor.order(
            "/statuses", workspace=SPACE, repository=slug, commit=hashes(pushed)[0], key="ci",
            state="SUCCESSFUL",
        )  # fmt: skip
        told.deliver(told.sent())
        told.work()
        assert len(wall.names("pull_request")) == len(wall.names("build")) == 1
    assert_once(wall)
    with works.inside():
        row = LinkRepository.objects.get(repository__slug=slug)
        assert row.sent >= 5 and row.failed == 0 and row.last_sent_at
    assert {each.answer for each in at.attempts()} == {"accepted"}
    assert {"relay.drafted", "relay.changed", "relay.activated"} <= set(works_actions(works))


def test_what_is_paused_waits_and_only_its_latest_state_goes(
    works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends)
    at.do(relay_links.pause)
    for message in ("CARD-3 One", "CARD-3 Two"):
        at.push("CARD-3", message)
        at.read()
    assert wall.came == [] and at.item(kind="branch").state == "waiting"
    at.do(relay_links.resume)
    works.drain()
    assert len([one for one in wall.came if " branch " in one["name"]]) == 1
    assert len(wall.names("commit")) == 2
    assert_once(wall)


def test_a_key_that_disappears_is_taken_back(
    works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends)
    slug = at.slugs()[0]
    at.push("topic", "Begin")
    pull = {"workspace": SPACE, "repository": slug}
    made = vendor.order("/pull-requests", **pull, do="create", title="CARD-1 A", source="topic")
    at.read()
    assert len(wall.names("pull_request")) == 1
    vendor.order("/pull-requests", **pull, do="update", id=made["id"], title="No card")
    at.read()
    assert wall.names("pull_request") == set()
    assert at.item(kind="pull_request").subjects == []


def test_repositories_join_by_pattern_and_leave_with_what_was_written(
    works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends, choice="pattern", pattern=f"{SPACE}/*", includes_new=True)
    slug = at.slugs()[0]
    vendor.order("/repositories", workspace=SPACE, create="brand-new")
    at.read()
    with works.inside():
        assert Repository.objects.get(slug="brand-new").relayed_at is not None
    at.push("CARD-9", "CARD-9 Begin", repository=slug)
    at.read()
    assert len(wall.pins) == 2
    (chosen,) = at.ids(slug)
    at.do(relay_links.disable, repositories=[chosen], erase=True)
    works.drain()
    assert wall.pins == {}
    at.push("CARD-9", "CARD-9 Again", repository=slug)
    at.read()
    assert wall.pins == {}
    with works.inside():
        assert Repository.objects.get(slug=slug).relayed_at is None
        assert not LinkRepository.objects.get(repository__slug=slug).erasing


def test_what_is_not_linked_puts_nothing_down(
    works: Works, vendor: Vendor, wall: Wall, ends: Ends
) -> None:
    at = relay(works, vendor, wall, ends, draft=True)
    at.push("CARD-3", "CARD-3 One")
    at.read()
    assert at.items() == [] and at.now().state == LinkState.DRAFT
    with works.inside():
        assert not RelayItem.objects.exists()


# ── Looking ───────────────────────────────────────────────────────────────────────────────────


def hashes(pushed: Any) -> list[str]:
    """The commits of the push's one change, in the order they were made."""
    return list(reversed(pushed["changes"][0]["commits"]))


def assert_once(wall: Wall) -> None:
    """No state came twice, and none after a later one."""
    said = [(one["name"], one["sequence"]) for one in wall.came]
    assert len(said) == len(set(said))
    by_name: dict[str, int] = {}
    for name, sequence in said:
        assert by_name.get(name, 0) < sequence
        by_name[name] = sequence


def works_actions(works: Works) -> list[str]:
    with works.inside():
        return list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
