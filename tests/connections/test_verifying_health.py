"""An outage never looks like a revocation, and a revocation never like "connected"."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from connections import tasks
from connections.flows import verify
from connections.models import Connection, Consumer, Credential, Verification
from portal import clock, roles
from portal.models import AuditEvent
from tests.connections.ways import again, link_by_consent, patiently
from tests.vendor import Vendor
from tests.works import Works


def looked(works: Works) -> None:
    """What is due is looked at."""
    with roles.using_role("worker"):
        tasks.start_due()
    works.drain()


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    """Time passes in one test only."""
    yield
    clock.reset()


def pass_time(**long: int) -> None:
    """The portal believes that much time to have gone by."""
    clock.shift(timedelta(**long))


def refused_once(works: Works, vendor: Vendor) -> Connection:
    """A connection whose token was withdrawn and looked at for the first time."""
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    vendor.order("/tokens/revoke", name="dana-full")
    ask(works, connection)
    return connection


def ask(works: Works, connection: Connection) -> None:
    with works.inside():
        verify.request(actor=works.alice, connection=connection)
    works.drain()


class TestARevocation:
    def test_the_third_look_believes_it(self, works: Works, vendor: Vendor) -> None:
        connection = refused_once(works, vendor)
        states = []
        for wait in ({"seconds": 91}, {"minutes": 14}, {"hours": 25}):
            now = again(works, connection)
            states.append((str(now.state), now.suspect_since is not None))
            pass_time(**wait)
            looked(works)

        assert states == [
            ("active", True),
            ("active", True),
            ("needs_reauthorization", True),
        ]
        assert again(works, connection).state == Connection.State.NEEDS_REAUTHORIZATION
        with works.inside():
            changes = AuditEvent.objects.filter(action="connection.state_changed")
            assert changes.count() == 1
            assert Verification.objects.filter(outcome="failed").count() == 4

    def test_two_looks_are_too_few_however_long_between(self, works: Works, vendor: Vendor) -> None:
        connection = refused_once(works, vendor)
        pass_time(hours=2)
        looked(works)

        assert again(works, connection).state == Connection.State.ACTIVE

    def test_three_looks_in_a_hurry_are_too_few(self, works: Works, vendor: Vendor) -> None:
        connection = refused_once(works, vendor)
        for _ in range(3):
            ask(works, connection)

        assert again(works, connection).state == Connection.State.ACTIVE

    def test_it_recovers_by_itself(self, works: Works, vendor: Vendor) -> None:
        connection = refused_once(works, vendor)
        for wait in ({"seconds": 91}, {"minutes": 14}):
            pass_time(**wait)
            looked(works)
        assert again(works, connection).state == Connection.State.NEEDS_REAUTHORIZATION
        vendor.order("/tokens/revoke", name="dana-full", restore=True)
        pass_time(hours=25)
        looked(works)

        now = again(works, connection)
        assert (now.state, now.suspect_since, now.last_error) == ("active", None, "")
        with works.inside():
            changes = AuditEvent.objects.filter(action="connection.state_changed")
            states = [event.details["state"] for event in changes.order_by("sequence")]
        assert states == ["needs_reauthorization", "active"]

    def test_a_grant_that_renews_is_believed_dead_when_its_tokens_are_refused(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = works.connection(link_by_consent(works, vendor))
        vendor.order("/faults", match="GET /2.0/user", kind="status", status=401, times=None)
        ask(works, connection)
        for wait in ({"seconds": 91}, {"minutes": 14}):
            pass_time(**wait)
            looked(works)

        assert again(works, connection).state == Connection.State.NEEDS_REAUTHORIZATION

    def test_a_withdrawn_consent_is_suspect_first(self, works: Works, vendor: Vendor) -> None:
        connection = works.connection(link_by_consent(works, vendor))
        vendor.order("/grants/revoke", user="dana")
        ask(works, connection)

        now = again(works, connection)
        assert (now.state, now.last_error) == ("active", "reauthorization_required")
        assert now.suspect_since is not None
        assert now.next_verification_at is not None
        assert now.next_verification_at < timezone.now() + timedelta(minutes=2)


class TestAnOutage:
    def test_it_changes_no_state(self, works: Works, vendor: Vendor) -> None:
        connection = works.connection(works.link_by_token(vendor.token("dana-full")))
        vendor.order("/faults", match="GET /2.0/*", kind="status", status=503, times=None)
        ask(works, connection)
        assert again(works, connection).last_error == "unavailable"
        patiently(works)

        now = again(works, connection)
        assert (now.state, now.suspect_since) == ("active", None)
        verification = works.verification(connection)
        assert (verification.outcome, verification.drift) == ("unreached", [])

    def test_a_gateway_that_refuses_is_an_outage(self, works: Works, vendor: Vendor) -> None:
        """Abuse case P23: a 403 without JSON."""
        connection = works.connection(works.link_by_token(vendor.token("dana-full")))
        vendor.order(
            "/faults", match="GET /2.0/user", kind="status", status=403, text="no", times=None
        )
        ask(works, connection)

        now = again(works, connection)
        assert (now.state, now.suspect_since, now.last_error) == ("active", None, "unavailable")

    def test_a_wrong_consumer_is_no_revocation(self, works: Works, vendor: Vendor) -> None:
        """Abuse cases P20 and P21."""
        connection = works.connection(link_by_consent(works, vendor))
        with works.inside():
            Credential.objects.update(expires_at=timezone.now())
            Consumer.objects.update(client_id="somebody else's")
        ask(works, connection)

        now = again(works, connection)
        assert (now.state, now.suspect_since, now.last_error) == ("active", None, "misconfigured")

    def test_a_refused_access_token_is_renewed_before_it_is_believed(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = works.connection(link_by_consent(works, vendor))
        vendor.order("/faults", match="GET /2.0/user", kind="status", status=401, times=1)
        ask(works, connection)

        assert works.verification(connection).outcome == "passed"
        assert again(works, connection).suspect_since is None
        with works.inside():
            assert Credential.objects.get().version == 2
