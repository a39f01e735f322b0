"""A vendor that refuses everybody: nobody is declared dead, and people are told after six hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import LazySettings

from connections.flows import breaker, incidents, renewals, told_kinds
from connections.flows.vendors import Where
from connections.models import Breaker, Connection, Credential
from portal import clock, roles, tenancy, work
from portal.models import Notice
from tests.connections.ways import again, link_by_consent
from tests.grants import Granted, consented, plant
from tests.vendor import Vendor
from tests.works import Works

SLUG = "bitbucket-cloud"
CLOUD = Where(SLUG)
GRANTS = 200
TURNS = 4


@pytest.fixture(autouse=True)
def _brisk(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Turns are short, the budget is large, and time passes in one test only."""
    settings.REFRESH_PER_SECOND = 100
    monkeypatch.setattr(renewals, "TURN_SECONDS", 0.1)
    yield
    clock.reset()


@pytest.fixture
def crowd(works: Works, vendor: Vendor) -> list[Granted]:
    granted = consented(vendor, GRANTS)
    plant(works.acme, works.register(vendor.consumer("acme-portal")), granted)
    return granted


def pass_time(works: Works, *, seconds: int, step: int) -> None:
    """The portal believes that time passes, and its workers sweep meanwhile."""
    for _ in range(0, seconds, step):
        clock.shift(timedelta(seconds=step))
        with roles.using_role("worker"):
            incidents.look_after()
            renewals.start_due()
            work.drain(limit=TURNS)  # without an end: who waits for a budget is due again at once


def calls(vendor: Vendor) -> int:
    return int(vendor.ask("/calls")["calls"])


def states(works: Works) -> Counter[tuple[str, bool]]:
    """How many are in which state, and whether suspected."""
    with works.inside():
        rows = Connection.objects.values_list("state", "suspect_since")
        return Counter((state, since is not None) for state, since in rows)


def state_of(host: str = "") -> str:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        found = Breaker.objects.get(connector=SLUG, host=host or CLOUD.token_host)
        return str(found.state)


def told(works: Works, kind: str) -> int:
    with works.inside():
        return Notice.objects.filter(kind=kind).count()


def test_a_storm_declares_nobody_dead(works: Works, vendor: Vendor, crowd: list[Granted]) -> None:
    vendor.order("/storm", error="invalid_grant")
    pass_time(works, seconds=1800, step=60)

    assert state_of() == Breaker.State.OPEN
    assert set(states(works)) <= {("active", False), ("active", True)}
    assert states(works)["active", True] < 100
    assert calls(vendor) < 200 + 1800 / 30
    assert told(works, told_kinds.NEEDS_LINK) == told(works, told_kinds.STORM) == 0

    vendor.order("/storm", error="")
    gone = crowd[7].account_id
    vendor.order("/grants/revoke", user=gone)
    pass_time(works, seconds=900, step=15)
    assert state_of() == Breaker.State.CLOSED
    with works.inside():
        others = Credential.objects.exclude(connection__account_id=gone)
        assert set(others.values_list("version", flat=True)) == {2}

    pass_time(works, seconds=1800, step=120)
    assert states(works) == {("active", False): GRANTS - 1, ("needs_reauthorization", True): 1}
    assert told(works, told_kinds.NEEDS_LINK) == 1


def test_a_wrong_client_stops_the_asking_and_nothing_else(
    works: Works, vendor: Vendor, crowd: list[Granted]
) -> None:
    """Abuse cases P20 and P21, for everybody at once."""
    vendor.order("/storm", error="invalid_client")
    pass_time(works, seconds=600, step=60)
    assert state_of() == Breaker.State.OPEN
    assert states(works) == {("active", False): GRANTS}
    assert calls(vendor) < 200 + 600 / 30


def test_an_outage_suspects_nobody(works: Works, vendor: Vendor, crowd: list[Granted]) -> None:
    """Abuse case P26: whatever a gateway says, it says nothing about a grant."""
    match = "POST /site/oauth2/access_token"
    for status in (500, 502, 503, 504, 522):
        vendor.order("/faults", match=match, kind="status", status=status, times=40)
    pass_time(works, seconds=1200, step=60)
    assert states(works) == {("active", False): GRANTS}
    with works.inside():
        assert set(Credential.objects.values_list("version", flat=True)) == {2}


def test_pasted_tokens_are_protected_as_grants_are(works: Works, vendor: Vendor) -> None:
    """The API refuses everybody: by verifications and looks, its own breaker notices that."""
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    vendor.order("/tokens/revoke", name="dana-full")
    host = CLOUD.api_host
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        breaker.note(CLOUD, host, refused=[uuid4() for _ in range(25)])
    assert state_of(host) == Breaker.State.OPEN

    for wait in (timedelta(), timedelta(minutes=2), timedelta(minutes=20)):
        clock.shift(wait)
        assert works.verify(connection).outcome == "failed"
    now = again(works, connection)
    assert (now.state, now.suspect_since, now.looks) == ("active", None, 0)
    assert now.last_error == "reauthorization_required"
    assert now.next_verification_at is not None
    assert now.next_verification_at - clock.now() <= timedelta(minutes=20)

    vendor.order("/tokens/revoke", name="dana-full", restore=True)
    assert works.verify(connection).outcome == "passed"
    assert again(works, connection).last_error == ""


class TestPeople:
    @pytest.fixture
    def connection(self, works: Works, vendor: Vendor) -> Connection:
        found = works.connection(link_by_consent(works, vendor))
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            breaker.note(CLOUD, CLOUD.token_host, refused=[uuid4() for _ in range(25)])
        return found

    def look_after(self, *, hours: float = 0) -> None:
        clock.shift(timedelta(hours=hours))
        with roles.using_role("worker"):
            incidents.look_after()

    def begin_to_close(self) -> None:
        with (
            roles.using_role("worker"),
            tenancy.acting_for(tenancy.PLATFORM),
            tenancy.transaction(),
        ):
            Breaker.objects.update(state=Breaker.State.HALF_OPEN, probed_at=clock.now())

    def for_operators(self, kind: str) -> int:
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            return Notice.objects.filter(kind=kind).count()

    def test_operators_know_at_once_and_others_after_six_hours(
        self, works: Works, connection: Connection
    ) -> None:
        elsewhere = works.organization("globex")
        self.look_after()
        assert self.for_operators(told_kinds.STORM_OPERATORS) == 1
        self.look_after(hours=5.9)
        assert told(works, told_kinds.STORM) == 0
        self.look_after(hours=0.2)
        self.look_after(hours=1)
        assert told(works, told_kinds.STORM) == 1
        assert self.for_operators(told_kinds.STORM_OPERATORS) == 1
        with works.inside(elsewhere):
            assert Notice.objects.count() == 0

    def test_they_are_told_once_that_it_is_over(self, works: Works, connection: Connection) -> None:
        self.look_after(hours=6.1)
        self.begin_to_close()
        for _ in range(3):
            self.look_after(hours=0.1)
        with works.inside():
            assert Notice.objects.get(kind=told_kinds.STORM).resolved_at is not None
        assert state_of() == Breaker.State.CLOSED
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            row = Breaker.objects.get(host=CLOUD.token_host)
            assert (row.because, row.told_at) == ("", None)

    def test_a_second_incident_is_another_one(self, works: Works, connection: Connection) -> None:
        self.look_after(hours=6.1)
        self.begin_to_close()
        self.look_after(hours=0.1)
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            breaker.note(CLOUD, CLOUD.token_host, refused=[uuid4() for _ in range(25)])
        self.look_after(hours=1)
        with works.inside():
            assert not Notice.objects.filter(kind=told_kinds.STORM, resolved_at=None).exists()
        self.look_after(hours=5.1)
        with works.inside():
            assert Notice.objects.filter(kind=told_kinds.STORM, resolved_at=None).exists()
