"""What operators see of keys that Vault or AWS KMS keeps: on the page and by `keys status`."""

from __future__ import annotations

import re

import pytest

from portal import key_away, key_rewrap, keyring
from portal.key_providers import AWS, KEYRING, VAULT
from portal.models import User
from portal.policy import Actor
from portal.roles import using_role
from tests import keys
from tests.connections.pages import signed_in
from tests.portal.test_key_providers import (
    command,
    directory,
    kms,
    opened,
    place,
    ring,
    transit,
    vault_server,
)

__all__ = ["directory", "kms", "place", "ring", "transit", "vault_server"]


@pytest.fixture(autouse=True)
def _asks_anew(monkeypatch):
    monkeypatch.setattr(key_away, "_asked", {})
    monkeypatch.setattr(key_away, "REMEMBERED_SECONDS", 0.0)


def rewrap() -> None:
    with using_role("worker"):
        key_rewrap.rewrap("grant")


def of(domain="grant"):
    return [
        (one.title, one.key_name, one.version, one.stage, one.data_keys, one.health)
        for one in key_away.lines()
        if one.domain == domain
    ]


def page(settings) -> str:
    """As an operator reads it, in the web process, which holds the domain mfa alone."""
    settings.REQUIRE_MFA_FOR_STAFF = False
    olga = User.objects.create_user("olga@portal.example", name="Olga", is_operator=True)
    with keys.holding(keys.rings()["web"]):
        answer = signed_in(Actor("operator", olga.id, "Olga")).get("/platform/keys/")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


class TestTheMove:
    def test_is_seen_from_its_beginning_to_its_end_and_back(
        self, place, directory, vault_server, transit, settings
    ):
        assert key_away.lines() == [], "nothing of it while the keyring wraps"
        settings.KEY_PROVIDER = VAULT
        name = "transit/portal-grant"
        assert of() == [("Vault", name, None, "active", 0, "answers")]
        assert "grant: 0 of 1 data keys wrapped anew" in command(directory, "status")

        rewrap()
        assert of() == [("Vault", name, 1, "active", 1, "answers")]
        assert "wrapped anew" not in command(directory, "status")
        transit.rotate("portal-grant")
        rewrap()
        assert of() == [("Vault", name, 2, "active", 1, "answers")]

        settings.KEY_PROVIDER = KEYRING
        assert of() == [("Vault", name, 2, "old", 1, "answers")]
        status = command(directory, "status")
        assert f"grant: 1 data keys under Vault, v2 ({name}), old, answers" in status
        assert "1 data key is still under Vault, v2" in status
        assert "manage.py keys rewrap grant" in status
        rewrap()
        assert key_away.lines() == [] and opened(place)

    def test_from_one_key_of_aws_to_another_shows_both(self, place, kms, settings):
        settings.KEY_PROVIDER = AWS
        former = settings.KMS_KEYS["grant"]
        rewrap()
        settings.KMS_FORMER_KEYS = [former]
        made = kms.create_key()["KeyMetadata"]["Arn"]
        settings.KMS_KEYS = settings.KMS_KEYS | {"grant": made}
        assert sorted(of()) == sorted(
            [
                ("AWS KMS", made, None, "active", 0, "answers"),
                ("AWS KMS", former, None, "old", 1, "answers"),
            ]
        )
        rewrap()
        assert of() == [("AWS KMS", made, None, "active", 1, "answers")]


class TestThePage:
    def test_says_what_the_command_says_and_what_its_process_cannot_know(
        self, place, directory, vault_server, settings
    ):
        settings.KEY_PROVIDER = VAULT
        rewrap()
        shown = page(settings)
        assert (
            "grant 1 Vault transit/portal-grant Active wraps new data keys 1 Unknown"
            " not known by this process"
        ) in shown
        assert "mfa Vault transit/portal-mfa Active wraps the next data key 0 Answers" in shown

    def test_says_what_does_not_answer_and_where_to_look(
        self, place, vault_server, transit, settings
    ):
        settings.KEY_PROVIDER = VAULT
        transit.status = 403
        shown = page(settings)
        assert "A provider of keys does not answer" in shown
        assert "Vault does not answer for portal-mfa (status 403). Look at VAULT_ADDR" in shown

    def test_says_which_data_keys_nobody_can_open(self, place, vault_server, settings):
        settings.KEY_PROVIDER = VAULT
        rewrap()
        settings.KEY_PROVIDER, settings.VAULT_ADDR = KEYRING, ""
        shown = page(settings)
        assert "Data keys lie under a key that the settings do not name" in shown
        assert "Not configured" in shown
        assert "1 data key of grant cannot be opened" in shown

    def test_asks_the_provider_once_in_a_while(
        self, place, vault_server, transit, settings, monkeypatch
    ):
        monkeypatch.setattr(key_away, "REMEMBERED_SECONDS", 60.0)
        settings.KEY_PROVIDER = VAULT
        keyring.current()
        key_away.lines()
        asked = len(transit.calls)
        key_away.lines()
        assert (asked, len(transit.calls)) == (3, 3), "each of three domains, once"
