"""An outage of Valkey takes nobody's sign-in away: what lives there is forgotten, not needed."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from portal import chain
from tests.cases import Cast
from tests.factories import make_user

PASSWORD = "tractor-lantern-2026"


@pytest.fixture
def without_valkey(settings) -> None:
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "unix:///nonexistent/valkey.sock"}
    }


def test_people_sign_in_and_work(cast: Cast, without_valkey: None) -> None:
    make_user("eve@acme.example", "Eve", password=PASSWORD)
    client = Client()

    client.post("/accounts/login/", {"login": "eve@acme.example", "password": PASSWORD})

    assert client.get("/organizations/").status_code == 200
    assert cast.client("audrey").get("/o/acme/audit/").status_code == 200


def test_each_call_answers_as_an_empty_cache_would(without_valkey: None) -> None:
    cache.set("key", 1)

    assert cache.get("key", "nothing") == "nothing"
    assert cache.add("key", 1) is True
    assert cache.touch("key") is False
    assert cache.delete("key") is False


def test_a_long_chains_last_walk_is_kept_for_its_own_organization(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "SHORT", 3)  # a thousand entries would only take longer to make
    with cast.inside():
        assert chain.state().at is None
        walked = chain.verify_now()
        kept = chain.state()

    assert (kept.proven, kept.length) == (walked.proven, walked.length) == (9, 9)
    with cast.inside(cast.globex):
        assert chain.state().length == 1
