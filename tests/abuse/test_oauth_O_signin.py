"""Abuse cases O and T: where sign-in leads, and what becomes of the session on the way."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from portal.models import User

PASSWORD = "a long enough password"
ADDRESS = "alice@acme.example"

NEXT = [
    pytest.param("https://evil.example", id="O28"),
    pytest.param("//evil.example", id="O28-without-scheme"),
    pytest.param("/%2f%2fevil.example", id="O30-encoded"),
    pytest.param("/%5cevil.example", id="O30-backslash-encoded"),
    pytest.param("/\\evil.example", id="O30-backslash"),
    pytest.param("///evil.example", id="O30-three"),
    pytest.param("/\t/evil.example", id="O30-tab"),
    pytest.param("https://localhost:8000@evil.example", id="O32-userinfo"),
    pytest.param("https://localhost.evil.example", id="O32-suffix"),
    pytest.param("http:evil.example", id="O32-scheme-only"),
    pytest.param("javascript:alert(1)", id="O32-javascript"),
    pytest.param("/home\r\nSet-Cookie: planted=1", id="O34"),
    pytest.param("/home\x00", id="O34-nul"),
]


@pytest.fixture(scope="module")
def person(module_database: None) -> User:
    user = User.objects.create_user(ADDRESS, PASSWORD, name="Alice")
    EmailAddress.objects.create(user=user, email=ADDRESS, verified=True, primary=True)
    return user


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def sign_in(client: Client, **more: str) -> HttpResponse:
    form = {"login": ADDRESS, "password": PASSWORD, **more}
    return client.post(reverse("account_login"), form)  # type: ignore[return-value]


@pytest.mark.parametrize("where", NEXT)
def test_sign_in_leads_to_our_own_pages_only(where: str, person: User, client: Client) -> None:
    shown = client.get(reverse("account_login"), {"next": where})
    assert shown.status_code in (200, 400)
    for way in (sign_in(client, next=where),):
        assert "planted" not in client.cookies
        if way.status_code == 400:  # the text itself was refused; nobody was signed in
            assert "_auth_user_id" not in client.session
            continue
        assert way.status_code == 302
        assert way["Location"] == reverse("home") or stays_here(client, way["Location"])


def stays_here(client: Client, location: str) -> bool:
    """A path of ours, which browsers cannot read as another host."""
    plain = location.replace("%5c", "\\").replace("%2f", "/").replace("%5C", "\\")
    return plain.startswith("/") and not plain.startswith(("//", "/\\"))


def test_O35_a_planted_session_is_not_signed_in(person: User, client: Client) -> None:
    client.get(reverse("account_login"))
    client.session["planted"] = "by the attacker"
    client.session.save()
    planted = "fixed0session0key0of0the0attacker"
    client.cookies[settings.SESSION_COOKIE_NAME] = planted
    sign_in(client)

    signed_in = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert signed_in != planted
    stranger = Client()
    stranger.cookies[settings.SESSION_COOKIE_NAME] = planted
    assert stranger.get(reverse("organizations")).status_code == 302


def test_O35_the_key_changes_at_sign_in(person: User, client: Client) -> None:
    session = client.session
    session["theme"] = "x"
    session.save()
    before = session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = str(before)
    sign_in(client)
    assert client.session.session_key != before
    stranger = Client()
    stranger.cookies[settings.SESSION_COOKIE_NAME] = str(before)
    assert stranger.get(reverse("organizations")).status_code == 302


def test_T18_a_session_key_in_the_address_is_ignored(person: User, client: Client) -> None:
    sign_in(client)
    key = client.session.session_key
    stranger = Client()
    for name in (settings.SESSION_COOKIE_NAME, "sessionid", "session_key"):
        found = stranger.get(reverse("organizations"), {name: key})
        assert found.status_code == 302


def test_T16_after_signing_out_elsewhere_nothing_is_done(person: User, client: Client) -> None:
    sign_in(client)
    other_tab = Client()
    other_tab.cookies[settings.SESSION_COOKIE_NAME] = client.cookies[
        settings.SESSION_COOKIE_NAME
    ].value
    client.post(reverse("account_logout"))
    found = other_tab.post(reverse("organization_create"), {"name": "Late"})
    assert found.status_code == 302
    assert found["Location"].startswith(reverse("account_login"))


def test_T17_another_password_ends_the_other_sessions(person: User, client: Client) -> None:
    elsewhere = Client()
    sign_in(elsewhere)
    sign_in(client)
    assert elsewhere.get(reverse("organizations")).status_code == 200
    client.get(reverse("organizations"))
    changed = client.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": PASSWORD + "!", "password2": PASSWORD + "!"},
    )
    assert changed.status_code == 302
    assert elsewhere.get(reverse("organizations")).status_code == 302
    user = User.objects.get(id=person.id)
    user.set_password(PASSWORD)
    user.save()
