"""What a session holds is read by its own process only."""

from __future__ import annotations

import base64

import pytest
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.test import Client

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
