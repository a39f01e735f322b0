"""What is sealed opens in its place and nowhere else (abuse cases C04 to C07)."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from portal import keyring, vault
from portal.keys import SealBroken
from portal.models import DataKey, Organization
from portal.roles import using_role
from portal.secret import Secret
from portal.tenancy import acting_for, transaction
from portal.vault import Place
from tests import keys

pytestmark = pytest.mark.django_db

CANARY = "canary-7d1f0b9e4f2a"
SECRET = Secret(CANARY)


@pytest.fixture
def rings():
    found = keys.rings()
    with keys.holding(keys.everything(found)):
        yield found


@pytest.fixture
def organizations(rings):
    return [make_organization(slug) for slug in ("acme", "globex")]


def make_organization(slug):
    organization = Organization(slug=slug, name=slug.title())
    with acting_for(organization), transaction():
        organization.save(force_insert=True)
    return organization


@contextmanager
def worker_for(organization_id):
    with using_role("worker"), acting_for(organization_id), transaction():
        yield


def place_of(organization, **other):
    return Place(
        **{
            "organization_id": organization.id,
            "table": "connections_credential",
            "row_id": uuid4(),
            "field": "access",
            **other,
        }
    )


@pytest.fixture
def place(organizations):
    return place_of(organizations[0])


def sealed(place, secret=SECRET):
    with worker_for(place.organization_id):
        return vault.seal(secret, place)


def opened(blob, place):
    with worker_for(place.organization_id):
        return vault.unseal(blob, place)


def assert_broken(blob, place, caplog=None):
    with pytest.raises(SealBroken) as broken:
        opened(blob, place)
    assert "canary" not in str(broken.value)
    assert "reference" in str(broken.value)


def test_what_is_sealed_opens_in_its_place(place):
    blob = sealed(place)

    assert opened(blob, place) == SECRET
    assert CANARY.encode() not in blob


def test_a_token_of_any_length_and_script_is_kept(place):
    for text in ("x", "a" * 20_000, "пароль-密碼-\u0000-\n"):
        assert opened(sealed(place, Secret(text)), place).reveal() == text


def test_the_blob_has_the_documented_form(place):
    blob = sealed(place)

    assert blob[:7] == b"P1" + bytes([1]) + (1).to_bytes(4, "big")
    assert len(blob) == 2 + 1 + 4 + 12 + len(CANARY) + 16


def test_the_same_secret_never_gives_the_same_blob(place):
    assert len({sealed(place) for _ in range(20)}) == 20


class TestC04MovedBlobs:
    @pytest.mark.parametrize(
        "other",
        [
            {"row_id": UUID(int=7)},
            {"field": "refresh"},
            {"table": "connections_consumer"},
            {"domain": "index"},
        ],
    )
    def test_a_blob_in_another_place_does_not_open(self, place, other):
        assert_broken(sealed(place), replace(place, **other))

    def test_a_blob_of_another_organization_does_not_open(self, place, organizations):
        theirs = replace(place, organization_id=organizations[1].id)
        blob = sealed(place)
        sealed(theirs)

        assert_broken(blob, theirs)

    def test_a_place_of_another_organization_does_not_open_from_here(self, place, organizations):
        blob = sealed(place)
        theirs = replace(place, organization_id=organizations[1].id)

        with worker_for(organizations[0].id), pytest.raises(SealBroken):
            vault.unseal(blob, theirs)

    def test_text_moved_between_table_and_field_does_not_open(self, place):
        blob = sealed(replace(place, table="ab", field="c"))

        assert_broken(blob, replace(place, table="a", field="bc"))


class TestC05ChangedBlobs:
    def test_every_flipped_bit_is_refused(self, place):
        blob = sealed(place, Secret("short"))
        flipped = [
            blob[:at] + bytes([blob[at] ^ 1 << bit]) + blob[at + 1 :]
            for at in range(len(blob))
            for bit in range(8)
        ]

        with worker_for(place.organization_id):
            for changed in flipped:
                with pytest.raises(SealBroken):
                    vault.unseal(changed, place)

    def test_every_cut_is_refused(self, place):
        blob = sealed(place, Secret("short"))

        with worker_for(place.organization_id):
            for length in range(len(blob)):
                with pytest.raises(SealBroken):
                    vault.unseal(blob[:length], place)
            with pytest.raises(SealBroken):
                vault.unseal(blob + b"\x00", place)

    @hypothesis_settings(
        max_examples=60,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(plain=st.binary(max_size=80))
    def test_plain_text_in_the_column_is_never_returned(self, place, plain):
        head = b"P1" + bytes([1, 0, 0, 0, 1])

        with worker_for(place.organization_id):
            for stored in (plain, head + plain):
                with pytest.raises(SealBroken):
                    vault.unseal(stored, place)


class TestC07UnknownForms:
    @pytest.mark.parametrize(
        ("at", "byte"),
        [(0, b"Q"), (1, b"2"), (2, b"\x00"), (2, b"\x02"), (6, b"\x00"), (6, b"\x02")],
    )
    def test_another_magic_suite_or_key_version_is_refused(self, place, at, byte):
        blob = sealed(place)

        assert_broken(blob[:at] + byte + blob[at + 1 :], place)

    def test_a_blob_of_the_intake_is_no_stored_value(self, place):
        assert_broken(vault.intake_seal(SECRET, place), place)


def test_the_reason_is_in_the_log_under_the_reference_without_the_secret(place, caplog):
    with caplog.at_level(logging.INFO), pytest.raises(SealBroken) as broken:
        opened(sealed(place), replace(place, field="refresh"))

    (record,) = [r for r in caplog.records if r.message == "seal.broken"]
    assert record.levelname == "ERROR"
    assert record.reference in str(broken.value)
    assert record.field == "refresh"
    assert "canary" not in str(vars(record))


def test_opening_leaves_a_trace(place, caplog):
    with caplog.at_level(logging.INFO):
        opened(sealed(place), place)

    (record,) = [r for r in caplog.records if r.message == "secret.opened"]
    assert (record.table, record.field, record.row) == (place.table, "access", str(place.row_id))


class TestDataKeys:
    def test_each_organization_and_domain_has_its_own(self, organizations):
        for organization in organizations:
            sealed(place_of(organization))
            sealed(place_of(organization))
            with worker_for(organization.id):
                assert DataKey.objects.filter(domain="grant").count() == 1

    def test_c06_a_wrapped_key_of_another_organization_does_not_open(self, organizations):
        places = [place_of(organization) for organization in organizations]
        blobs = [sealed(place) for place in places]
        with worker_for(organizations[0].id):
            wrapped = DataKey.objects.get().wrapped
        with worker_for(organizations[1].id):
            DataKey.objects.update(wrapped=wrapped)

        assert_broken(blobs[0], replace(places[0], organization_id=organizations[1].id))
        assert_broken(blobs[1], places[1])

    @pytest.mark.parametrize("wrapped", [b"", b"K1", b"K1\x01\x00\x00\x00\x01" + bytes(60)])
    def test_a_broken_wrapped_key_is_refused(self, place, wrapped):
        blob = sealed(place)
        with worker_for(place.organization_id):
            DataKey.objects.update(wrapped=wrapped)

        assert_broken(blob, place)
        with pytest.raises(SealBroken):
            sealed(place)

    def test_a_key_that_only_opens_is_not_used_to_seal(self, place):
        blob = sealed(place)
        with worker_for(place.organization_id):
            DataKey.objects.update(state=DataKey.State.DECRYPT_ONLY)

        assert opened(blob, place) == SECRET
        with pytest.raises(SealBroken):
            sealed(place)

    def test_a_destroyed_key_opens_nothing_and_is_not_made_again(self, place):
        blob = sealed(place)
        with worker_for(place.organization_id):
            DataKey.objects.update(state=DataKey.State.DESTROYED)

        assert_broken(blob, place)
        with pytest.raises(SealBroken):
            sealed(place)

    def test_without_its_key_in_the_keyring_nothing_opens(self, place):
        blob = sealed(place)

        with keys.holding(keys.rings()["web"]):
            assert_broken(blob, place)
        with keys.holding(keys.everything(keys.rings())):
            assert_broken(blob, place)

    def test_the_web_role_meets_no_data_key_of_the_workers(self, place):
        sealed(place)

        with acting_for(place.organization_id), transaction():
            assert not DataKey.objects.exists()


def test_fingerprints_tell_secrets_apart_and_depend_on_the_key(rings):
    mine = vault.fingerprint(SECRET)

    assert mine == vault.fingerprint(Secret(CANARY)) != vault.fingerprint(Secret("other"))
    assert len(mine) == 16
    with keys.holding(keys.rings()["worker"]):
        assert vault.fingerprint(SECRET) != mine


def test_keyed_hashes_of_two_purposes_do_not_match(rings):
    assert vault.keyed_hash("account", "alice") != vault.keyed_hash("fingerprint", "alice")
    assert vault.keyed_hash("a", "bc") != vault.keyed_hash("ab", "c")


def test_the_web_process_makes_no_fingerprints(rings):
    with keys.holding(rings["web"]), pytest.raises(LookupError):
        vault.fingerprint(SECRET)


def test_no_key_lies_in_the_database(place, rings):
    sealed(place)

    with connections["owner"].cursor() as cursor:
        cursor.execute(f"SET app.organization_id = '{place.organization_id}'")
        cursor.execute("SELECT wrapped FROM portal_datakey")
        ((wrapped,),) = cursor.fetchall()
    assert len(wrapped) == 67
    assert bytes(wrapped[:2]) == b"K1"
    assert keyring.current().domains["grant"].keys[1].fingerprint.encode() not in bytes(wrapped)
