"""What a leaked key asks of people."""

from __future__ import annotations

import pytest

from portal import key_leaks, tenancy
from portal.key_upkeep import Leak
from portal.models import AuditEvent, Membership, Notice, Receipt, User
from tests.portal.test_key_rotation import organization

pytestmark = pytest.mark.django_db


def test_second_factors_are_renewed_by_their_people() -> None:
    made = organization("acme")
    olga = User.objects.create_user("olga@portal.example", name="Olga")
    with tenancy.acting_for(made):
        with tenancy.transaction():
            Membership.objects.create(user=olga, role="member")
        for _ in range(2):
            key_leaks.renew_second_factors(Leak("mfa", 1, "a lost disk"))
        with tenancy.transaction():
            notice = Notice.objects.get()
            assert Receipt.objects.get(notice=notice).user_id == olga.id
            assert AuditEvent.objects.get(action="key.leaked").subject_name == "mfa/v1"
    assert notice.url == "/accounts/2fa/"
