"""What a session holds is read by its own process only."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.last_seen import LASTS
from portal.models import User
from portal.sessions import SessionStore

pytestmark = pytest.mark.django_db
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def kept() -> SessionStore:
    session = SessionStore()
    session["mfa.totp.secret"] = SEED
    session.save()
    return session


def test_the_stored_text_is_sealed(kept: SessionStore) -> None:
    stored = Session.objects.get().session_data

    assert db.SessionStore().decode(stored) == {}
    assert SEED.encode() not in base64.b64decode(stored)


def test_it_is_read_again(kept: SessionStore) -> None:
    assert SessionStore(kept.session_key)["mfa.totp.secret"] == SEED


def test_a_former_key_still_reads(kept: SessionStore, settings) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of the tests"

    assert SessionStore(kept.session_key)["mfa.totp.secret"] == SEED


@pytest.mark.parametrize("change", ["key", "text", "nothing", "planted"])
def test_what_does_not_open_is_a_new_visitor(change: str, kept: SessionStore, settings) -> None:
    if change == "key":
        settings.SECRET_KEY = "another key of the tests"
    else:
        plain = db.SessionStore().encode({"_auth_user_id": "somebody"})
        stored = Session.objects.get().session_data
        changed = {"text": f"AAAA{stored[4:]}", "nothing": "", "planted": plain}[change]
        Session.objects.update(session_data=changed)

    assert dict(SessionStore(kept.session_key).load()) == {}


def test_the_browser_of_a_test_reads_its_own(db: None) -> None:
    client = Client()
    session = client.session
    session["theme"] = "dark"
    session.save()
    assert client.session["theme"] == "dark"


class TestLastSeen:
    @pytest.fixture
    def eve(self) -> Client:
        client = Client()
        client.force_login(User.objects.create_user("eve@example.org", "long enough", name="Eve"))
        client.get("/organizations/")
        return client

    @pytest.mark.parametrize(("since", "written"), [(LASTS * 0.5, False), (LASTS * 1.5, True)])
    def test_it_is_written_once_a_minute(
        self, eve: Client, since: timedelta, written: bool
    ) -> None:
        before = timezone.now() - since
        UserSession.objects.update(last_seen_at=before)

        eve.get("/organizations/")

        assert (UserSession.objects.get().last_seen_at > before) is written

    @pytest.mark.parametrize(
        "change", [{"REMOTE_ADDR": "203.0.113.7"}, {"HTTP_USER_AGENT": "Another"}], ids=str
    )
    def test_another_address_or_browser_is_written_at_once(
        self, eve: Client, change: dict[str, str]
    ) -> None:
        eve.get("/organizations/", **change)

        row = UserSession.objects.get()
        assert {row.ip, row.user_agent} & set(change.values())

    def test_a_session_without_a_row_gets_one(self, eve: Client) -> None:
        UserSession.objects.all().delete()

        eve.get("/organizations/")

        assert UserSession.objects.get().user.name == "Eve"
