"""A sweep refreshes what is due, many at a time; the rules decide what each answer means."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from connections import places
from connections.flows import (
    keeping,
    lifecycle,
    refreshing,
    renewals,
    settlement,
    wanted_renewals,
)
from connections.flows.refreshing import EndpointBook, Outcome
from connections.lineage import AnswerClass, Decision
from connections.models import Candidate, Connection, Consumer, Credential, RefreshAttempt
from connections.oauth_answers import TokenAnswer
from portal import clock, roles, tenancy, vault
from portal.models import Job
from tests.grants import consented, plant
from tests.vendor import Vendor
from tests.works import Works

LEASE_IS_OVER = timedelta(seconds=121)


@pytest.fixture
def consumer(works: Works, vendor: Vendor, settings: LazySettings) -> Consumer:
    settings.REFRESH_PER_SECOND = 1000
    return works.register(vendor.consumer("acme-portal"))


def sweep(works: Works) -> None:
    """What is due is refreshed, by jobs as ever."""
    renewals.start_due()
    works.drain()


def credentials(works: Works) -> list[Credential]:
    with works.inside():
        return list(Credential.objects.order_by("id"))


def decisions(works: Works) -> Counter[str]:
    with works.inside():
        return Counter(RefreshAttempt.objects.values_list("decision", flat=True))


def calls(vendor: Vendor) -> int:
    return int(vendor._ask("GET", "/calls")["calls"])


class TestASweep:
    def test_refreshes_each_due_grant_once(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        plant(works.acme, consumer, consented(vendor, 60))
        plant(works.acme, consumer, consented(vendor, 5), due_at=clock.now() + timedelta(minutes=1))
        sweep(works)

        now = clock.now()
        versions = Counter(one.version for one in credentials(works))
        assert versions == {2: 60, 1: 5}
        assert calls(vendor) == 60
        assert decisions(works) == {"became_current": 60}
        renewed = [one for one in credentials(works) if one.version == 2]
        for one in renewed:
            assert one.lease_until is None and one.intent_version is None
            assert one.refresh_due_at is not None and one.expires_at is not None
            left = one.expires_at - one.refresh_due_at
            assert timedelta(minutes=5) <= left <= timedelta(minutes=10)
            assert one.expires_at > now
        assert len({one.refresh_due_at for one in renewed}) > 50

    def test_takes_few_statements_for_many(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        plant(works.acme, consumer, consented(vendor, 40))
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            claimed = refreshing.claim_due("bitbucket-cloud", 100)
            book = EndpointBook()
            book.learn(claimed)
            outcomes = [refreshing.ask(one, book) for one in claimed]
            settled = keeping.keep(outcomes)
        assert {one.decision for one in settled} == {Decision.BECAME_CURRENT}
        assert len(settled) == 40

    def test_leaves_what_waits_for_a_person_and_what_is_held_back(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        plant(works.acme, consumer, consented(vendor, 3))
        with works.inside():
            waits, held, _ = Connection.objects.order_by("name")
            Connection.objects.filter(id=waits.id).update(state="needs_reauthorization")
            Credential.objects.filter(connection_id=held.id).update(quarantined_at=clock.now())
        sweep(works)

        by_connection = {one.connection_id: one for one in credentials(works)}
        assert sorted(one.version for one in by_connection.values()) == [1, 1, 2]
        assert by_connection[held.id].version == 1
        assert calls(vendor) == 1
        sweep(works)
        assert {one.connection_id: one for one in credentials(works)}[
            waits.id
        ].refresh_due_at is None

    def test_is_held_up_by_no_vendor_that_is_not_asked(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        """Grants of a connector that was taken away stay, and so may those of an open breaker."""
        plant(works.acme, consumer, consented(vendor, 3), due_at=clock.now() - LEASE_IS_OVER)
        with works.inside():
            Connection.objects.update(connector="taken-away")
        plant(works.acme, consumer, consented(vendor, 2))
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            assert refreshing.waiting(2) == {("bitbucket-cloud", ""): 2}
        sweep(works)
        assert decisions(works) == {"became_current": 2}

    def test_of_a_paused_connection_keeps_the_grant_alive(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        plant(works.acme, consumer, consented(vendor, 1))
        with works.inside():
            lifecycle.pause(actor=works.alice, connection=Connection.objects.get())
        sweep(works)
        assert calls(vendor) == 0

        with clock.shifted(timedelta(days=76)):
            sweep(works)
            found = credentials(works)[0]
        assert (found.version, calls(vendor)) == (2, 1)
        assert found.refresh_due_at is not None and found.refreshed_at is not None
        assert found.refresh_due_at - found.refreshed_at == timedelta(days=75)
        with works.inside():
            assert RefreshAttempt.objects.get().caller == "keep_alive"
            lifecycle.resume(actor=works.alice, connection=Connection.objects.get())
        due_at = credentials(works)[0].refresh_due_at
        assert due_at is not None and due_at < found.refresh_due_at

    def test_asks_no_faster_than_the_budget(
        self, works: Works, vendor: Vendor, consumer: Consumer, settings: LazySettings
    ) -> None:
        settings.REFRESH_PER_SECOND = 10
        plant(works.acme, consumer, consented(vendor, 30))
        began = clock.now()
        sweep(works)
        assert (clock.now() - began).total_seconds() > 1.5
        assert calls(vendor) == 30

    def test_goes_on_beside_a_refused_one(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        granted = consented(vendor, 30)
        plant(works.acme, consumer, granted)
        vendor.order("/grants/revoke", user=granted[7].account_id)
        sweep(works)
        assert decisions(works) == {"became_current": 29, "suspect": 1}
        with works.inside():
            suspect = Connection.objects.get(account_id=granted[7].account_id)
        assert suspect.state == Connection.State.ACTIVE and suspect.looks == 1


class TestARefusal:
    def test_is_believed_at_the_third_look(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        plant(works.acme, consumer, consented(vendor, 30))
        with works.inside():
            one = Connection.objects.order_by("name")[0]
        vendor.order("/grants/revoke", user=one.account_id)
        later = timedelta()
        for wait, looks, state in (
            (timedelta(), 1, "active"),
            (timedelta(seconds=91), 2, "active"),
            (timedelta(minutes=15), 3, "needs_reauthorization"),
        ):
            later += wait
            with clock.shifted(later):
                sweep(works)
            with works.inside():
                found = Connection.objects.get(id=one.id)
            assert (found.looks, found.state) == (looks, state)
        with works.inside():
            assert Credential.objects.get(connection_id=one.id).refresh_due_at is None

    def test_I11_a_withdrawn_consent_is_noticed_and_asked_about_no_more(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        (granted,) = consented(vendor, 1)
        plant(works.acme, consumer, [granted])
        vendor.order("/grants/revoke", user=granted.account_id)
        for minutes in (0, 2, 17):
            with clock.shifted(timedelta(minutes=minutes)):
                sweep(works)
        with works.inside():
            found = Connection.objects.get()
        assert found.state == Connection.State.NEEDS_REAUTHORIZATION
        noticed = calls(vendor)
        assert noticed <= 3
        for hours in (1, 2, 24):
            with clock.shifted(timedelta(hours=hours)):
                sweep(works)
        assert calls(vendor) == noticed


class TestLateAnswers:
    """Two workers spend the same parent, and both answers arrive."""

    @pytest.fixture
    def pair(self, works: Works, vendor: Vendor, consumer: Consumer) -> list[Outcome]:
        plant(works.acme, consumer, consented(vendor, 1))
        found = []
        for wait in (timedelta(), LEASE_IS_OVER):
            with (
                clock.shifted(wait),
                roles.using_role("worker"),
                tenancy.acting_for(works.acme),
            ):
                (claimed,) = refreshing.claim_due("bitbucket-cloud", 10)
                book = EndpointBook()
                book.learn([claimed])
                found.append(refreshing.ask(claimed, book))
        return found

    def settle(self, works: Works, one: Outcome) -> Decision:
        with (
            clock.shifted(LEASE_IS_OVER),
            roles.using_role("worker"),
            tenancy.acting_for(works.acme),
        ):
            return settlement.settle([one])[0].decision

    def test_the_later_claim_decides_and_the_other_is_kept(
        self, works: Works, pair: list[Outcome]
    ) -> None:
        late, current = pair
        assert self.settle(works, late) is Decision.KEPT_AS_CANDIDATE
        assert self.settle(works, current) is Decision.BECAME_CURRENT
        assert credentials(works)[0].version == 2
        assert opened(works, places.ACCESS) == answered(current).access_token
        with works.inside():
            assert Candidate.objects.count() == 1

    def test_a_spare_answer_is_tried_when_the_first_is_refused(
        self, works: Works, vendor: Vendor, pair: list[Outcome]
    ) -> None:
        late, current = pair
        self.settle(works, late)
        self.settle(works, current)
        with works.inside():
            Credential.objects.update(refresh_due_at=clock.now())
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            (claimed,) = refreshing.claim_due("bitbucket-cloud", 10)
            refused = Outcome(claimed, AnswerClass.REFUSED, clock.now())
            assert settlement.settle([refused])[0].decision is Decision.CANDIDATE_PROMOTED
        assert opened(works, places.REFRESH) == answered(late).refresh_token

        sweep(works)
        assert decisions(works)["became_current"] == 2
        with works.inside():
            assert Candidate.objects.count() == 0
            assert Connection.objects.get().state == Connection.State.ACTIVE

    def test_nothing_is_kept_for_a_forgotten_credential(
        self, works: Works, pair: list[Outcome]
    ) -> None:
        with works.inside():
            lifecycle.revoke(
                actor=works.alice,
                connection=(only := Connection.objects.get()),
                typed_name=only.name,
            )
        works.drain()
        assert self.settle(works, pair[1]) is Decision.IGNORED_MOVED_ON
        with roles.using_role("worker"), works.inside():
            credential = Credential.objects.get()
            for field in (places.ACCESS, places.REFRESH):
                assert not vault.holds(places.of_credential(credential, field))
        assert credential.refresh_due_at is None
        assert (credential.intent_version, credential.lease_until) == (None, None)


def answered(one: Outcome) -> TokenAnswer:
    assert one.tokens is not None
    return one.tokens


def opened(works: Works, field: str) -> str:
    with roles.using_role("worker"), works.inside():
        return vault.open(places.of_credential(Credential.objects.get(), field)).reveal()


class TestTheJobs:
    def test_an_organization_without_due_grants_has_none(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        plant(works.acme, consumer, consented(vendor, 1), due_at=clock.now() + timedelta(hours=1))
        renewals.start_due()
        assert refresh_jobs(works) == []

    def test_a_large_one_has_several(
        self, works: Works, consumer: Consumer, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # One patch: a thousand grants for each hand would take the test a while to plant.
        monkeypatch.setattr(renewals, "GRANTS_PER_HAND", 10)
        plant(works.acme, consumer, consented(vendor, 25))
        for _ in range(2):
            renewals.start_due()
        assert refresh_jobs(works) == [{"hand": "0"}, {"hand": "1"}, {"hand": "2"}]

    def test_one_that_has_its_job_takes_nobody_elses_place(
        self, works: Works, vendor: Vendor, consumer: Consumer, settings: LazySettings
    ) -> None:
        settings.REFRESH_PER_SECOND, settings.SWEEP_SECONDS = 1, 0.5
        later, globex = clock.now(), works.organization("globex")
        plant(works.acme, consumer, consented(vendor, 1), due_at=later - LEASE_IS_OVER)
        plant(globex, consumer, consented(vendor, 1), due_at=later)
        for _ in range(2):
            renewals.start_due()
        with works.inside(globex):
            assert Job.objects.filter(kind="refresh_due").count() == 1

    def test_who_waits_for_one_grant_gets_it_refreshed(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        plant(works.acme, consumer, consented(vendor, 3))
        with works.inside():
            Credential.objects.update(expires_at=clock.now() + timedelta(minutes=2))
        wanted = credentials(works)[1]
        from_now_on = calls(vendor)
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            wanted_renewals.renew_one(None, credential_id=str(wanted.id))  # type: ignore[arg-type]
        assert [one.version for one in credentials(works)] == [1, 2, 1]
        assert calls(vendor) == from_now_on + 1
        with works.inside():
            assert RefreshAttempt.objects.get().caller == "lease"

    def test_no_hand_waits_for_a_grant_that_another_worker_holds(
        self, works: Works, vendor: Vendor, consumer: Consumer
    ) -> None:
        plant(works.acme, consumer, consented(vendor, 1))
        with works.inside():
            held_until = clock.now() + timedelta(minutes=1)
            Credential.objects.update(expires_at=clock.now(), lease_until=held_until)
        began = time.monotonic()
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            wanted = str(credentials(works)[0].id)
            wanted_renewals.renew_one(None, credential_id=wanted)  # type: ignore[arg-type]
        assert time.monotonic() - began < 5


def refresh_jobs(works: Works) -> list[Any]:
    with works.inside():
        found = Job.objects.filter(kind="refresh_due", done_at=None).order_by("ref__hand")
        return list(found.values_list("ref", flat=True))
