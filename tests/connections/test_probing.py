"""Idle connections are looked at with one quiet call, and reported ones at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from connections import tasks
from connections.flows import lifecycle, probe, witnesses
from connections.models import Connection, Credential
from portal import clock, roles, work
from portal.models import Job
from tests import scenes
from tests.connections.ways import again, jobs, link_by_consent
from tests.vendor import Vendor
from tests.works import Works

ASKED = "/2.0/user"


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    """Time passes in one test only."""
    yield
    clock.reset()


@scenes.begun
def pasted(works: Works, vendor: Vendor) -> Connection:
    return works.connection(works.link_by_token(vendor.token("dana-full")))


@scenes.begun
def granted(works: Works, vendor: Vendor) -> Connection:
    return works.connection(link_by_consent(works, vendor))


def pass_time(works: Works, *, minutes: float) -> None:
    """So much time passes, and what nobody heard of is looked at."""
    clock.shift(timedelta(minutes=minutes))
    with roles.using_role("worker"):
        tasks.start_probes()
    works.drain()


def reported(works: Works, connection: Connection) -> None:
    """Somebody says that the vendor refuses its token."""
    with works.inside():
        witnesses.look(connection)
    works.drain()


def asked(vendor: Vendor) -> int:
    """How often the vendor's gentlest call was made."""
    return sum(request["path"] == ASKED for request in vendor.requests())


def refreshed(works: Works) -> int:
    with works.inside():
        return int(Credential.objects.get(replaced_at=None).version) - 1


class TestAnIdleConnection:
    def test_is_asked_every_quarter_of_an_hour(
        self, works: Works, vendor: Vendor, pasted: Connection
    ) -> None:
        before = asked(vendor)
        pass_time(works, minutes=10)
        assert asked(vendor) == before
        for _ in range(3):
            pass_time(works, minutes=16)
        assert asked(vendor) == before + 3
        seen = again(works, pasted).last_success_at
        assert seen is not None and clock.now() - seen < timedelta(minutes=1)

    def test_is_asked_early_enough_to_be_noticed_within_a_quarter_of_an_hour(
        self, works: Works, vendor: Vendor, pasted: Connection
    ) -> None:
        """A minute and more is left for the schedule, and the look waits behind no full sync."""
        clock.shift(timedelta(minutes=13, seconds=1))
        with roles.using_role("worker"):
            tasks.start_probes()
        with works.inside():
            assert [job.priority for job in Job.objects.filter(kind=probe.IDLE_KIND)] == [
                work.INCREMENTAL
            ]

    def test_is_left_alone_when_the_vendor_was_heard_of(
        self, works: Works, vendor: Vendor, pasted: Connection
    ) -> None:
        clock.shift(timedelta(minutes=14))
        works.verify(pasted)
        before = asked(vendor)
        pass_time(works, minutes=5)
        assert asked(vendor) == before
        planned = again(works, pasted).next_probe_at
        assert planned is not None and planned > clock.now() + timedelta(minutes=7)

    def test_is_suspected_soon_after_it_was_withdrawn(
        self, works: Works, vendor: Vendor, pasted: Connection
    ) -> None:
        vendor.order("/tokens/revoke", name="dana-full")
        pass_time(works, minutes=16)
        now = again(works, pasted)
        assert (now.state, now.looks) == ("active", 1)
        assert now.next_verification_at is not None
        assert now.next_verification_at < clock.now() + timedelta(minutes=2)

    def test_is_not_renewed_for_a_look(
        self, works: Works, vendor: Vendor, granted: Connection
    ) -> None:
        before = asked(vendor)
        pass_time(works, minutes=60 * 3)
        assert (asked(vendor), refreshed(works)) == (before, 0)

    def test_is_not_asked_while_paused_or_when_looks_are_off(
        self, works: Works, vendor: Vendor, pasted: Connection, settings: LazySettings
    ) -> None:
        before = asked(vendor)
        with works.inside():
            lifecycle.pause(actor=works.alice, connection=pasted)
        pass_time(works, minutes=16)
        with works.inside():
            lifecycle.resume(actor=works.alice, connection=again_inside(pasted))
        settings.PROBE_IDLE_MINUTES = 0
        pass_time(works, minutes=16)
        assert asked(vendor) == before and jobs(works) == []
        assert again(works, pasted).next_probe_at is None

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_is_not_blamed_for_trouble_at_the_vendor(
        self, status: int, works: Works, vendor: Vendor, pasted: Connection
    ) -> None:
        fault: dict[str, Any] = {"kind": "status", "status": status, "times": None}
        vendor.order("/faults", match=f"GET {ASKED}", **fault)
        pass_time(works, minutes=16)
        now = again(works, pasted)
        assert (now.state, now.suspect_since, now.last_error) == ("active", None, "")
        assert jobs(works) == []


def again_inside(connection: Connection) -> Connection:
    found: Connection = Connection.objects.get(id=connection.id)
    return found


class TestAReport:
    def test_starts_a_look_at_once(self, works: Works, vendor: Vendor, pasted: Connection) -> None:
        vendor.order("/tokens/revoke", name="dana-full")
        reported(works, pasted)
        assert again(works, pasted).looks == 1

    def test_that_is_wrong_costs_one_call(
        self, works: Works, vendor: Vendor, pasted: Connection
    ) -> None:
        before = asked(vendor)
        reported(works, pasted)
        assert asked(vendor) == before + 1
        assert again(works, pasted).looks == 0

    def test_renews_a_refused_token_before_it_is_believed(
        self, works: Works, vendor: Vendor, granted: Connection
    ) -> None:
        vendor.order("/faults", match=f"GET {ASKED}", kind="status", status=401, times=1)
        reported(works, granted)
        now = again(works, granted)
        assert (refreshed(works), now.state, now.looks) == (1, "active", 0)

    def test_finds_a_withdrawn_grant(
        self, works: Works, vendor: Vendor, granted: Connection
    ) -> None:
        """The API and then the token endpoint refuse it: one look, and the next is due soon."""
        vendor.order("/grants/revoke", user="dana")
        reported(works, granted)
        now = again(works, granted)
        assert (now.state, now.looks) == ("active", 1)
        with works.inside():
            due_at = Credential.objects.get().refresh_due_at
        assert due_at is not None and due_at < clock.now() + timedelta(seconds=91)

    def test_of_another_account_is_believed_at_once(
        self, works: Works, vendor: Vendor, granted: Connection
    ) -> None:
        vendor.order("/grants/reassign", user="dana", to="tomas")
        reported(works, granted)
        now = again(works, granted)
        assert (now.state, now.last_error) == ("needs_reauthorization", "subject_changed")


class TestTheBudget:
    def test_ends_after_two_percent_of_an_hours_requests(
        self, works: Works, vendor: Vendor, pasted: Connection
    ) -> None:
        with works.inside():
            Connection.objects.update(rate={"limit": 200})
        before = asked(vendor)
        for _ in range(9):
            reported(works, again(works, pasted))
        assert asked(vendor) - before in {4, 5, 6, 7, 8}  # a new hour may begin meanwhile
        assert jobs(works) == []


class TestAGrantHeldBackAfterARestore:
    @pytest.fixture
    def held_back(self, works: Works, granted: Connection) -> Connection:
        with roles.using_role("worker"), works.inside():
            Credential.objects.update(quarantined_at=clock.now(), refresh_due_at=None)
        return granted

    def test_spends_no_refresh_token(
        self, works: Works, vendor: Vendor, held_back: Connection
    ) -> None:
        vendor.order("/grants/revoke", user="dana")
        reported(works, held_back)
        now = again(works, held_back)
        assert (now.state, now.last_error) == ("needs_reauthorization", "restored")
        assert refreshed(works) == 0

    def test_is_fine_while_its_last_token_lives(
        self, works: Works, vendor: Vendor, held_back: Connection
    ) -> None:
        reported(works, held_back)
        assert again(works, held_back).state == Connection.State.ACTIVE
        clock.shift(timedelta(hours=3))
        reported(works, held_back)
        assert again(works, held_back).state == Connection.State.NEEDS_REAUTHORIZATION
