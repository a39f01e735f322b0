"""`kill -9` at each step of tending webhooks: the vendor ends with each hook once, or without."""

from __future__ import annotations

from connections.flows import hook_choice, hook_repairs, lifecycle
from connections.models import Connection
from portal import clock, roles, tenancy
from portal.models import Job
from tests.connections.hooking import (
    Bitbucket,
    choose,
    do,
    endpoint,
    now,
    now_here as here,
    plan,
    rotate,
    rows,
    settle,
    stands,
)
from tests.connections.test_crashes import KILLED
from tests.vendor import Vendor
from tests.works import Works


def dying(works: Works, step: str) -> None:
    """A worker dies at this step, its leases end, and another one finishes what it began."""
    assert works.fork_and_die(step) == KILLED, step
    with roles.using_role("worker"), works.inside():
        Job.objects.exclude(lease_owner=None).update(lease_until=clock.now())
    settle(works)


def test_a_worker_may_die_at_every_step(works: Works, vendor: Vendor, account: Connection) -> None:
    """What it had made is found and not made again; what it had removed is not missed."""
    connection, bitbucket = account, Bitbucket(vendor)
    places = bitbucket.places(works)
    choose(works, connection)
    for step in ("hook.made", "hook.kept"):
        with works.inside():
            hook_repairs.repair_all(actor=works.alice, connection=here(connection))
        dying(works, step)
        if step == "hook.made":
            assert [len(bitbucket.ours(place)) for place in places] == [1] * 3
            bitbucket.remove(places[0], bitbucket.ours(places[0])[0])
            do(works, hook_repairs.look, connection)
    assert stands(works, connection) == ["present"] * 3

    rotate(works, connection)
    dying(works, "hook.changed")
    newest = endpoint(works, connection).secret_at
    assert {row.secret_at for row in rows(works, connection)} == {newest}
    assert [len(bitbucket.ours(place)) for place in places] == [1] * 3

    with tenancy.acting_for(works.acme):
        hook_choice.poll_only(actor=works.alice, connection=now(works, connection))
    dying(works, "hook.removed")
    assert [bitbucket.ours(place) for place in places] == [[], [], []]
    assert rows(works, connection) == []

    choose(works, connection, mends_itself=True)
    with works.inside():
        lifecycle.revoke(actor=works.alice, connection=here(connection), typed_name=connection.name)
    dying(works, "hook.left")
    assert [bitbucket.ours(place) for place in places] == [[], [], []]
    assert plan(works, connection).left_behind == []
