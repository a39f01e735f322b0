"""Stored values and the intake: the web process puts in, workers open, nobody else reads."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections
from django.db.utils import IntegrityError, ProgrammingError
from django.utils import timezone

from portal import vault
from portal.keys import SealBroken
from portal.models import DataKey, Intake, Organization, SealedValue
from portal.roles import using_role
from portal.secret import Secret
from portal.tenancy import acting_for, transaction
from portal.vault import Place
from tests import keys

pytestmark = pytest.mark.django_db

SECRET = Secret("canary-7d1f0b9e4f2a")


@pytest.fixture
def rings():
    return keys.rings()


@pytest.fixture
def place(rings):
    organization = Organization(slug="acme", name="Acme")
    with acting_for(organization), transaction():
        organization.save(force_insert=True)
    return Place(organization.id, "connections_credential", uuid4(), "access")


@pytest.fixture
def web(rings, place):
    @contextmanager
    def enter():
        with keys.holding(rings["web"]), acting_for(place.organization_id), transaction():
            yield

    return enter


@pytest.fixture
def worker(rings, place):
    @contextmanager
    def enter():
        acting = acting_for(place.organization_id)
        with keys.holding(rings["worker"]), using_role("worker"), acting, transaction():
            yield

    return enter


def soon():
    return timezone.now() + timedelta(minutes=10)


class TestStoredValues:
    def test_what_is_kept_is_opened_until_it_is_forgotten(self, place, worker):
        with worker():
            assert not vault.holds(place)
            vault.keep(place, SECRET)
        with worker():
            assert vault.holds(place)
            assert vault.open(place) == SECRET
            vault.forget(place)
        with worker():
            assert not vault.holds(place)
            with pytest.raises(LookupError):
                vault.open(place)

    def test_keeping_again_replaces(self, place, worker):
        with worker():
            vault.keep(place, SECRET)
            vault.keep(place, Secret("newer"))

            assert vault.open(place).reveal() == "newer"
            assert SealedValue.objects.count() == 1

    def test_c04_a_blob_copied_between_rows_does_not_open(self, place, worker):
        other = Place(place.organization_id, place.table, uuid4(), place.field)
        with worker():
            vault.keep(place, SECRET)
            vault.keep(other, Secret("theirs"))
            blob = SealedValue.objects.get(row_id=place.row_id).blob
            SealedValue.objects.filter(row_id=other.row_id).update(blob=blob)

            with pytest.raises(SealBroken):
                vault.open(other)

    @pytest.mark.parametrize("blob", [b"", b"plain-token-0123456789", b"H1\x01\x00\x00\x00\x01x"])
    def test_c05_the_column_takes_sealed_values_only(self, place, worker, blob):
        with pytest.raises(IntegrityError), worker():
            vault.keep(place, SECRET)
            SealedValue.objects.update(blob=blob)

    @pytest.mark.parametrize("alias", ["default", "sweeper", "support"])
    def test_only_the_worker_role_reads_them(self, place, worker, alias):
        with worker():
            vault.keep(place, SECRET)

        for statement in ("SELECT blob", "SELECT id", "SELECT count(*)"):
            with pytest.raises(ProgrammingError), connections[alias].cursor() as cursor:
                cursor.execute(f"{statement} FROM portal_sealedvalue")


class TestIntake:
    def test_what_the_web_process_takes_in_a_worker_moves_and_opens(self, place, web, worker):
        with web():
            vault.take_in(place, SECRET, expires_at=soon())
        with worker():
            vault.reseal(place)
        with worker():
            assert vault.open(place) == SECRET
            assert not Intake.objects.exists()

    def test_the_web_role_cannot_read_back_what_it_took_in(self, place, web):
        with web():
            vault.take_in(place, SECRET, expires_at=soon())
        with pytest.raises(ProgrammingError), web():
            Intake.objects.values_list("blob").first()

    def test_the_web_process_holds_no_key_that_opens_it(self, place, web):
        with web():
            blob = vault.intake_seal(SECRET, place)

            with pytest.raises(SealBroken):
                vault.intake_open(blob, place)
            with pytest.raises(SealBroken):
                vault.seal(SECRET, place)

    def test_a_second_answer_replaces_the_first(self, place, web, worker):
        with web():
            vault.take_in(place, Secret("first"), expires_at=soon())
            vault.take_in(place, Secret("second"), expires_at=soon())
        with worker():
            vault.reseal(place)
            assert vault.open(place).reveal() == "second"

    def test_what_waited_too_long_is_not_opened_and_goes_with_the_next(self, place, web, worker):
        other = Place(place.organization_id, place.table, uuid4(), "code")
        with web():
            vault.take_in(place, SECRET, expires_at=timezone.now() - timedelta(seconds=1))
        with worker(), pytest.raises(LookupError):
            vault.reseal(place)
        with web():
            vault.take_in(other, SECRET, expires_at=soon())
        with worker():
            assert [row.row_id for row in Intake.objects.all()] == [other.row_id]

    def test_what_waits_is_discarded(self, place, web, worker):
        with web():
            vault.take_in(place, SECRET, expires_at=soon())
        with web():
            vault.discard(place)
        with worker(), pytest.raises(LookupError):
            vault.reseal(place)

    def test_c04_a_blob_for_another_place_is_refused_and_stays(self, place, web, worker):
        other = Place(place.organization_id, place.table, uuid4(), place.field)
        with web():
            Intake.objects.create(
                table_name=other.table,
                row_id=other.row_id,
                field=other.field,
                blob=vault.intake_seal(SECRET, place),
                expires_at=soon(),
            )
        with pytest.raises(SealBroken), worker():
            vault.reseal(other)
        with worker():
            assert Intake.objects.count() == 1
            assert not vault.holds(other)

    def test_c05_changed_and_cut_blobs_are_refused(self, place, rings):
        with keys.holding(keys.everything(rings)):
            blob = vault.intake_seal(Secret("short"), place)
            for at in range(len(blob)):
                for changed in (blob[:at], blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]):
                    with pytest.raises(SealBroken):
                        vault.intake_open(changed, place)

    def test_the_table_takes_no_plain_text(self, place, web):
        with pytest.raises(IntegrityError), web():
            Intake.objects.create(
                table_name="t",
                row_id=uuid4(),
                field="f",
                blob=b"plain",
                expires_at=soon(),
            )

    def test_a_worker_hands_nothing_in(self, place, worker):
        """It can seal for workers, for its spool; the intake does not take that from it."""
        with pytest.raises(ProgrammingError, match="permission denied"), worker():
            vault.take_in(place, SECRET, expires_at=soon())


def test_two_that_need_the_first_data_key_at_once_agree_on_one(place, rings):
    start, blobs = threading.Barrier(4), []

    def seal_in_a_transaction():
        with using_role("worker"), acting_for(place.organization_id), transaction():
            start.wait(10)
            blobs.append(vault.seal(SECRET, place))
        connections["worker"].close()

    with keys.holding(rings["worker"]):
        threads = [threading.Thread(target=seal_in_a_transaction) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        with using_role("worker"), acting_for(place.organization_id), transaction():
            assert DataKey.objects.count() == 1
            assert [vault.unseal(blob, place) for blob in blobs] == [SECRET] * 4
