"""A stale access token is renewed once, whoever asks, and a refusal is read carefully."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import connections
from django.utils import timezone

from connections import places
from connections.errors import Misconfigured, ReauthorizationRequired, Unavailable
from connections.flows import breaker, refresh, vendors
from connections.flows.refreshing import Caller
from connections.models import Connection, Consumer, Credential, RefreshAttempt
from portal import clock, roles, tenancy, vault
from tests import scenes
from tests.connections.ways import again, depart, link_by_consent
from tests.vendor import Vendor
from tests.works import Works

TOKEN = "POST /site/oauth2/access_token"
LEASE_IS_OVER = timedelta(seconds=121)


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    return works.connection(link_by_consent(works, vendor))


def stale(works: Works, **rest: Any) -> None:
    with works.inside():
        Credential.objects.update(expires_at=timezone.now() - timedelta(minutes=1), **rest)


def fresh(works: Works, connection: Connection) -> str:
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        return refresh.fresh(connection).reveal()


def current(works: Works) -> Credential:
    with works.inside():
        found: Credential = Credential.objects.get(replaced_at=None)
        return found


def story(works: Works) -> list[tuple[Any, ...]]:
    """The ledger: who asked, the versions spent and received, the answer and what was decided."""
    columns = ("caller", "parent_version", "received_version", "answer", "decision")
    with works.inside():
        return list(RefreshAttempt.objects.order_by("at").values_list(*columns))


def exchanges(vendor: Vendor) -> int:
    return len([r for r in vendor.requests() if r["path"].endswith("/access_token")])


def test_eight_who_ask_at_once_make_one_call(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    stale(works)
    vendor.order("/latency", ms=300)
    before, found, ready = exchanges(vendor), [], threading.Barrier(8)

    def ask() -> None:
        try:
            ready.wait(10)
            found.append(fresh(works, connection))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(found) == 8 and len(set(found)) == 1
    assert exchanges(vendor) - before == 1
    assert current(works).version == 2
    assert story(works) == [("sync", 1, 2, "kept", "became_current")]


def test_a_live_token_is_not_renewed(works: Works, vendor: Vendor, connection: Connection) -> None:
    before = exchanges(vendor)
    assert fresh(works, connection) == fresh(works, connection)
    assert exchanges(vendor) == before


def test_a_short_life_is_used_up_to_its_last_third(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """Or a token that lives for five minutes would be renewed at every call."""
    vendor.order("/switches", access_token_seconds=240)
    stale(works)
    fresh(works, connection)
    before = exchanges(vendor)
    fresh(works, connection)
    assert exchanges(vendor) == before

    with works.inside():
        now, left = timezone.now(), timedelta(seconds=60)
        Credential.objects.update(refreshed_at=now - 3 * left, expires_at=now + left)
    fresh(works, connection)
    assert exchanges(vendor) == before + 1


def test_a_token_that_has_no_life_is_asked_for_once(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    vendor.order("/switches", access_token_seconds=0)
    stale(works)
    before = exchanges(vendor)
    assert fresh(works, connection)
    assert exchanges(vendor) == before + 1
    now = current(works)
    assert now.expires_at == now.refreshed_at


def test_a_lease_gets_the_life_that_it_asks_for(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """A third of its life left is enough for us, and not for who was promised more."""
    now = timezone.now()
    with works.inside():
        Credential.objects.update(
            refreshed_at=now - timedelta(minutes=70), expires_at=now + timedelta(minutes=50)
        )
    for caller, version in ((Caller.SYNC, 1), (Caller.LEASE, 2), (Caller.LEASE, 2)):
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            refresh.fresh(connection, min_ttl_seconds=3600, caller=caller)
        assert current(works).version == version


@pytest.mark.parametrize("rotation", ["rotate", "same", "absent"])
def test_the_refresh_token_rotates_or_stays(
    rotation: str, works: Works, vendor: Vendor, connection: Connection
) -> None:
    """Abuse case P12: no refresh token in the answer keeps the old one."""
    vendor.order("/switches", rotation=rotation)
    for _ in range(3):
        stale(works)
        fresh(works, connection)
    assert current(works).version == 4


def test_a_wrong_client_changes_nothing(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    stale(works)
    with works.inside():
        Consumer.objects.update(client_id="unknown")

    with pytest.raises(Misconfigured):
        fresh(works, connection)
    credential = current(works)
    assert (credential.version, credential.lease_until) == (1, None)
    assert again(works, connection).state == Connection.State.ACTIVE


def test_a_withdrawn_grant_asks_for_a_person(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    stale(works)
    vendor.order("/grants/revoke", user="dana")

    with pytest.raises(ReauthorizationRequired):
        fresh(works, connection)
    assert current(works).lease_until is None


def test_an_outage_is_asked_again_when_the_lease_ends(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """A 5xx says nothing of what the vendor did, so nobody asks beside a call that may go on."""
    stale(works)
    vendor.order("/faults", match=TOKEN, kind="status", status=503)

    with pytest.raises(Unavailable):
        fresh(works, connection)
    held = current(works)
    assert (held.version, held.intent_version) == (1, 1)

    with clock.shifted(LEASE_IS_OVER):
        assert fresh(works, connection)
    now = current(works)
    assert (now.version, now.intent_version, now.lease_until) == (2, None, None)
    assert [line[3:] for line in story(works)] == [
        ("in_doubt", "retry_same_parent"),
        ("kept", "became_current"),
    ]


def test_what_was_turned_away_unread_waits_as_long_as_the_vendor_says(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    stale(works)
    headers = {"Retry-After": "1800"}
    vendor.order("/faults", match=TOKEN, kind="status", status=425, headers=headers)
    with pytest.raises(Unavailable):
        fresh(works, connection)
    held = current(works)
    assert held.intent_version is None and held.refresh_due_at is not None
    assert held.refresh_due_at > clock.now() + timedelta(minutes=29)


def test_a_vendor_out_of_reach_may_be_asked_again_at_once(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """Nothing was sent, so nothing is in doubt."""
    stale(works)
    with roles.using_role("worker"), works.inside():
        consumer = Consumer.objects.get()
        Consumer.objects.update(sealed_at=None)
        vault.forget(places.of_consumer(consumer))

    with pytest.raises(Unavailable):
        fresh(works, connection)
    held = current(works)
    assert (held.version, held.intent_version, held.lease_until) == (1, None, None)
    assert [line[3:] for line in story(works)] == [("temporary", "retry_later")]


def test_a_lost_answer_is_asked_for_again(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """The vendor has spent the refresh token; within its grace it answers once more."""
    stale(works)
    vendor.order("/faults", match=TOKEN, kind="cut")

    with pytest.raises(Unavailable):
        fresh(works, connection)
    with clock.shifted(LEASE_IS_OVER):
        assert fresh(works, connection)
    assert current(works).version == 2


def test_the_ledger_tells_which_token_was_spent_for_which(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    for _ in range(3):
        stale(works)
        fresh(works, connection)
    with works.inside():
        lines = list(RefreshAttempt.objects.order_by("at").values_list("spent", "received"))
    assert len({spent for spent, _ in lines}) == 3
    assert [spent for spent, _ in lines[1:]] == [received for _, received in lines[:-1]]


def test_a_worker_that_renews_is_waited_for_and_not_for_ever(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    stale(works, lease_until=timezone.now() + timedelta(seconds=60))

    began = time.monotonic()
    with (
        pytest.raises(Unavailable),
        roles.using_role("worker"),
        tenancy.acting_for(works.acme),
    ):
        refresh.fresh(connection, wait_seconds=1)
    assert 1 <= time.monotonic() - began < 5


class TestDuringAnIncident:
    @pytest.fixture(autouse=True)
    def _refuses_everybody(self, works: Works, connection: Connection) -> None:
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            where = vendors.of(connection)
            breaker.note(where, where.token_host, refused=[uuid4() for _ in range(25)])

    def test_nobody_is_kept_waiting_and_the_vendor_is_left_alone(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        stale(works)
        before, began = exchanges(vendor), time.monotonic()
        with pytest.raises(Unavailable):
            fresh(works, connection)
        assert time.monotonic() - began < 5
        assert exchanges(vendor) == before

    def test_a_living_token_is_not_given_up(self, works: Works, connection: Connection) -> None:
        living = current(works).expires_at
        with (
            roles.using_role("worker"),
            tenancy.acting_for(works.acme),
            pytest.raises(Unavailable),
        ):
            refresh.instead_of(refresh.fresh(connection), connection)
        assert current(works).expires_at == living

    def test_a_person_who_waits_goes_first(self, works: Works, connection: Connection) -> None:
        stale(works)
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            assert refresh.fresh(connection, is_urgent=True)
        assert current(works).version == 2


def test_without_a_budget_one_waits_for_it(
    works: Works, vendor: Vendor, connection: Connection, settings: LazySettings
) -> None:
    settings.REFRESH_PER_SECOND = 1
    stale(works)
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        assert breaker.take(vendors.of(connection), 20)
        with pytest.raises(refresh.NoBudget):
            refresh.fresh(connection, wait_seconds=0)
        assert current(works).version == 1
    assert fresh(works, connection)


def test_a_renewed_token_of_somebody_else_is_refused(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """Abuse case P18: the subject is checked after a refresh."""
    stale(works)
    vendor.order("/grants/reassign", user="dana", to="tomas")

    with pytest.raises(ReauthorizationRequired):
        fresh(works, connection)
    now = again(works, connection)
    assert (now.state, now.last_error) == ("needs_reauthorization", "subject_changed")


def test_client_credentials_are_asked_for_anew(works: Works, vendor: Vendor) -> None:
    consumer = works.register(vendor.consumer("acme-portal"))
    pending, _ = depart(works, consumer.id, method="client-credentials")
    works.drain()
    connection = works.connection(works.reloaded(pending))
    stale(works)

    assert fresh(works, connection)
    assert current(works).version == 2


def test_after_a_revocation_there_is_nothing_to_renew(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    with works.inside():
        Credential.objects.update(replaced_at=timezone.now())
    with pytest.raises(ReauthorizationRequired):
        fresh(works, connection)
