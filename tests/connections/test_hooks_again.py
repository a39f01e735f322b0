"""Webhooks once more: after a refusal, while a secret is being told, and by two jobs at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from connections.flows import hook_endpoints, hook_repairs, hook_rounds
from connections.flows.problems import FlowProblem
from connections.models import Connection, Hook, Repository
from portal import clock, roles
from portal.models import Job
from tests.connections.hooking import (
    OWN,
    Bitbucket,
    choose,
    do,
    endpoint,
    later,
    now_here as here,
    plan,
    rotate,
    rows,
    settle,
    stands,
)
from tests.connections.pages import base_of, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

DAY = timedelta(hours=26)
TOLD = "PUT /2.0/*/hooks/*"


class TestAfterARefusal:
    def test_it_is_told_the_secret_that_it_refused(
        self, works: Works, vendor: Vendor, account: Connection
    ) -> None:
        """By one press of a person, and by itself within a day; meanwhile both secrets hold."""
        bitbucket = Bitbucket(vendor)
        choose(works, account)
        do(works, hook_repairs.repair_all, account)
        vendor.order("/faults", match=TOLD, kind="status", status=403, times=2)
        rotate(works, account)
        settle(works)
        assert stands(works, account) == ["present", "refused", "refused"]
        newest = endpoint(works, account)
        next_at = plan(works, account).next_at
        assert newest.previous_until is not None and next_at is not None
        assert next_at < newest.previous_until

        later(works, newest.previous_until - clock.now() - timedelta(minutes=30))
        held = endpoint(works, account).previous_until
        assert held is not None and held > newest.previous_until

        refused = [row for row in rows(works, account) if row.stand == "refused"]
        do(works, hook_repairs.repair_one, account, hook_id=refused[0].id)
        assert stands(works, account) == ["present", "present", "refused"]
        later(works, DAY)
        assert stands(works, account) == ["present"] * 3
        assert {row.secret_at for row in rows(works, account)} == {newest.secret_at}
        assert bitbucket.sent("PUT") == 5

    def test_one_press_is_one_repair(
        self, works: Works, vendor: Vendor, account: Connection
    ) -> None:
        """What was refused is looked at again, and made only when somebody asks again."""
        bitbucket = Bitbucket(vendor)
        choose(works, account)
        vendor.order("/faults", match="POST /2.0/*/hooks", kind="status", status=403, times=1)
        do(works, hook_repairs.repair_all, account)
        assert stands(works, account) == ["present", "present", "refused"]
        later(works, DAY)
        assert stands(works, account) == ["missing", "present", "present"]
        assert bitbucket.sent("POST") == 3


def test_a_third_secret_waits_until_the_second_was_told(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    choose(works, account, mends_itself=True)
    rotate(works, account)
    with pytest.raises(FlowProblem, match="still being kept"):
        rotate(works, account)
    vendor.order("/faults", match=TOLD, kind="status", status=500, times=99)
    works.drain()
    with pytest.raises(FlowProblem, match="told to 3 webhooks"):
        rotate(works, account)
    page = text(signed_in(works.alice).get(f"{base_of(account)}hooks/secret"))
    assert "3 webhooks may still sign" in page

    vendor.order("/normal")
    settle(works)
    with works.inside():
        assert hook_endpoints.untold(here(account)) == 0
    rotate(works, account)
    rotate(works, account, ends_former=True)


def test_two_jobs_do_not_tend_one_container_at_once(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    """One that somebody waits for is left to the job that has it in hand already."""
    bitbucket = Bitbucket(vendor)
    choose(works, account)
    row = rows(works, account)[0]
    with roles.using_role("worker"), works.inside():
        until = clock.now() + timedelta(minutes=1)
        Hook.objects.filter(id=row.id).update(lease_owner=uuid4(), lease_until=until)
    with works.inside():
        hook_repairs.repair_one(actor=works.alice, connection=here(account), hook_id=row.id)
    works.drain()
    assert bitbucket.sent("POST") == 0
    with works.inside():
        waiting = Job.objects.get(kind=hook_rounds.JOB, done_at=None)
        assert waiting.last_error == "hooks_in_hand"
    later(works, timedelta(minutes=2))
    assert bitbucket.sent("POST") == 1
    assert rows(works, account)[0].lease_until is None


def test_workers_are_woken_for_new_containers_only(
    works: Works, vendor: Vendor, account: Connection
) -> None:
    """A sync of what is known asks for no look, however often it comes."""
    choose(works, account)
    before = plan(works, account).next_at
    assert before is not None and before > clock.now()
    with roles.using_role("worker"), works.inside():
        hook_rounds.look_soon(here(account))
    assert plan(works, account).next_at == before
    with roles.using_role("worker"), works.inside():
        known = Repository.objects.filter(connection=account)[0]
        known.id, known.remote_id, known.full_name = uuid4(), "{new}", f"{OWN}/new"
        known.save(force_insert=True)
        hook_rounds.look_soon(here(account))
    next_at = plan(works, account).next_at
    assert next_at is not None and next_at <= clock.now()
