"""Webhooks at the vendor: made, looked at, repaired and removed, and nobody else's touched."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connections.flows import hook_choice, hook_endpoints, hook_repairs, hook_waking
from connections.flows.problems import FlowProblem
from connections.models import Arrival, Connection, HookStand, SyncSettings
from portal import roles, tenancy
from portal.models import AuditEvent
from tests.connections.hooking import (
    OWN,
    READABLE,
    Bitbucket,
    age,
    choose,
    do,
    endpoint,
    linked,
    now,
    plan,
    rotate,
    rows,
    settle,
    stands,
)
from tests.vendor import Vendor
from tests.works import Works


def test_hooks_are_made_after_a_preview_and_then_left_alone(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    connection, bitbucket = account, Bitbucket(vendor)
    places = bitbucket.places(works)
    made = choose(works, connection)

    assert stands(works, connection) == ["missing"] * 3
    assert [bitbucket.ours(place) for place in places] == [[], [], []]
    with works.inside():
        seen = hook_repairs.preview(now_in(connection), hook_plan(connection))
        assert (seen.makes, seen.changes, seen.removes, seen.requests) == (3, 0, 0, 6)
        assert SyncSettings.objects.get(connection=connection).mode == "hooks"

    assert do(works, hook_repairs.repair_all, connection) == 3
    for place in places:
        (hook,) = bitbucket.ours(place)
        assert (hook["url"], hook["active"], hook["secret_set"]) == (made.address, True, True)
        assert sorted(hook["events"]) == ["pullrequest:created", "repo:push"]
    assert stands(works, connection) == ["present"] * 3
    told = plan(works, connection)
    assert (told.made, told.changed, told.removed, told.failed) == (3, 0, 0, 0)
    assert told.round_ended_at is not None and told.next_at is not None
    assert bitbucket.sent("POST") == 3

    assert do(works, hook_repairs.look, connection) == 3
    assert (bitbucket.sent("POST"), bitbucket.sent("PUT")) == (3, 0)
    with works.inside():
        found = AuditEvent.objects.filter(action__startswith="hooks.").order_by("sequence")
        names = [event.action for event in found]
        assert names[:3] == ["hooks.chosen", "hooks.repair_asked", "hooks.tended"]
        text = str(list(found.values()))
    assert made.secret is not None
    assert made.address not in text and made.secret.reveal() not in text


def test_what_is_wrong_is_named_and_repaired(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    connection, bitbucket = account, Bitbucket(vendor)
    places = bitbucket.places(works)
    made = choose(works, connection, mends_itself=True)
    assert stands(works, connection) == ["present"] * 3
    choose(works, connection, mends_itself=False)
    one, two, three = (bitbucket.ours(place)[0] for place in places)

    bitbucket.change(places[0], one, active=False)
    bitbucket.change(places[1], two, events=["repo:push"])
    bitbucket.remove(places[2], three)
    do(works, hook_repairs.look, connection)
    assert [row.stand for row in rows(works, connection)] == ["inactive", "events", "missing"]
    first = rows(works, connection)[0]
    do(works, hook_repairs.repair_one, connection, hook_id=first.id)
    assert [row.stand for row in rows(works, connection)] == ["present", "events", "missing"]

    bitbucket.change(places[0], one, url="https://elsewhere.example/hooks/v1/" + "x" * 43)
    bitbucket.change(places[1], two, secret="")
    bitbucket.add(places[2], url=made.address, description="Portal: again")
    bitbucket.add(places[2], url=made.address, description="Portal: and again")
    do(works, hook_repairs.look, connection)
    found = rows(works, connection)
    assert [row.stand for row in found] == ["address", "no_secret", "no_secret"]
    assert len(found[2].extras) == 1
    do(works, hook_repairs.repair_all, connection)
    assert stands(works, connection) == ["present"] * 3
    for place in places:
        (hook,) = bitbucket.ours(place)
        assert (hook["url"], hook["active"], hook["secret_set"]) == (made.address, True, True)


def test_new_repositories_get_theirs_by_themselves(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    connection, bitbucket = account, Bitbucket(vendor)
    choose(works, connection, mends_itself=True)
    vendor.order("/repositories", workspace=OWN, create="brand-new")
    works.sync(connection, OWN)
    with roles.using_role("worker"):
        hook_waking.wake()
    settle(works)

    places = bitbucket.places(works)
    assert len(places) == 4
    assert [len(bitbucket.ours(place)) for place in places] == [1] * 4


def test_what_is_not_ours_stays(works: Works, vendor: Vendor, account: Connection) -> None:
    """Neither repair nor removal touches it, however much it looks like ours."""
    connection, bitbucket = account, Bitbucket(vendor)
    places = bitbucket.places(works)
    alike = "https://old-portal.example/hooks/v1/" + "y" * 43
    bitbucket.add(places[0])
    bitbucket.add(places[0], url=alike, description="Portal: of another installation")
    before = bitbucket.hooks(places[0])
    choose(works, connection, mends_itself=True)

    first = rows(works, connection)[0]
    assert (first.strangers, first.lookalikes) == (len(before), 1)
    assert first.lookalike_host == "old-portal.example"
    with tenancy.acting_for(works.acme):
        hook_choice.poll_only(actor=works.alice, connection=now(works, connection))
    settle(works)
    assert bitbucket.hooks(places[0]) == before
    assert stands(works, connection) == []
    assert endpoint(works, connection).disabled_at is not None
    with works.inside():
        assert SyncSettings.objects.get(connection=connection).mode == "polling"


def test_where_there_is_no_room_or_no_right_it_says_so(works: Works, vendor: Vendor) -> None:
    connection, bitbucket = linked(works, vendor, OWN, READABLE), Bitbucket(vendor)
    place = bitbucket.places(works)[0]
    for number in range(50 - len(bitbucket.hooks(place))):
        bitbucket.add(place, url=f"https://ci.example/{number}")
    made = bitbucket.sent("POST")
    choose(works, connection, mends_itself=True)

    found = {str(row.repository): row for row in rows(works, connection)}
    refused = [row for name, row in found.items() if name.startswith(READABLE)]
    assert len(refused) == 11
    assert {(row.stand, row.error) for row in refused} == {("refused", "access_denied")}
    own = sorted(row.stand for name, row in found.items() if name.startswith(OWN))
    assert own == ["full", "present", "present"]
    assert bitbucket.sent("POST") - made == 2
    assert plan(works, connection).failed == 11
    assert plan(works, connection).round_ended_at is not None


def test_one_for_a_whole_workspace_replaces_those_of_repositories(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    connection, bitbucket = account, Bitbucket(vendor)
    places = bitbucket.places(works)
    choose(works, connection, mends_itself=True)
    choose(works, connection, Arrival.WORKSPACE, events=["repo:push", "project:updated"])
    assert sorted(stands(works, connection)) == ["missing", *["surplus"] * 3]
    do(works, hook_repairs.repair_all, connection)

    assert stands(works, connection) == ["present"]
    (hook,) = bitbucket.ours(f"workspaces/{OWN}")
    assert sorted(hook["events"]) == ["project:updated", "repo:push"]
    assert [bitbucket.ours(place) for place in places] == [[], [], []]


class TestNewSecret:
    def test_every_hook_is_told_and_both_hold_meanwhile(
        self, works: Works, vendor: Vendor, account: Connection
    ) -> None:
        connection, bitbucket = account, Bitbucket(vendor)
        choose(works, connection, mends_itself=True)
        before, looked = endpoint(works, connection), bitbucket.sent("GET")
        rotate(works, connection)
        settle(works)

        after = endpoint(works, connection)
        assert after.secret_at != before.secret_at and after.previous_until is not None
        assert (bitbucket.sent("PUT"), bitbucket.sent("GET")) == (3, looked)
        assert {row.secret_at for row in rows(works, connection)} == {after.secret_at}
        assert plan(works, connection).round_what == "secret"

        with tenancy.acting_for(works.acme):
            hook_endpoints.end_former(actor=works.alice, connection=now(works, connection))
        works.drain()
        assert endpoint(works, connection).previous_until is None

    def test_the_former_holds_on_while_hooks_still_have_it(
        self, works: Works, vendor: Vendor, account: Connection
    ) -> None:
        connection = account
        choose(works, connection, mends_itself=True)
        vendor.order("/faults", match="PUT /2.0/*/hooks/*", kind="status", status=500, times=99)
        rotate(works, connection)
        works.drain()
        assert HookStand.FORMER in stands(works, connection)
        with roles.using_role("worker"), works.inside():
            kept = endpoint_here(connection)
            type(kept).objects.update(previous_until=kept.secret_at)
        vendor.order("/normal")
        settle(works)
        assert stands(works, connection) == ["present"] * 3


def test_an_answer_that_was_lost_makes_no_second_hook(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    """The vendor did it, and nobody knows: what was tried before is looked at first."""
    connection, bitbucket = account, Bitbucket(vendor)
    vendor.order("/faults", match="POST /2.0/*/hooks", kind="reset", times=1, takes_effect=True)
    choose(works, connection, mends_itself=True)
    assert stands(works, connection) == ["present"] * 3
    assert [len(bitbucket.ours(place)) for place in bitbucket.places(works)] == [1, 1, 1]


def test_a_spent_budget_is_waited_for(works: Works, vendor: Vendor, account: Connection) -> None:
    connection, bitbucket = account, Bitbucket(vendor)
    choose(works, connection)
    vendor.order("/faults", match="POST /2.0/*/hooks", kind="status", status=429, times=1)
    with works.inside():
        hook_repairs.repair_all(actor=works.alice, connection=now_in(connection))
    works.drain()
    waiting = plan(works, connection)
    assert (waiting.waits_for, waiting.round_ended_at) == ("rate_limited", None)
    settle(works)
    assert [len(bitbucket.ours(place)) for place in bitbucket.places(works)] == [1, 1, 1]


def test_a_look_after_long_sees_what_a_person_changed(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    """By itself, and where it mends itself it does."""
    connection, bitbucket = account, Bitbucket(vendor)
    choose(works, connection, mends_itself=True)
    place = bitbucket.places(works)[0]
    bitbucket.change(place, bitbucket.ours(place)[0], active=False)
    age(works, connection, timedelta(days=3))
    with roles.using_role("worker"), works.inside():
        type(hook_plan(connection)).objects.update(next_at=hook_plan(connection).changed_at)
    with roles.using_role("worker"):
        hook_waking.wake()
    settle(works)
    assert bitbucket.ours(place)[0]["active"] is True


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"HOOKS_URL": ""}, "HOOKS_URL"),
        ({"HOOKS_URL": "http://hooks.example.com", "SANDBOX_ORIGINS": []}, "https"),
        ({}, "Manage webhooks"),
    ],
)
def test_where_no_vendor_can_call_only_polling_is_offered(
    change: dict[str, Any], says: str, works: Works, account: Connection, settings: Any
) -> None:
    connection = account
    if not change:
        connection.capabilities = ["repositories-read"]
    for name, value in change.items():
        setattr(settings, name, value)
    offered = hook_choice.offer(connection)
    assert offered.arrivals == (Arrival.POLLING,)
    assert says in offered.why_not
    with tenancy.acting_for(works.acme), pytest.raises(FlowProblem):
        hook_choice.choose(
            actor=works.alice,
            connection=connection,
            arrival=Arrival.REPOSITORY,
            events=["repo:push"],
            mends_itself=True,
        )


def now_in(connection: Any) -> Any:
    return type(connection).objects.get(id=connection.id)


def hook_plan(connection: Any) -> Any:
    return connection.hook_plans.get()


def endpoint_here(connection: Any) -> Any:
    return connection.hook_endpoints.get()
