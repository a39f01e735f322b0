"""What is due every so often is done once, by whichever worker comes first, and never lost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from portal import clock, doctor, roles, schedules, upkeep, work
from portal.models import Heartbeat, Job, Schedule
from tests.vendor import ROOT
from tests.works import Works

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


class Runs:
    """A schedule of these tests: how often it ran, and what it does."""

    def __init__(self, name: str, seconds: int) -> None:
        self.name, self.count = name, 0
        self.deed: Callable[[], object] = lambda: None
        schedules.every(name, seconds)(self._run)

    def _run(self) -> None:
        self.count += 1
        self.deed()

    @property
    def row(self) -> Schedule:
        return Schedule.objects.get(name=self.name)


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As a worker, with no schedules but those of the test."""
    if "works" in request.fixturenames:
        request.getfixturevalue("works")  # its people come in by the web process
    monkeypatch.setattr(schedules, "_entries", {})
    with roles.using_role("worker"):
        yield
    clock.reset()


@pytest.fixture
def hourly() -> Runs:
    return Runs("tests.hourly", 3600)


class TestWhenDue:
    def test_a_new_one_runs_at_once_and_then_every_period(self, hourly: Runs) -> None:
        counts = []
        for wait in (0, 30, 31, 60, 1):
            clock.shift(timedelta(minutes=wait))
            schedules.run_due()
            counts.append(hourly.count)

        assert counts == [1, 1, 2, 3, 3]

    def test_a_doubled_tick_is_harmless(self, hourly: Runs) -> None:
        assert [schedules.run_due() for _ in range(3)] == [1, 0, 0]

    def test_a_long_absence_is_made_up_for_once(self, hourly: Runs) -> None:
        schedules.run_due()
        clock.shift(timedelta(days=3))

        assert [schedules.run_due() for _ in range(3)] == [1, 0, 0]
        assert hourly.row.next_run_at > clock.now() + timedelta(minutes=59)

    def test_it_stays_in_step_with_when_it_was_due(self, hourly: Runs) -> None:
        schedules.run_due()
        due = hourly.row.next_run_at
        clock.shift(HOUR + timedelta(minutes=7))
        schedules.run_due()

        assert hourly.row.next_run_at == due + HOUR

    def test_another_period_holds_from_now_on(self, hourly: Runs) -> None:
        schedules.run_due()
        again = Runs(hourly.name, 60)
        schedules.run_due()

        assert again.count == 1
        assert again.row.next_run_at < clock.now() + timedelta(seconds=61)

    def test_what_no_release_runs_any_more_is_forgotten(self, hourly: Runs) -> None:
        old = timezone.now() - timedelta(days=3)
        for name, due in (("of.old", old), ("of.new", timezone.now())):
            Schedule.objects.create(name=name, period_seconds=60, next_run_at=due)
        schedules.run_due()
        upkeep.forget_processes()

        assert {*Schedule.objects.values_list("name", flat=True)} == {"of.new", hourly.name}


class TestManyWorkers:
    def test_of_many_who_ask_at_once_one_runs_it(self, hourly: Runs) -> None:
        gate = threading.Barrier(6)
        hourly.deed = lambda: time.sleep(0.3)

        def ask() -> None:
            try:
                with roles.using_role("worker"):
                    gate.wait(10)
                    schedules.run_due()
            finally:
                connections.close_all()

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert hourly.count == 1

    @pytest.mark.parametrize("step", ["schedule.claimed", "schedule.ran"])
    def test_a_worker_that_dies_leaves_it_to_the_next_one(self, hourly: Runs, step: str) -> None:
        assert die(step) == -9
        row = hourly.row
        assert row.is_running and row.next_run_at <= clock.now()
        assert schedules.run_due() == 0

        Schedule.objects.update(lease_until=timezone.now())

        assert schedules.run_due() == 1
        assert not hourly.row.is_running

    def test_whose_lease_ended_writes_nothing(self, hourly: Runs) -> None:
        def robbed() -> None:
            Schedule.objects.update(lease_owner="00000000-0000-0000-0000-000000000001")

        hourly.deed = robbed
        schedules.run_due()

        assert hourly.row.ended_at is None
        assert hourly.row.is_running


class TestFailing:
    def test_one_that_raises_keeps_nothing_from_the_others(self, hourly: Runs) -> None:
        other = Runs("tests.another", 60)
        hourly.deed = lambda: 1 / 0

        schedules.run_due()

        assert (hourly.count, other.count) == (1, 1)
        assert (hourly.row.last_error, hourly.row.failures) == ("ZeroDivisionError", 1)
        assert (other.row.last_error, other.row.failures) == ("", 0)

    def test_it_is_tried_again_soon_and_then_less_often(self, hourly: Runs) -> None:
        hourly.deed = lambda: 1 / 0
        waits = []
        for _ in range(9):
            schedules.run_due()
            wait = hourly.row.next_run_at - clock.now()
            waits.append(round(wait.total_seconds()))
            clock.shift(wait)

        assert waits == [20, 40, 80, 160, 320, 640, 900, 900, 900]
        hourly.deed = lambda: None
        schedules.run_due()
        assert (hourly.row.last_error, hourly.row.failures) == ("", 0)


class TestDoctor:
    def test_what_does_not_run_or_fails_again_and_again_is_told(self, hourly: Runs) -> None:
        schedules.run_due()
        Heartbeat.objects.create(kind="worker", host="here", pid=1, hands=4)
        assert told("schedules") == []

        Schedule.objects.update(next_run_at=timezone.now() - timedelta(minutes=5))
        assert "should have run at" in "\n".join(told("schedules"))

        Schedule.objects.update(failures=3, last_error="KeyError")
        assert "failed 3 times in a row (KeyError)" in "\n".join(told("schedules"))

    def test_work_that_nobody_does_is_told(self, works: Works) -> None:
        with works.inside():
            work.later("forget_link", run_at=timezone.now() - timedelta(minutes=3))
        assert told("due work") == []  # without workers another check speaks

        Heartbeat.objects.create(kind="worker", host="here", pid=1, hands=4)

        assert told("due work") == [
            "1 due jobs of the class “Webhooks and the like” wait for over a minute."
            " Read the workers' logs."
        ]
        assert told("leases") == []

    def test_a_backlog_of_full_syncs_is_no_fault(self, works: Works) -> None:
        Heartbeat.objects.create(kind="worker", host="here", pid=1, hands=4)
        with works.inside():
            for _ in range(3):
                work.later(
                    "forget_link",
                    priority=work.FULL,
                    run_at=timezone.now() - timedelta(minutes=3),
                )
        assert len(told("due work")) == 1

        assert len(work.claim(limit=3)) == 1  # its share is at work

        assert told("due work") == []

    def test_a_lease_that_nobody_took_over_is_told(self, works: Works) -> None:
        Heartbeat.objects.create(kind="worker", host="here", pid=1, hands=4)
        with works.inside():
            work.later("forget_link", run_at=timezone.now() - timedelta(minutes=3))
        work.claim()
        assert told("leases") == []

        with works.inside():
            Job.objects.update(lease_until=timezone.now() - timedelta(seconds=40))

        assert "left by workers that died" in "\n".join(told("leases"))


def told(name: str) -> list[str]:
    """What the doctor finds by this check."""
    found = [one for one in doctor.examine() if one.name == name]
    return [str(problem) for problem in found[0].problems]


def die(step: str) -> int:
    """A real worker process runs the hourly schedule and dies at this step; its exit code."""
    database = connections["default"].settings_dict["NAME"]
    environment = os.environ | {
        "PORTAL_PROCESS": "worker",
        "DATABASE_URL": re.sub(r"/[^/?]*\?", f"/{database}?", os.environ["DATABASE_URL"]),
        "DIE_AT_STEP": step,
        "PYTHONWARNINGS": "ignore",
    }
    script = (
        "import django; django.setup()\n"
        "from portal import schedules\n"
        "schedules._entries.clear()\n"
        "schedules.every('tests.hourly', 3600)(lambda: None)\n"
        "schedules.run_due()\n"
    )
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=60).returncode
