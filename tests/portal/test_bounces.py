"""Addresses that work again: what came back is sent again, in every organization."""

from __future__ import annotations

import re
from typing import Any

from django.core import mail

from portal import bounces, roles
from portal.accounts import NOT_MAILED
from portal.dsn import Report
from portal.models import Dispatch, User
from portal.policy import Role
from tests.factories import make_member
from tests.telling import Bells, bells

__all__ = ["bells"]
CONFIRM = "/o/acme/notices/settings/address/"


def returned(bells: Bells) -> str:
    """Ada's latest mail comes back."""
    with bells.cast.inside():
        row = Dispatch.objects.filter(user=bells.cast["ada"]).latest("created_at")
    with roles.using_role("worker"):
        return bounces.record(
            Report(bells.cast.acme.id, row.id, address=row.address, status="5.1.1")
        )


def confirmed(bells: Bells) -> None:
    """Ada asks for a code and types it."""
    client = bells.cast.client("ada")
    client.post(CONFIRM)
    code = re.search(r"\b(\d{8})\b", str(mail.outbox.pop().body))
    assert code
    client.post(CONFIRM + "confirm/", {"code": code[1]})


def subjects() -> list[str]:
    return sorted(letter.subject for letter in mail.outbox if "ada@acme.example" in letter.to)


def test_a_mail_that_came_back_is_sent_again_once_the_address_is_confirmed(bells: Bells) -> None:
    bells.trouble(audience={bells.cast["ada"].id})
    bells.wait()
    assert returned(bells).startswith("Noted")
    bells.wait()
    assert len(subjects()) == 1

    confirmed(bells)
    bells.wait()

    assert subjects() == ["Code is broken · Acme"] * 2


def test_a_code_is_called_on_its_way_only_when_it_is(bells: Bells, settings: Any) -> None:
    bells.trouble(audience={bells.cast["ada"].id})
    bells.wait()
    returned(bells)
    client = bells.cast.client("ada")

    page = client.post(CONFIRM, follow=True).content.decode()
    assert "A code is on its way to ada@acme.example." in page
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", 1, False
    page = client.post(CONFIRM, follow=True).content.decode()

    assert NOT_MAILED in page
    assert "on its way" not in page


def test_it_is_sent_again_in_every_organization_of_the_person(bells: Bells) -> None:
    ada, globex = bells.cast["ada"], bells.cast.globex
    make_member(globex, bells.cast["mallory"], ada, Role.ADMIN)
    bells.trouble(audience={ada.id})
    bells.wait()
    returned(bells)
    with bells.cast.inside(globex):
        bells.tell("theirs", audience={ada.id})
    bells.wait()
    assert len(subjects()) == 1

    confirmed(bells)
    bells.drain()

    assert subjects() == ["Code is broken · Acme"] * 2 + ["theirs is broken · Globex"]


def test_what_was_read_before_its_mail_came_back_is_not_sent_again(bells: Bells) -> None:
    bells.trouble(audience={bells.cast["ada"].id})
    bells.wait()
    bells.read("ada")
    returned(bells)
    confirmed(bells)
    bells.wait()

    assert len(subjects()) == 1


def test_a_mail_that_came_back_from_an_older_address_goes_to_the_new_one(bells: Bells) -> None:
    bells.trouble(audience={bells.cast["ada"].id})
    bells.wait()
    User.objects.filter(id=bells.cast["ada"].id).update(email="ada@new.example")
    returned(bells)
    bells.wait()

    assert mail.outbox[-1].to == ["ada@new.example"]
