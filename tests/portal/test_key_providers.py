"""Who wraps data keys: one contract for the keyring, Vault and AWS KMS, and what holds for all."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import boto3
import pytest
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from moto import mock_aws

from portal import (
    data_keys,
    doctor,
    erasing,
    key_cache,
    key_choice,
    key_providers,
    key_rewrap,
    key_stand,
    keyfile,
    keyring,
    problem_details,
    tenancy,
    vault,
    work,
)
from portal.key_providers import AWS, KEYRING, VAULT, WrapContext
from portal.keyfile import KeyMissing
from portal.keys import KeysUnavailable, SealBroken
from portal.models import DataKey, Job, Organization
from portal.roles import using_role
from portal.secret import Secret
from portal.vault import Place
from portal.views import problems
from tests import keys
from tests.transit import TOKEN, Transit, served

DOMAINS = ("grant", "access", "mfa")
SECRET = Secret("canary-provider-77aa")


@pytest.fixture
def transit():
    return Transit()


@pytest.fixture
def vault_server(transit, settings, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    with served(transit) as address:
        settings.VAULT_ADDR, settings.VAULT_TOKEN_FILE = address, str(token)
        yield address


@pytest.fixture
def kms(settings, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    settings.KMS_REGION = "eu-central-1"
    key_choice.named.cache_clear()
    with mock_aws():
        client = boto3.client("kms", region_name="eu-central-1")
        made = {domain: client.create_key()["KeyMetadata"]["Arn"] for domain in DOMAINS}
        settings.KMS_KEYS = made
        yield client
    key_choice.named.cache_clear()


@pytest.fixture
def ring():
    with keys.holding(keys.everything(keys.rings())):
        yield


@pytest.fixture(params=[KEYRING, VAULT, AWS])
def provider(request, settings, ring):
    if request.param != KEYRING:
        request.getfixturevalue({VAULT: "vault_server", AWS: "kms"}[request.param])
    settings.KEY_PROVIDER = request.param
    return request.param


def context(domain="grant"):
    return WrapContext(uuid4(), domain, 3)


class TestEachProvider:
    def test_wraps_and_opens_and_names_itself_in_what_is_stored(self, provider):
        mine, key = context(), os.urandom(32)
        wrapped = key_choice.wrapping("grant").wrap("grant", key, mine)

        assert key not in wrapped
        assert key_choice.opening("grant", wrapped).unwrap("grant", wrapped, mine) == key
        assert key_providers.provider_of(wrapped) == provider
        number = key_providers.version_of(wrapped)
        assert key_providers.name_of(number) == provider
        assert number == key_choice.wrapping("grant").target("grant")

    def test_opens_for_no_other_place_domain_version_or_byte(self, provider):
        mine = context()
        one = key_choice.wrapping("grant")
        wrapped = one.wrap("grant", os.urandom(32), mine)
        flipped = wrapped[:-6] + bytes([wrapped[-6] ^ 1]) + wrapped[-5:]

        for false in (
            replace(mine, organization_id=uuid4()),
            replace(mine, version=4),
            replace(mine, domain="access"),
        ):
            with pytest.raises(SealBroken):
                one.unwrap("grant", wrapped, false)
        for changed in (flipped, wrapped[:20], b"K1" + wrapped[2:9]):
            with pytest.raises(SealBroken):
                one.unwrap("grant", changed, mine)
        with pytest.raises(SealBroken):
            one.unwrap("access", wrapped, replace(mine, domain="access"))

    def test_does_many_at_once_and_says_which_do_not_open(self, provider):
        one = key_choice.wrapping("grant")
        wanted = [(os.urandom(32), context()) for _ in range(3)]
        wraps = one.wrap_many("grant", wanted)
        asked = [(wrapped, own) for wrapped, (_, own) in zip(wraps, wanted, strict=True)]
        asked[1] = (asked[1][0], context())

        found = one.unwrap_many("grant", asked)
        assert found == [wanted[0][0], None, wanted[2][0]]
        assert list(one.health("grant")) == []

    def test_is_not_asked_for_a_domain_that_the_process_does_not_hold(self, provider):
        with keys.holding(keys.rings()["web"]), pytest.raises(KeyMissing):
            data_keys.wrap(os.urandom(32), uuid4(), "grant", 1)


def test_what_the_keyring_stores_is_as_before(ring):
    number, wrapped = data_keys.wrap(os.urandom(32), uuid4(), "grant", 1)
    assert (number, wrapped[:7], len(wrapped)) == (1, b"K1\x01\x00\x00\x00\x01", 7 + 12 + 32 + 16)


def test_nobody_needs_boto3_without_aws():
    code = (
        "import django, sys; django.setup(); from portal import data_keys, startup\n"
        "assert not {'boto3', 'botocore'} & sys.modules.keys()"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": "postgresql://portal_owner@/x?host=/tmp",
    }
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_a_key_that_the_settings_do_not_name_opens_nothing(ring, kms, settings):
    settings.KEY_PROVIDER = AWS
    mine, one = context(), key_choice.named(AWS)
    wrapped = one.wrap("grant", os.urandom(32), mine)
    was = settings.KMS_KEYS["grant"]
    settings.KMS_KEYS = settings.KMS_KEYS | {"grant": kms.create_key()["KeyMetadata"]["Arn"]}

    with pytest.raises(SealBroken, match="do not name"):
        one.unwrap("grant", wrapped, mine)
    assert one.target("grant") != key_providers.version_of(wrapped), "a rewrap is due"
    settings.KMS_FORMER_KEYS = [was]
    assert one.unwrap("grant", wrapped, mine)


# ── In the vault ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def directory(tmp_path):
    folder = tmp_path / "keys"
    call_command("init_keys", directory=folder, stdout=io.StringIO())
    yield folder
    keyring.install(None)


@pytest.fixture
def place(db, ring, directory):
    keyring.install(keys.everything(parsed(directory)))
    made = Organization(slug="acme", name="Acme")
    with tenancy.acting_for(made), tenancy.transaction():
        made.save(force_insert=True)
    at = Place(made.id, "connections_credential", uuid4(), "secret", "grant")
    with acting(at):
        vault.keep(at, SECRET)
    return at


def parsed(folder):
    from_files = {}
    for process in ("web", "api", "ingest", "worker"):
        text = (folder / f"{process}.json").read_text()
        from_files[process] = keyfile.parse(text, process)
    return from_files


@contextmanager
def acting(place):
    with using_role("worker"), tenancy.acting_for(place.organization_id), tenancy.transaction():
        yield


def opened(place):
    with acting(place):
        return vault.open(place).reveal() == SECRET.reveal()


def number_of(place):
    with acting(place):
        return DataKey.objects.get(domain="grant").kek_version


def command(folder, *words):
    out = io.StringIO()
    with using_role("worker"):
        call_command("keys", *words, directory=folder, stdout=out, wait=0)
    return out.getvalue()


class TestMovingThere:
    def test_goes_by_rewrap_there_and_back_and_every_secret_opens(
        self, place, directory, vault_server, transit, kms, settings
    ):
        for name in (VAULT, AWS, KEYRING):
            settings.KEY_PROVIDER = name
            assert opened(place), "before the rewrap"
            assert key_stand.left("grant") == (1, 1)
            assert "0 of 1 are under another key" in command(directory, "rewrap", "grant")
            key_cache.clear()
            assert key_providers.name_of(number_of(place)) == name
            assert opened(place)
            status = command(directory, "status")
            assert (key_providers.TITLES[name] in status) is (name != KEYRING)
        assert number_of(place) == 1

    def test_a_version_that_vault_made_itself_is_taken_up_by_workers(
        self, place, vault_server, transit, settings
    ):
        settings.KEY_PROVIDER = VAULT
        with using_role("worker"):
            key_rewrap.rewrap_all()
            transit.rotate("portal-grant")
            key_rewrap.rewrap_all()
        assert number_of(place) == 1_000_000_002
        assert opened(place)

    def test_a_process_without_the_providers_settings_does_not_start(
        self, place, vault_server, settings
    ):
        settings.KEY_PROVIDER = VAULT
        with using_role("worker"):
            key_rewrap.rewrap("grant")
            assert keyring.prove(keyring.current()) == []
            settings.VAULT_ADDR = ""
            assert "Vault, v1" in str(keyring.prove(keyring.current())[0])


class TestAProviderThatIsAway:
    @pytest.fixture
    def moved(self, place, vault_server, settings):
        settings.KEY_PROVIDER = VAULT
        with using_role("worker"):
            key_rewrap.rewrap("grant")
        return place

    def test_is_not_missed_for_a_quarter_of_an_hour_and_then_waited_for(
        self, moved, transit, monkeypatch
    ):
        assert opened(moved)
        asked = len(transit.calls)
        transit.status = 503
        assert opened(moved)
        assert len(transit.calls) == asked, "opened from memory"

        monkeypatch.setattr(key_cache, "SECONDS", -1.0)
        with pytest.raises(KeysUnavailable):
            opened(moved)
        transit.status = 200
        assert opened(moved)

    @pytest.mark.parametrize("status", [403, 404, 429, 500])
    def test_never_counts_as_a_broken_seal(self, moved, transit, status):
        key_cache.clear()
        transit.status = status
        with pytest.raises(KeysUnavailable):
            opened(moved)

    def test_makes_a_command_and_doctor_say_so_and_a_rewrap_wait(
        self, moved, directory, transit, caplog
    ):
        transit.status = 503
        with pytest.raises(CommandError, match="cannot be asked now"):
            command(directory, "rewrap", "grant")
        with using_role("worker"):
            key_rewrap.rewrap_all()
        assert "VAULT_ADDR" in str(next(iter(doctor.key_provider())))
        assert TOKEN not in caplog.text

    def test_sends_jobs_back_and_people_and_services_a_503(self, moved, transit, monkeypatch):
        key_cache.clear()
        transit.status = 503
        monkeypatch.setitem(
            work._kinds, "needs_keys", work.Kind(run=lambda claim: opened_in(moved))
        )
        with using_role("worker"), tenancy.acting_for(moved.organization_id):
            with tenancy.transaction():
                work.later("needs_keys")
            work.drain()
            with tenancy.transaction():
                row = Job.objects.get(kind="needs_keys")
        assert (row.last_error, row.done_at, row.attempts) == ("keys_unavailable", None, 0)

        request = RequestFactory().get("/")
        request.request_id = "0"
        for page in (problems.server_error, problem_details.server_error):
            try:
                raise KeysUnavailable("away")
            except KeysUnavailable:
                answer = page(request)
            assert (answer.status_code, answer["Retry-After"]) == (503, "30")

    def test_its_keys_are_forgotten_when_the_keyring_changes_or_an_organization_is_erased(
        self, moved, monkeypatch
    ):
        assert opened(moved) and len(key_cache._held) == 1
        with using_role("owner"), tenancy.acting_for(moved.organization_id), tenancy.transaction():
            key_cache.forget(uuid4())
            assert len(key_cache._held) == 1
        with acting(moved):
            erasing.destroy()
        assert not key_cache._held
        monkeypatch.setattr(key_cache, "MOST", 2)
        for _ in range(3):
            key_cache.keep(context(), b"", data_keys.Cipher(os.urandom(32)))
        assert len(key_cache._held) == 2
        keyring.install(keyring.current())
        assert not key_cache._held


def opened_in(place):
    with tenancy.transaction():
        vault.open(place)
