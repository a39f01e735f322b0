"""Second factors: allauth's seeds are sealed, also inside its own transactions."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.db.utils import DataError

from portal import tenancy, vault
from portal.keys import SealBroken
from portal.mfa import PLACE, MFAAdapter
from portal.models import DataKey
from portal.secret import Secret
from tests import keys

pytestmark = pytest.mark.django_db

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def web():
    with keys.holding(keys.rings()["web"]):
        yield


@pytest.fixture
def alice():
    return get_user_model().objects.create(email="alice@acme.example")


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM mfa_authenticator")
        return " ".join(text for (text,) in cursor.fetchall())


def code_now(seed):
    return format_hotp_value(hotp_value(seed, int(time.time()) // 30))


def test_a_seed_is_stored_sealed_and_its_codes_work(alice):
    seed = generate_totp_secret()

    TOTP.activate(alice, seed)

    assert seed not in stored()
    assert TOTP(Authenticator.objects.get()).validate_code(code_now(seed))


def test_a_seed_is_sealed_inside_a_transaction_of_allauth_without_leaving_a_scope(alice):
    with transaction.atomic():
        TOTP.activate(alice, generate_totp_secret())
        codes = RecoveryCodes.activate(alice)
        assert not tenancy.is_inside() and not tenancy.is_acting()
        with pytest.raises(DataError), transaction.atomic():  # the scope was taken back
            DataKey.everywhere.count()

    assert len(codes.generate_codes()) == 10


def test_a_recovery_code_works_once(alice):
    codes = RecoveryCodes.activate(alice)
    (code, *_) = codes.get_unused_codes()

    assert codes.validate_code(code)
    assert not codes.validate_code(code)


def test_a_seal_that_breaks_inside_a_transaction_leaves_no_scope():
    with transaction.atomic():
        with pytest.raises(SealBroken):
            MFAAdapter().decrypt("UDEBAAAAAQ==")
        assert not tenancy.is_inside()


@pytest.mark.parametrize("text", [SEED, "", "not sealed", "ключ", "UDEBAAAAAQ=="])
def test_a_seed_in_clear_is_refused_and_never_used(text):
    with pytest.raises(SealBroken) as broken:
        MFAAdapter().decrypt(text)

    assert not text or text not in str(broken.value)


def test_a_worker_opens_no_second_factor():
    sealed = MFAAdapter().encrypt(SEED)

    with keys.holding(keys.rings()["worker"]), pytest.raises(SealBroken):
        MFAAdapter().decrypt(sealed)


def test_a_stored_credential_is_no_second_factor():
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        elsewhere = vault.Place(tenancy.PLATFORM, "other", PLACE.row_id, "data", "mfa")
        blob = vault.seal(Secret(SEED), elsewhere)
        with pytest.raises(SealBroken):
            vault.unseal(blob, PLACE)


def test_the_platform_has_one_data_key_for_them():
    MFAAdapter().encrypt(SEED)
    MFAAdapter().encrypt(SEED)

    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT domain, version, data_keys FROM portal_wrapping_keys()")
        assert cursor.fetchall() == [("mfa", 1, 1)]
