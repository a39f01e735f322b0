"""The mail server is away: nobody reads a 500, and nobody is told that a mail is on its way."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from django.test.utils import override_settings
from django.urls import reverse

from portal.accounts import NOT_MAILED
from portal.models import Invitation, User
from tests.cases import Cast
from tests.factories import make_user
from tests.mailboxes import Mailboxes, mailboxes
from tests.portal.test_accounts import PASSWORD

__all__ = ["mailboxes"]
NEW = {"name": "New Person", "email": "new@acme.example", "password1": PASSWORD}


@pytest.fixture
def away(settings) -> None:
    """Nothing listens on port 1 of this machine."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", 1, False
    settings.EMAIL_TIMEOUT = 5


def read(client: Client, address: str, fields: dict[str, str]) -> str:
    answer = client.post(address, fields, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def signed_in() -> Client:
    make_user("eve@acme.example", "Eve", password=PASSWORD)
    client = Client()
    client.post("/accounts/login/", {"login": "eve@acme.example", "password": PASSWORD})
    return client


@pytest.mark.usefixtures("away")
class TestAnAccountsMail:
    def test_who_signs_up_reads_it_and_has_the_account(self, db: None) -> None:
        page = read(Client(), "/accounts/signup/", NEW)

        assert NOT_MAILED in page
        assert "Confirmation email sent" not in page
        assert User.objects.filter(email="new@acme.example").exists()

    def test_a_taken_address_looks_the_same(self, db: None) -> None:
        make_user("new@acme.example", "Taken", password=PASSWORD)

        assert NOT_MAILED in read(Client(), "/accounts/signup/", NEW)

    @pytest.mark.parametrize("email", ["eve@acme.example", "nobody@acme.example"])
    def test_a_reset_says_it_to_an_account_and_to_nobody_alike(self, db: None, email: str) -> None:
        make_user("eve@acme.example", "Eve", password=PASSWORD)

        page = read(Client(), "/accounts/password/reset/", {"email": email})

        assert NOT_MAILED in page
        assert "on its way" not in page

    def test_an_address_that_is_added_says_it(self, db: None) -> None:
        client = signed_in()
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})

        page = read(client, "/accounts/email/", {"action_add": "", "email": "e@home.example"})

        assert NOT_MAILED in page

    def test_what_is_only_news_says_nothing(self, db: None) -> None:
        new = "another-lantern-2026"
        changed = {"oldpassword": PASSWORD, "password1": new, "password2": new}

        assert NOT_MAILED not in read(signed_in(), "/accounts/password/change/", changed)
        assert User.objects.get().check_password(new)


@pytest.mark.usefixtures("away")
class TestAnInvitation:
    def test_the_page_says_so_and_shows_the_link(self, cast: Cast) -> None:
        fields = {"email": "new@acme.example", "role": "member", "key": str(uuid4())}

        page = read(cast.client("ada"), reverse("member_invite", args=["acme"]), fields)

        assert "The invitation was not mailed" in page
        assert "on its way" not in page
        assert "/invitations/" in page
        with cast.inside():
            assert Invitation.objects.get(email="new@acme.example").is_open


def test_an_invitation_that_failed_is_sent_again(cast: Cast, mailboxes: Mailboxes) -> None:
    client = cast.client("ada")
    fields = {"email": "new@acme.example", "role": "member", "key": str(uuid4())}
    with override_settings(EMAIL_PORT=1):
        client.post(reverse("member_invite", args=["acme"]), fields)
    with cast.inside():
        sent = Invitation.objects.get(email="new@acme.example")

    page = read(client, reverse("invitation_resend", args=["acme", sent.id]), {})

    assert "The invitation is on its way" in page
    assert [to for _, to in mailboxes.envelopes] == [["new@acme.example"]]
