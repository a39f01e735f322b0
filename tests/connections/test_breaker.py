"""A breaker notices a vendor's incident, believes nothing while it lasts, and recovers slowly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from connections.flows import breaker
from connections.flows.failures import Window
from connections.flows.vendors import Where
from connections.models import Breaker
from portal import clock, roles, tenancy
from tests.works import Works

SLUG, HOST = "bitbucket-cloud", "bitbucket.org"
CLOUD = Where(SLUG)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ACME, GLOBEX, HOOLI = uuid4(), uuid4(), uuid4()


def some(count: int) -> list[UUID]:
    return [uuid4() for _ in range(count)]


def filled(*notes: tuple[UUID, int, int, int]) -> Window:
    """A window in which each organization had so many good, refused and faulty answers."""
    window = Window([], now=NOW)
    for organization, good, refused, faults in notes:
        window.add(organization, good=some(good), refused=some(refused), faults=some(faults))
    return window


class TestAnIncident:
    @pytest.mark.parametrize(
        ("notes", "expected"),
        [
            pytest.param([(ACME, 40, 20, 0), (GLOBEX, 0, 0, 0)], "reauthorization_required"),
            pytest.param([(ACME, 40, 19, 0)], ""),
            pytest.param([(ACME, 47, 20, 0)], "", id="twenty, and less than three in ten"),
            pytest.param([(ACME, 0, 3, 0)], "reauthorization_required", id="all of a few"),
            pytest.param([(ACME, 0, 2, 0)], "", id="two may both be withdrawn"),
            pytest.param([(ACME, 1, 5, 0)], "", id="one of a few still works"),
            pytest.param([(ACME, 0, 0, 2)], "misconfigured", id="a wrong client, twice"),
            pytest.param([(ACME, 0, 0, 1)], "", id="a wrong client, once"),
            pytest.param([(ACME, 20, 0, 2)], "", id="a few wrong clients among many"),
        ],
    )
    def test_is_told_from_single_refusals(
        self, notes: list[tuple[UUID, int, int, int]], expected: str
    ) -> None:
        assert filled(*notes).storm() == expected

    def test_is_not_made_by_one_organization_alone(self) -> None:
        """Or anybody could stop the others' refreshes with a wrong consumer of their own."""
        assert filled((ACME, 0, 30, 9), (GLOBEX, 10, 0, 0)).storm() == ""
        assert filled((ACME, 0, 30, 0), (GLOBEX, 2, 9, 0)).storm() == "reauthorization_required"
        assert filled((ACME, 0, 2, 2), (GLOBEX, 0, 2, 2), (HOOLI, 400, 0, 0)).storm() == ""

    def test_counts_a_connection_once_however_often_it_fails(self) -> None:
        window, same = Window([], now=NOW), some(2)
        for _ in range(20):
            window.add(ACME, good=(), refused=same, faults=())
        assert window.storm() == ""

    def test_forgets_who_recovered_and_what_is_old(self) -> None:
        window, failing = Window([], now=NOW), some(20)
        window.add(ACME, good=(), refused=failing, faults=())
        assert window.storm()
        window.add(ACME, good=failing[:15], refused=(), faults=())
        assert not window.storm()
        assert Window(window.entries, now=NOW + timedelta(minutes=6)).entries == []


@pytest.fixture
def acme(works: Works) -> Iterator[Works]:
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        yield works
    clock.reset()


def row() -> Breaker:
    with looking():
        found: Breaker = Breaker.objects.get(connector=SLUG, host=HOST)
        return found


@contextmanager
def looking() -> Iterator[None]:
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        yield


def wait(seconds: float) -> None:
    clock.shift(timedelta(seconds=seconds))


def refused(count: int) -> None:
    breaker.note(CLOUD, HOST, refused=some(count))


def failing_at(organization: UUID, count: int) -> None:
    """As many grants of another organization are refused."""
    with tenancy.elsewhere(organization):
        refused(count)


def good() -> None:
    breaker.note(CLOUD, HOST, good=some(1))


def is_open() -> bool:
    with tenancy.transaction():
        return breaker.is_open(CLOUD)


def half_opened() -> None:
    refused(25)
    for _ in range(3):
        wait(45)
        good()


class TestABreaker:
    def test_is_closed_until_something_fails(self, acme: Works) -> None:
        assert not is_open()
        good()
        assert row().state == Breaker.State.CLOSED

    def test_opens_and_tries_one_grant_each_half_minute(self, acme: Works) -> None:
        refused(25)
        assert is_open() and row().because == "reauthorization_required"
        assert breaker.take(CLOUD, 100) == 0
        wait(30)
        assert [breaker.take(CLOUD, 100) for _ in range(3)] == [1, 0, 0]
        wait(31)
        assert breaker.take(CLOUD, 100) == 1

    def test_needs_three_good_answers_in_a_row(self, acme: Works) -> None:
        refused(25)
        good()  # it was under way when the breaker opened
        for answer in (good, good, lambda: refused(1), good, good):
            wait(45)
            answer()
        assert row().state == Breaker.State.OPEN
        wait(45)
        good()
        assert row().state == Breaker.State.HALF_OPEN and is_open()

    def test_gives_the_budget_back_by_doubling_it(self, acme: Works) -> None:
        """From one a second up to the normal rate, the clock shifted meanwhile."""
        half_opened()
        granted = []
        for _ in range(8):
            wait(10)
            granted.append(breaker.take(CLOUD, 10_000))
        assert granted[0] <= 2 and granted[-1] == 20
        assert granted == sorted(granted)
        assert all(after <= 2 * before + 1 for before, after in pairwise(granted))

    def test_closes_after_a_calm_and_not_before(self, acme: Works) -> None:
        half_opened()
        wait(119)
        breaker.settle_all()
        assert is_open()
        wait(2)
        breaker.settle_all()
        assert not is_open()

    def test_opens_again_at_a_relapse(self, acme: Works) -> None:
        half_opened()
        first = row().opened_at
        refused(3)
        assert (row().state, row().opened_at) == (Breaker.State.OPEN, first)
        assert breaker.take(CLOUD, 5) == 0

    def test_is_not_kept_open_by_one_organization_alone(self, acme: Works) -> None:
        """Or a wrong consumer of one would stop the refreshes of all for ever."""
        refused(25)
        for _ in range(3):
            wait(45)
            good()
            failing_at(GLOBEX, 2)
        assert row().state == Breaker.State.HALF_OPEN
        for _ in range(5):
            wait(20)
            failing_at(GLOBEX, 3)
        assert row().state == Breaker.State.HALF_OPEN
        wait(30)
        breaker.settle_all()
        assert not is_open()

    def test_opens_again_when_a_second_organization_suffers(self, acme: Works) -> None:
        half_opened()
        failing_at(GLOBEX, 3)
        assert row().state == Breaker.State.HALF_OPEN
        failing_at(HOOLI, 1)
        assert row().state == Breaker.State.OPEN

    def test_is_not_kept_open_by_nobody_else(self, acme: Works) -> None:
        """Where one organization is all there is, its failures are the vendor's."""
        refused(25)
        for answer in (good, good, lambda: refused(9), good, good):
            wait(45)
            answer()
        assert row().state == Breaker.State.OPEN

    def test_opens_again_before_its_end_was_told_and_forgets_nobody(self, acme: Works) -> None:
        """Or who was told of the incident would never hear that it is over."""
        half_opened()
        told_at = clock.now()
        with looking():
            Breaker.objects.update(told_at=told_at)
        wait(125)
        breaker.settle_all()
        refused(25)
        assert (row().state, row().told_at) == (Breaker.State.OPEN, told_at)

    def test_grants_no_more_than_the_budget(self, acme: Works) -> None:
        began, granted = clock.now(), breaker.take(CLOUD, 1000)
        for _ in range(40):
            wait(0.25)
            granted += breaker.take(CLOUD, 1000)
        seconds = (clock.now() - began).total_seconds()
        # A second's worth had gathered before.
        assert 20 * (seconds - 1) <= granted <= 20 * (seconds + 1) + 1

    def test_of_another_vendor_stays_closed(self, acme: Works) -> None:
        refused(25)
        with tenancy.transaction():
            assert not breaker.is_open(Where("gitlab"))
