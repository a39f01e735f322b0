"""Section Q of the abuse cases: what is done to the queue, one test for each row that needs one.

Rows that whole files are about are proven there: Q01 in tests/connections/test_crashes*.py, Q05 in
tests/connections/test_keeping.py, Q07 in tests/abuse/test_queue_Q07.py, Q11 in
tests/portal/test_work_fairness.py, Q13 and the kills of Q02 in
tests/connections/test_work_processes.py.
"""

from __future__ import annotations

import inspect
import itertools
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

from portal import clock, roles, schedules, work
from portal.celery import app
from portal.models import Heartbeat, Job
from tests.connections.test_work_processes import a_worker, asked, is_done, until
from tests.servers import Servers
from tests.vendor import Vendor
from tests.works import Works

HOUR = 3600
QUEUE = app.conf.task_default_queue


@pytest.fixture
def broker(servers: Servers) -> redis.Redis:
    return redis.Redis.from_url(servers.valkey.url)


@pytest.fixture
def hourly(monkeypatch: pytest.MonkeyPatch, works: Works) -> Iterator[list[datetime]]:
    """When the only schedule there is ran, by the clock of the workers."""
    ran: list[datetime] = []
    monkeypatch.setattr(schedules, "_entries", {})
    schedules.every("tests.hourly", HOUR)(lambda: ran.append(clock.now()))
    with roles.using_role("worker"):
        yield ran
    clock.reset()


def set_clock(to: datetime) -> None:
    clock.shift(to - clock.now())


def send(broker: redis.Redis, task: str, body: Any, **odd: Any) -> None:
    """A message as anybody who reaches the broker may put it into the queue."""
    message = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"id": str(uuid4()), "lang": "py", "task": task},
        "properties": {
            "correlation_id": str(uuid4()),
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "delivery_mode": 2,
            "delivery_tag": str(uuid4()),
            "priority": 0,
        },
    }
    broker.lpush(QUEUE, json.dumps(message | odd))


def arguments(*args: Any, **named: Any) -> str:
    return json.dumps([args, named, {}])


def required(kind: str) -> list[str]:
    """What a job of this kind must be given."""
    named = list(inspect.signature(work._kinds[kind].run).parameters.values())[1:]
    return [each.name for each in named if each.default is inspect.Parameter.empty]


def names_only_ids(kind: str) -> bool:
    """Some jobs of keys name a domain and a moment, which are never gone."""
    return all(name.endswith("_id") for name in required(kind))


class TestQ02TheBrokerFailsInManyWays:
    @pytest.mark.parametrize(("setting", "bad"), [("min-replicas-to-write", 1), ("maxmemory", 1)])
    def test_Q02_read_only_or_full_it_delays_nothing(
        self, setting: str, bad: int, works: Works, vendor: Vendor, broker: redis.Redis
    ) -> None:
        connection = works.connection(works.link_by_token(vendor.token("dana-full")))
        with a_worker(works, vendor, sweep_seconds=1) as worker:
            until(lambda: broker.exists("_kombu.binding." + QUEUE) == 1, worker)
            broker.config_set(setting, bad)
            try:
                for _ in range(2):
                    verification = asked(works, connection)
                    assert until(partial(is_done, works, verification), worker) < 30
                    time.sleep(2)  # the worker has met what is wrong by now
            finally:
                broker.config_set(setting, 0)


class TestQ06MessagesAgain:
    def test_Q06_fifty_of_the_same_do_it_once(
        self, works: Works, vendor: Vendor, broker: redis.Redis
    ) -> None:
        connection = works.connection(works.link_by_token(vendor.token("dana-full")))
        with works.inside():
            before = len(vendor.requests())
        works.verify(connection)
        works.drain()
        of_one = len(vendor.requests()) - before

        with a_worker(works, vendor, sweep_seconds=600) as worker:
            verification = asked(works, connection)
            for _ in range(50):
                send(broker, "drain", arguments())
            until(lambda: is_done(works, verification), worker)
            until(lambda: broker.llen(QUEUE) == 0, worker)
        assert len(vendor.requests()) - before == 2 * of_one

    @pytest.mark.parametrize("kind", sorted(filter(names_only_ids, work._kinds)))
    def test_Q06_a_job_for_what_is_gone_ends_quietly(self, kind: str, works: Works) -> None:
        wanted = required(kind)
        with roles.using_role("worker"), works.inside():
            work.later(kind, **dict.fromkeys(wanted, uuid4()))
        works.drain()
        with works.inside():
            assert not Job.objects.filter(kind=kind, done_at=None).exists()
            assert not Job.objects.exclude(failed_at=None).exists()


class TestQ09Ticks:
    def test_Q09_two_at_once_run_it_once(self, hourly: list[datetime]) -> None:
        schedules.run_due()
        schedules.run_due()
        assert len(hourly) == 1


class TestQ10Clocks:
    @pytest.mark.parametrize(
        "around",
        [
            datetime(2027, 3, 28, 0, 30, tzinfo=UTC),  # summer time begins in Europe
            datetime(2027, 10, 31, 0, 30, tzinfo=UTC),
            datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),  # where a leap second would be
            datetime(2027, 1, 31, 23, 30, tzinfo=UTC),
        ],
        ids=["summer", "winter", "year", "month"],
    )
    def test_Q10_no_hour_is_doubled_or_left_out(
        self, around: datetime, hourly: list[datetime]
    ) -> None:
        set_clock(around)
        for _ in range(5 * 6):
            schedules.run_due()
            clock.shift(timedelta(minutes=10))
        gaps = [b - a for a, b in itertools.pairwise(hourly)]
        assert len(hourly) == 5
        assert all(timedelta(minutes=59) < gap < timedelta(minutes=61) for gap in gaps)

    def test_Q10_a_clock_set_back_by_two_hours_leaves_no_gap(self, hourly: list[datetime]) -> None:
        schedules.run_due()
        clock.shift(timedelta(hours=-2))
        for _ in range(7):
            schedules.run_due()
            clock.shift(timedelta(minutes=10))
        assert len(hourly) == 3


class TestQ11OneOrganizationHasMuchToDo:
    def test_Q11_no_worker_is_needed_to_know_whose_turn_it_is(self, works: Works) -> None:
        """The share itself: tests/portal/test_work_fairness.py."""
        assert not Heartbeat.objects.exists()
        other = works.organization("other")
        with works.inside():
            for _ in range(50):
                work.later("tests.nothing")
        with works.inside(other):
            work.later("tests.nothing")
        with roles.using_role("worker"):
            served: list[UUID] = [each.organization_id for each in work.claim(3)]
        assert other.id in served
