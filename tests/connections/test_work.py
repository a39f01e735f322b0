"""Work is a row: done once, done again after a death, given up in the end, and never lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from portal import context_vars, roles, tenancy, upkeep, work
from portal.models import Job
from tests.connections.ways import hurry
from tests.works import Works


class Deeds:
    """A kind of job for these tests: `deed` is what it does, `done` and `told` what came of it."""

    kind = "a_deed_of_the_tests"

    def __init__(self) -> None:
        self.done: list[dict[str, str]] = []
        self.told: list[str] = []
        self.deed: Any = lambda claim, **ref: None
        self.telling: Any = lambda code, **ref: None
        work.job(self.kind, gave_up=self._gave_up)(self._run)

    def _run(self, claim: work.Claim, **ref: str) -> None:
        self.deed(claim, **ref)
        self.done.append(ref)

    def _gave_up(self, code: str, **ref: str) -> None:
        self.told.append(code)
        self.telling(code, **ref)


@pytest.fixture
def deeds() -> Deeds:
    return Deeds()


@pytest.fixture
def works_quickly(works: Works, settings: Any) -> Iterator[Works]:
    settings.LEASE_SECONDS = 1
    yield works


def later(works: Works, **rest: Any) -> Job:
    with works.inside():
        work.later(rest.pop("kind", Deeds.kind), **rest)
        found: Job = Job.objects.order_by("-created_at")[0]
        return found


def now(works: Works, job: Job) -> Job:
    with works.inside():
        found: Job = Job.objects.get(id=job.id)
        return found


class TestDoing:
    def test_it_enters_the_organization_and_request_of_who_asked(
        self, works: Works, deeds: Deeds
    ) -> None:
        seen: list[Any] = []
        deeds.deed = lambda claim, **ref: seen.append(
            (tenancy.organization_id(), context_vars.request_id.get(), ref)
        )
        token = context_vars.request_id.set("r-17")
        later(works, thing="x")
        context_vars.request_id.reset(token)
        works.drain()

        assert seen == [(works.acme.id, "r-17", {"thing": "x"})]

    def test_a_transaction_that_fails_leaves_no_job(self, works: Works, deeds: Deeds) -> None:
        with pytest.raises(ZeroDivisionError), works.inside():
            work.later(deeds.kind)
            raise ZeroDivisionError

        assert works.drain() == 0

    def test_two_of_one_name_are_one(self, works: Works, deeds: Deeds) -> None:
        for number in range(3):
            later(works, dedupe="the same", number=number)
        works.drain()
        later(works, dedupe="the same", number=3)
        works.drain()

        assert [each["number"] for each in deeds.done] == ["0", "3"]

    def test_who_waits_comes_first(self, works: Works, deeds: Deeds) -> None:
        for name in ("FULL", "INCREMENTAL", "NORMAL", "REFRESH", "WAITING"):
            later(works, priority=getattr(work, name), name=name)
        works.drain()

        order = [each["name"] for each in deeds.done]
        assert order == ["WAITING", "REFRESH", "NORMAL", "INCREMENTAL", "FULL"]

    def test_what_is_due_later_waits(self, works: Works, deeds: Deeds) -> None:
        later(works, run_at=timezone.now() + timedelta(hours=1))
        assert works.drain() == 0
        hurry(works)
        assert works.drain() == 1

    def test_many_drains_at_once_do_each_job_once(self, works: Works, deeds: Deeds) -> None:
        with works.inside():
            for number in range(60):
                work.later(deeds.kind, number=number)

        def drain() -> None:
            try:
                works.drain()
            finally:
                connections.close_all()

        threads = [threading.Thread(target=drain) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert sorted(int(each["number"]) for each in deeds.done) == list(range(60))


class TestLosing:
    def test_who_lost_the_lease_writes_nothing(self, works: Works, deeds: Deeds) -> None:
        def robbed(claim: work.Claim, **ref: str) -> None:
            with tenancy.transaction():
                Job.objects.filter(id=claim.id).update(lease_owner=works.acme.id)
            with tenancy.transaction():
                Job.objects.filter(id=other.id).update(last_error="written by the loser")
                claim.hold()

        deeds.deed = robbed
        other = later(works, run_at=timezone.now() + timedelta(days=1))
        job = later(works)
        works.drain()

        assert (now(works, other).last_error, deeds.done) == ("", [])
        assert now(works, job).done_at is None

    def test_a_lease_that_ended_is_lost_even_if_nobody_took_it(
        self, works_quickly: Works, deeds: Deeds
    ) -> None:
        works = works_quickly
        late: list[bool] = []

        def slow(claim: work.Claim, **ref: str) -> None:
            if not late:
                late.append(True)
                time.sleep(1.2)
            with tenancy.transaction():
                claim.hold()
                Job.objects.filter(id=claim.id).update(last_error="seen")

        deeds.deed = slow
        job = later(works)
        works.drain()
        works.drain()

        assert len(deeds.done) == 1
        assert now(works, job).attempts == 2
        assert now(works, job).done_at is not None

    def test_a_worker_that_died_is_replaced(self, works_quickly: Works, deeds: Deeds) -> None:
        works = works_quickly
        later(works)
        with roles.using_role("worker"):
            assert len(work.claim()) == 1  # and dies
        assert works.drain() == 0
        time.sleep(1.1)
        assert works.drain() == 1
        assert len(deeds.done) == 1

    def test_a_job_that_kills_its_workers_is_given_up(
        self, works_quickly: Works, deeds: Deeds
    ) -> None:
        works = works_quickly
        job = later(works, max_attempts=2)
        for _ in range(2):
            with roles.using_role("worker"):
                assert work.claim()
            time.sleep(1.1)
        works.drain()

        assert (deeds.done, deeds.told) == ([], ["attempts_used_up"])
        assert now(works, job).failed_at is not None


class TestFailing:
    def test_a_job_that_gets_on_outlives_any_number_of_its_workers(
        self, works_quickly: Works, deeds: Deeds
    ) -> None:
        def gets_on(claim: work.Claim, **ref: str) -> None:
            with tenancy.transaction():
                claim.progressed()
            raise work.LeaseLost  # and dies

        deeds.deed = gets_on
        job = later(works_quickly, max_attempts=2)
        for _ in range(4):
            works_quickly.drain()
            with roles.using_role("worker"), works_quickly.inside():
                Job.objects.update(lease_until=timezone.now())
        deeds.deed = lambda claim, **ref: None
        works_quickly.drain()

        assert (len(deeds.done), deeds.told) == (1, [])
        assert now(works_quickly, job).done_at is not None

    def test_what_fails_after_a_part_is_done_does_not_wait_for_workers_that_died_before(
        self, works: Works, deeds: Deeds
    ) -> None:
        def gets_on(claim: work.Claim, **ref: str) -> None:
            with tenancy.transaction():
                claim.progressed()
            raise LookupError

        deeds.deed = gets_on
        job = later(works, max_attempts=8)
        with roles.using_role("worker"), works.inside():
            Job.objects.update(attempts=6)
        works.drain()

        assert (now(works, job).run_at - timezone.now()).total_seconds() <= 5

    def test_a_poison_job_backs_off_and_is_given_up(self, works: Works, deeds: Deeds) -> None:
        def poison(claim: work.Claim, **ref: str) -> None:
            raise LookupError("a secret might stand here")

        deeds.deed = poison
        job = later(works, max_attempts=3)
        waits = []
        for _ in range(3):
            works.drain()
            waits.append((now(works, job).run_at - timezone.now()).total_seconds())
            hurry(works)

        assert 2 < waits[0] <= 5 < 2 * waits[1] <= 20
        assert deeds.told == ["LookupError"]
        job = now(works, job)
        assert job.failed_at is not None and job.last_error == "LookupError"
        assert works.drain() == 0

    def test_the_vendors_hour_is_kept_and_costs_no_attempt(
        self, works: Works, deeds: Deeds
    ) -> None:
        def busy(claim: work.Claim, **ref: str) -> None:
            raise work.RetryLater("rate_limited", seconds=600, free=True)

        deeds.deed = busy
        job = later(works, max_attempts=1)
        for _ in range(3):
            works.drain()
            job = now(works, job)
            assert 590 < (job.run_at - timezone.now()).total_seconds() <= 600
            assert (job.attempts, job.failed_at) == (0, None)
            hurry(works)

    def test_a_kind_nobody_knows_waits_for_a_worker_of_its_version(
        self, works: Works, deeds: Deeds
    ) -> None:
        """While an upgrade lasts, workers of two versions take jobs."""
        job = later(works, kind="of_the_version_beside", max_attempts=1)
        for _ in range(3):
            works.drain()
            hurry(works)
        job = now(works, job)
        assert (job.last_error, job.failed_at, job.done_at) == ("unknown_kind", None, None)

        work.job("of_the_version_beside")(lambda *_, **__: None)
        works.drain()

        job = now(works, job)
        assert (job.last_error, job.failed_at, job.done_at is None) == ("", None, False)

    def test_a_kind_nobody_knows_for_a_day_is_given_up(self, works: Works, deeds: Deeds) -> None:
        job = later(works, kind="of_no_version")
        with roles.using_role("worker"), works.inside():
            Job.objects.filter(id=job.id).update(attempts=work.UNKNOWN_TRIES)
        works.drain()

        job = now(works, job)
        assert (job.last_error, job.failed_at is None) == ("unknown_kind", False)

    def test_a_telling_that_raises_ends_the_job_and_holds_up_nobody(
        self, works: Works, deeds: Deeds
    ) -> None:
        def poison(claim: work.Claim, **ref: str) -> None:
            if ref["name"] == "poison":
                raise ValueError

        def stumble(code: str, **ref: str) -> None:
            Job.objects.filter(id=job.id).update(last_error="half told")
            raise KeyError(code)

        deeds.deed, deeds.telling = poison, stumble
        job = later(works, name="poison", max_attempts=1, priority=work.WAITING)
        later(works, name="behind it")
        works.drain()

        assert [each["name"] for each in deeds.done] == ["behind it"]
        assert now(works, job).failed_at is not None
        assert now(works, job).last_error == "ValueError"

    def test_a_job_that_vanishes_holds_up_nobody(self, works: Works, deeds: Deeds) -> None:
        def erase(claim: work.Claim, **ref: str) -> None:
            if ref["name"] == "gone":
                with tenancy.transaction():
                    Job.objects.filter(id=claim.id).delete()
                raise ValueError

        deeds.deed = erase
        later(works, name="gone", priority=work.WAITING)
        later(works, name="behind it")
        works.drain()

        assert [each["name"] for each in deeds.done] == ["behind it"]

    def test_old_done_jobs_are_swept_away(self, works: Works, deeds: Deeds) -> None:
        old, young = later(works, name="old"), later(works, name="young")
        works.drain()
        with roles.using_role("worker"), works.inside():
            week = timezone.now() - timedelta(days=8)
            Job.objects.filter(id=old.id).update(created_at=week, done_at=week)
        with roles.using_role("worker"):
            upkeep.purge()
        with works.inside():
            assert list(Job.objects.values_list("id", flat=True)) == [young.id]


class TestSweeping:
    def test_a_step_that_raises_keeps_nothing_from_its_turn(
        self, works: Works, deeds: Deeds
    ) -> None:
        broken = work.on_sweep(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        try:
            later(works)
            with roles.using_role("worker"):
                assert work.sweep() == 1
        finally:
            work._on_sweep.remove(broken)

    def test_what_waits_can_be_counted(self, works: Works, deeds: Deeds) -> None:
        for _ in range(3):
            later(works)
        later(works, run_at=timezone.now() + timedelta(hours=1))

        assert (work.due(10), work.due(2)) == (3, 2)


def test_work_is_named_by_the_row_alone(works: Works, deeds: Deeds) -> None:
    """A hint carries nothing, and a test process has no worker of its own."""
    with works.inside():
        work.later(deeds.kind)
        assert transaction.get_connection(roles.current()).in_atomic_block
    assert os.environ["PORTAL_PROCESS"] == "web"
    assert deeds.done == []
    works.drain()
    assert len(deeds.done) == 1
