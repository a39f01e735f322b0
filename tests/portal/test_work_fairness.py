"""Who is next: a class before another, organizations in turn, and hands that are always left."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.utils import timezone

from portal import fairness, roles, work
from portal.fairness import FULL, HOUSEKEEPING, INCREMENTAL, NORMAL, REFRESH, WAITING, Priority
from portal.models import Heartbeat, Job, Organization
from tests.works import Works

KIND = "a_turn_of_the_tests"
SYNCS = (INCREMENTAL, FULL, HOUSEKEEPING)


@pytest.fixture(autouse=True)
def kind() -> None:
    work.job(KIND)(lambda claim, **ref: None)


@pytest.fixture
def worker() -> Iterator[None]:
    with roles.using_role("worker"):
        yield


def ask(works: Works, organization: Organization, count: int, priority: Priority) -> None:
    """So many due jobs, in few statements."""
    with works.inside(organization), roles.connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO portal_job (id, organization_id, kind, ref, priority, run_at, attempts,"
            " max_attempts, last_error, request_id, created_at)"
            " SELECT gen_random_uuid(), %s, %s, '{}', %s, now() - interval '1 hour'"
            " + n * interval '1 millisecond', 0, 8, '', '', now() FROM generate_series(1, %s) n",
            [organization.id, KIND, int(priority), count],
        )


def organization(works: Works, name: str) -> Organization:
    with roles.using_role("default"):
        return works.organization(name)


def analyzed() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE portal_job")


def alive(hands: int, *, seconds_ago: float = 0) -> Heartbeat:
    """A worker with so many hands was seen."""
    with roles.using_role("worker"):
        seen = timezone.now() - timedelta(seconds=seconds_ago)
        made: Heartbeat = Heartbeat.objects.create(
            kind="worker", host="here", pid=1, hands=hands, seen_at=seen
        )
    return made


def order(count: int) -> list[UUID]:
    """The organizations of the next jobs, each done before the next is claimed."""
    served = []
    for _ in range(count):
        (held,) = work.claim()
        work.perform(held)
        served.append(held.organization_id)
    return served


def claimed() -> Counter[Priority]:
    """Claim until nothing more may be done; the classes of what is held."""
    held: Counter[Priority] = Counter()
    while claims := work.claim():
        with connections["sweeper"].cursor() as cursor:
            cursor.execute("SELECT priority FROM portal_job WHERE id = %s", [claims[0].id])
            held[Priority(cursor.fetchone()[0])] += 1
    return held


class TestTurns:
    def test_ten_jobs_do_not_wait_behind_fifty_thousand(self, works: Works, worker: None) -> None:
        globex = organization(works, "globex")
        ask(works, works.acme, 50_000, NORMAL)
        ask(works, globex, 10, NORMAL)

        served = order(24)

        assert served.count(globex.id) == 10
        assert served.index(globex.id) <= 1

    def test_whoever_was_served_longest_ago_is_next(self, works: Works, worker: None) -> None:
        others = [organization(works, name) for name in ("globex", "initech")]
        three = {works.acme.id, *(one.id for one in others)}
        for one in (works.acme, *others):
            ask(works, one, 4, NORMAL)

        served = order(12)

        assert all({*served[at : at + 3]} == three for at in range(0, 12, 3))

    def test_a_turn_in_one_class_is_none_in_another(self, works: Works, worker: None) -> None:
        globex = organization(works, "globex")
        ask(works, works.acme, 3, WAITING)
        assert order(3) == [works.acme.id] * 3

        ask(works, works.acme, 2, FULL)
        ask(works, globex, 2, FULL)

        assert Counter(order(2)) == {works.acme.id: 1, globex.id: 1}

    def test_the_oldest_of_an_organization_is_first(self, works: Works, worker: None) -> None:
        for minutes in (5, 30, 10):
            with works.inside():
                work.later(KIND, run_at=timezone.now() - timedelta(minutes=minutes))

        ages = []
        while claims := work.claim():
            with works.inside():
                ages.append(timezone.now() - Job.objects.get(id=claims[0].id).run_at)

        assert [round(age.total_seconds() / 60) for age in ages] == [30, 10, 5]

    def test_hundreds_of_organizations_all_get_their_turn(self, works: Works, worker: None) -> None:
        many = [organization(works, f"organization-{number}") for number in range(150)]
        for one in many:
            ask(works, one, 4, NORMAL)

        served = Counter(order(450))

        assert len(served) == 150
        assert max(served.values()) <= 4

    def test_the_platforms_own_jobs_have_their_turn(self, works: Works, worker: None) -> None:
        ask(works, Organization(id=UUID(int=0)), 1, NORMAL)

        assert order(1) == [UUID(int=0)]


class TestClaim:
    def test_it_reads_as_little_beside_a_hundred_thousand(self, works: Works, worker: None) -> None:
        """Counted in pages, which do not depend on how busy the machine is."""
        for name in ("globex", "initech"):
            ask(works, organization(works, name), 10, NORMAL)
        analyzed()
        few = pages_read()
        ask(works, works.acme, 100_000, NORMAL)
        analyzed()

        many = pages_read()

        assert many < few + 200, (few, many)

    def test_a_class_without_room_costs_no_more(self, works: Works, worker: None) -> None:
        alive(4)
        ask(works, works.acme, 20_000, FULL)
        analyzed()
        assert claimed() == {FULL: 1}

        assert pages_read() < 200

    def test_jobs_of_a_class_put_off_cost_no_more(self, works: Works, worker: None) -> None:
        ask(works, works.acme, 20_000, NORMAL)
        with works.inside():
            Job.objects.update(run_at=timezone.now() + timedelta(hours=1))
        ask(works, organization(works, "globex"), 1, NORMAL)
        analyzed()

        assert pages_read() < 200

    def test_workers_do_not_wait_for_each_other(self, works: Works) -> None:
        """One holds a job, its turn and its organization's row; another one claims at once."""
        ask(works, works.acme, 3, NORMAL)
        with roles.using_role("worker"):
            order(1)
            with connections["owner"].cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute(f"SET LOCAL app.organization_id = '{works.acme.id}'")
                cursor.execute("SELECT id FROM portal_turn FOR UPDATE")
                cursor.execute(
                    "SELECT id FROM portal_job ORDER BY run_at OFFSET 1 LIMIT 1 FOR UPDATE"
                )
                began = time.monotonic()
                assert len(work.claim()) == 1
                assert time.monotonic() - began < 0.5
                cursor.execute("ROLLBACK")


class TestHands:
    @pytest.mark.parametrize("hands", range(2, 40))
    def test_syncs_never_take_all_hands(self, hands: int) -> None:
        for kind in SYNCS:
            assert fairness.most(kind, hands) < hands
        assert fairness.most(FULL, hands) <= fairness.most(INCREMENTAL, hands)
        assert fairness.most(HOUSEKEEPING, hands) <= fairness.most(FULL, hands)
        assert all(fairness.most(kind, hands) >= 1 for kind in Priority)

    @pytest.mark.parametrize("hands", range(3, 10))
    def test_who_waits_and_a_refresh_always_find_one(self, hands: int) -> None:
        """Whatever the others hold, in any order in which they may have come."""
        for urgent in (WAITING, REFRESH):
            others = [kind for kind in Priority if kind != urgent]
            for state in reachable(others, hands):
                running = dict(zip(others, state, strict=True))
                assert sum(state) < hands
                assert fairness.has_room(urgent, running, hands)

    def test_two_hands_leave_one_to_both(self) -> None:
        assert all(fairness.most(kind, 2) == 1 for kind in (NORMAL, *SYNCS))
        assert fairness.shares(1) == fairness.shares(0) == ()

    def test_a_full_sync_takes_its_share_and_no_more(self, works: Works, worker: None) -> None:
        alive(5)
        alive(3)
        ask(works, works.acme, 20, FULL)
        assert claimed() == {FULL: 4}

        for kind in (WAITING, REFRESH, NORMAL, INCREMENTAL):
            ask(works, works.acme, 20, kind)

        # Those who wait leave one of eight to refresh, and refresh leaves one to them.
        assert claimed() == {WAITING: 3, REFRESH: 3}

    def test_the_limit_holds_for_all_who_claim_at_once(self, works: Works) -> None:
        alive(8)
        ask(works, works.acme, 200, FULL)
        gate, held = threading.Barrier(12), []

        def grab() -> None:
            try:
                with roles.using_role("worker"):
                    gate.wait(10)
                    held.extend(work.claim(limit=4))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=grab) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert len(held) == fairness.most(FULL, 8) == 4

    def test_a_dead_worker_leaves_nothing_behind(
        self, works: Works, worker: None, settings: Any
    ) -> None:
        settings.LEASE_SECONDS = 1
        alive(4)
        ask(works, works.acme, 5, FULL)
        assert claimed() == {FULL: 1}  # and dies
        assert claimed() == {}
        time.sleep(1.1)

        assert claimed() == {FULL: 1}

    def test_hands_of_a_worker_that_is_gone_count_no_more(self, works: Works, worker: None) -> None:
        alive(4)
        alive(8, seconds_ago=60)
        assert fairness.hands() == 4

    def test_without_a_known_worker_whoever_asks_may_have_it(
        self, works: Works, worker: None
    ) -> None:
        ask(works, works.acme, 5, FULL)
        assert claimed() == {FULL: 5}


def pages_read() -> int:
    """How many pages of the database one claim touches; the second one, when the catalogue is read.

    The claims are given back.
    """
    with connections["sweeper"].cursor() as cursor:
        cursor.execute("BEGIN")
        for _ in range(2):
            cursor.execute(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + fairness.CLAIM,
                [uuid4(), 60, timezone.now(), [*map(int, Priority)], "[]"],
            )
            plan = cursor.fetchone()[0][0]["Plan"]
        cursor.execute("ROLLBACK")
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def reachable(kinds: list[Priority], hands: int) -> set[tuple[int, ...]]:
    """Every number of jobs per class that may run together when only these classes come."""
    start = (0,) * len(kinds)
    seen, ahead = {start}, [start]
    while ahead:
        state = ahead.pop()
        running = dict(zip(kinds, state, strict=True))
        for place, kind in enumerate(kinds):
            if sum(state) < hands and fairness.has_room(kind, running, hands):
                after = (*state[:place], state[place] + 1, *state[place + 1 :])
                if after not in seen:
                    seen.add(after)
                    ahead.append(after)
    return seen
