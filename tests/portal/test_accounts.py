"""Sign-up, sign-in and sessions: what allauth does under the portal's rules."""

from __future__ import annotations

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from portal.audit import Action
from portal.models import User
from tests import keys
from tests.cases import Cast, platform, recorded
from tests.factories import make_user

PASSWORD = "tractor-lantern-2026"
OPEN_REDIRECTS = {
    "O28": "https://evil.example",
    "O30-slashes": "/%2f%2fevil.example",
    "O30-backslash": "/%5cevil.example",
    "O30-three": "///evil.example",
    "O32-user": "http://localhost@evil.example",
    "O32-suffix": "http://localhost.evil.example",
    "O34": "/o/\r\nSet-Cookie: x=1",
}


@pytest.fixture
def eve(db: None) -> User:
    return make_user("eve@acme.example", "Eve", password=PASSWORD)


def sign_in(client: Client, password: str = PASSWORD, **more: str):
    fields = {"login": "eve@acme.example", "password": password, **more}
    return client.post("/accounts/login/", fields)


def sign_up(**fields: str):
    usual = {"name": "New Person", "email": "new@acme.example", "password1": PASSWORD}
    return Client().post("/accounts/signup/", usual | fields)


def is_signed_in(client: Client) -> bool:
    return client.get("/organizations/").status_code == 200


class TestSignUp:
    def test_nobody_is_in_before_the_address_is_confirmed(self, cast: Cast) -> None:
        client = Client()
        client.post(
            "/accounts/signup/",
            {"name": "New Person", "email": "New@acme.example", "password1": PASSWORD},
        )

        assert not is_signed_in(client)
        link = re.search(r"/accounts/confirm-email/\S+", mail.outbox[0].body)[0]
        client.get(link)
        assert not is_signed_in(client), "opening the mail's link is not yet a confirmation"
        client.post(link)

        assert is_signed_in(client)
        assert User.objects.get(email="new@acme.example").name == "New Person"
        assert recorded(cast, Action.SIGNED_UP, platform()).actor_name == "New Person"

    @pytest.mark.parametrize(
        "password", ["password12", "qwertyuiop", "short-1", "new@acme.example"]
    )
    def test_a_common_short_or_personal_password_is_refused(self, db, password: str) -> None:
        assert sign_up(password1=password).status_code == 200
        assert not User.objects.exists()

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            pytest.param("", 200, id="X01"),
            pytest.param(" \u00a0\u2003\u3164", 200, id="X02"),
            pytest.param("a\x00b", 400, id="X03"),
            pytest.param("a\x85b", 400, id="X04"),
            pytest.param("n" * 121, 200, id="X16-over"),
            pytest.param("ATATT3xFfGF0abcdefghijklmnop", 200, id="X27"),
            pytest.param("a\u202eb", 200, id="turned"),
        ],
    )
    def test_what_is_no_name_is_refused(self, db, name: str, status: int) -> None:
        answer = sign_up(name=name)

        assert answer.status_code == status
        assert "ATATT" not in answer.content.decode()
        assert not User.objects.exists()

    @pytest.mark.parametrize(
        "name", [pytest.param("n" * 120, id="X16-max"), "{{7*7}}", "مُصطفى", "<b>Bo</b>"]
    )
    def test_any_other_name_is_kept_as_it_is(self, db, name: str) -> None:
        sign_up(name=name)

        assert User.objects.get().name == name

    def test_a_taken_address_looks_the_same_from_outside(self, eve: User) -> None:
        fresh, taken = sign_up(), sign_up(email="eve@acme.example")

        assert (fresh.status_code, fresh.url) == (taken.status_code, taken.url)
        assert User.objects.count() == 2

    def test_F07_privileges_are_not_taken_from_the_form(self, db) -> None:
        sign_up(is_operator="1", is_support="1", is_active="1")

        user = User.objects.get()
        assert (user.is_operator, user.is_support) == (False, False)


class TestSignIn:
    def test_it_goes_on_the_platforms_record(self, cast: Cast, eve: User) -> None:
        client = Client()
        sign_in(client)
        client.post("/accounts/logout/")

        assert cast.actions(platform())[-2:] == [Action.SIGNED_IN, Action.SIGNED_OUT]
        assert cast.last(platform()).actor_name == "Eve"

    def test_a_failure_is_on_record_without_a_foreign_address(self, cast: Cast, eve: User) -> None:
        sign_in(Client(), "wrong")
        sign_in(Client(), "wrong", login="my-password-by-mistake@x.example")

        known, unknown = cast.record(platform())[-2:]
        assert (known.action, known.actor_name) == (Action.SIGN_IN_FAILED, "Eve")
        assert (unknown.action, unknown.actor_name) == (Action.SIGN_IN_FAILED, "Somebody")
        assert "by-mistake" not in str(vars(unknown))

    def test_attempts_are_limited(self, eve: User) -> None:
        for _ in range(5):
            sign_in(Client(), "wrong")

        assert "Too many attempts" in sign_in(Client()).content.decode()

    def test_O35_the_session_key_changes(self, eve: User) -> None:
        client = Client()
        fixed = client.session
        fixed.save()
        before = fixed.session_key

        sign_in(client)

        assert is_signed_in(client)
        assert client.session.session_key != before
        assert not Session.objects.filter(session_key=before).exists()

    @pytest.mark.parametrize("target", OPEN_REDIRECTS.values(), ids=OPEN_REDIRECTS)
    def test_no_address_leads_elsewhere(self, eve: User, target: str) -> None:
        answer = sign_in(Client(), next=target)

        assert answer.status_code in {302, 400}
        assert "evil" not in answer.get("Location", "")
        assert "x=1" not in str(answer.headers)

    def test_T18_a_session_key_in_the_address_means_nothing(self, eve: User) -> None:
        client = Client()
        sign_in(client)

        answer = Client().get(f"/organizations/?session={client.session.session_key}")

        assert answer.status_code == 302

    def test_T16_signed_out_in_one_tab_is_signed_out_in_the_other(self, eve: User) -> None:
        client = Client()
        sign_in(client)
        client.post("/accounts/logout/")

        answer = client.post("/organizations/new/", {"name": "Late"})

        assert answer.status_code == 302
        assert answer.url.startswith("/accounts/login/")

    def test_a_suspended_person_stays_out(self, eve: User) -> None:
        client = Client()
        sign_in(client)
        eve.is_active = False
        eve.save()

        assert not is_signed_in(client)
        assert not is_signed_in(self.again())

    def again(self) -> Client:
        client = Client()
        sign_in(client)
        return client


class TestOtherSessionsEnd:
    """T17: whoever else is signed in as this person is out."""

    @pytest.fixture
    def here(self, eve: User) -> Client:
        client = Client()
        sign_in(client)
        return client

    @pytest.fixture
    def elsewhere(self, eve: User) -> Client:
        client = Client()
        sign_in(client)
        assert is_signed_in(client)
        return client

    def test_T17_at_a_change_of_password(self, here: Client, elsewhere: Client) -> None:
        new = "another-lantern-2026"
        here.post(
            "/accounts/password/change/",
            {"oldpassword": PASSWORD, "password1": new, "password2": new},
        )

        assert not is_signed_in(elsewhere)

    def test_T17_at_a_change_of_the_second_step(
        self, cast: Cast, eve: User, here: Client, elsewhere: Client
    ) -> None:
        with keys.holding(keys.rings()["web"]):
            self.set_up(here)

        assert is_signed_in(here)
        assert not is_signed_in(elsewhere)
        assert recorded(cast, Action.TWO_STEP_CHANGED, platform()).actor_name == "Eve"
        assert recorded(cast, Action.SESSIONS_ENDED, platform()).details == {"sessions": 1}

    def set_up(self, client: Client) -> None:
        here = "/accounts/2fa/totp/activate/"
        if client.get(here).status_code == 302:
            client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        client.get(here)
        seed = client.session["mfa.totp.secret"]
        code = format_hotp_value(hotp_value(seed, int(time.time()) // 30))
        client.post(here, {"code": code})
        assert Authenticator.objects.filter(type="totp").exists()

    def test_the_list_of_sessions_ends_others(self, here: Client, elsewhere: Client) -> None:
        assert here.get("/accounts/sessions/").status_code == 200

        here.post("/accounts/sessions/")

        assert is_signed_in(here)
        assert not is_signed_in(elsewhere)


class TestSingleSignOn:
    def test_without_an_issuer_there_is_no_button(self, db) -> None:
        assert "single sign-on" not in Client().get("/accounts/login/").content.decode()

    def test_O41_an_equal_address_does_not_merge_people(self, settings) -> None:
        assert settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION is False
        assert settings.SOCIALACCOUNT_STORE_TOKENS is False
