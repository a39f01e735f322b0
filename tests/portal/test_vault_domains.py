"""Which process opens what: access tokens lie in a key domain of their own, and nothing crosses."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import ProgrammingError, connections

from portal import keyring, vault
from portal.keyfile import BEFORE, DOMAINS, HOLDS
from portal.keys import SealBroken
from portal.models import DataKey, Organization, SealedValue
from portal.roles import using_role
from portal.secret import Secret
from portal.tenancy import acting_for, transaction
from portal.vault import Place
from tests import keys

pytestmark = pytest.mark.django_db

ACCESS, REFRESH = Secret("canary-access-51c7d0"), Secret("canary-refresh-a90be2")


@pytest.fixture
def rings():
    return keys.rings()


@pytest.fixture
def organization():
    made = Organization(slug="acme", name="Acme")
    with acting_for(made), transaction():
        made.save(force_insert=True)
    return made


@pytest.fixture
def row():
    return uuid4()


@pytest.fixture
def access(organization, row):
    return Place(organization.id, "connections_credential", row, "access", "access")


@pytest.fixture
def refresh(organization, row):
    return Place(organization.id, "connections_credential", row, "refresh", "grant")


@pytest.fixture
def inside(rings, organization):
    """As a process: its keys, its database role, in the organization's transaction."""

    @contextmanager
    def enter(process):
        acting = acting_for(organization)
        with keys.holding(rings[process]), using_role(process), acting, transaction():
            yield

    return enter


@pytest.fixture
def stored(inside, access, refresh):
    with inside("worker"):
        vault.keep(access, ACCESS)
        vault.keep(refresh, REFRESH)


@pytest.fixture
def superuser(servers):
    """Somebody whom no fence of the database holds."""
    name = connections["default"].settings_dict["NAME"]
    with servers.postgres.connect(name) as admin:
        yield admin


class TestTheApiProcess:
    def test_it_opens_access_tokens_that_a_worker_sealed(self, stored, inside, access):
        with inside("api"):
            assert vault.open(access) == ACCESS

    def test_it_does_not_find_refresh_tokens(self, stored, inside, refresh):
        with inside("api"):
            with pytest.raises(LookupError):
                vault.open(refresh)
            assert set(SealedValue.objects.values_list("domain", flat=True)) == {"access"}
            assert set(DataKey.objects.values_list("domain", flat=True)) == {"access"}

    def test_it_does_not_open_one_that_it_reads_all_the_same(
        self, stored, inside, refresh, superuser
    ):
        """Row-level security gone, as for somebody with the database's superuser."""
        for table in ("portal_sealedvalue", "portal_datakey"):
            superuser.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        with inside("api"):
            blob = SealedValue.objects.get(field="refresh").blob
            for place in (refresh, replace(refresh, domain="access")):
                with pytest.raises(SealBroken):
                    vault.unseal(bytes(blob), place)
            with pytest.raises(SealBroken):
                vault.open(refresh)

    def test_it_seals_nothing_for_itself(self, stored, inside, access):
        with pytest.raises(ProgrammingError, match="permission denied"), inside("api"):
            vault.keep(access, Secret("planted"))


class TestAChangedDomain:
    """The column is no secret and no seal: whoever changes it gains nothing."""

    def test_a_refresh_token_called_an_access_token_opens_for_nobody(
        self, stored, inside, refresh, superuser
    ):
        superuser.execute("UPDATE portal_sealedvalue SET domain = 'access' WHERE field = 'refresh'")

        as_access = replace(refresh, domain="access")
        for process in ("api", "worker"):
            for place in (refresh, as_access):
                with inside(process), pytest.raises(SealBroken):
                    vault.open(place)

    def test_an_access_token_called_a_grant_does_not_open(self, stored, inside, access, superuser):
        superuser.execute("UPDATE portal_sealedvalue SET domain = 'grant' WHERE field = 'access'")

        with inside("worker"), pytest.raises(SealBroken):
            vault.open(access)
        with inside("api"), pytest.raises(LookupError):
            vault.open(access)

    @pytest.mark.parametrize("domain", ["mfa", "intake", "", "nothing"])
    def test_a_domain_that_is_not_the_places_is_refused_at_once(
        self, stored, inside, refresh, superuser, caplog, domain
    ):
        superuser.execute(
            "UPDATE portal_sealedvalue SET domain = %s WHERE field = 'refresh'", [domain]
        )

        with inside("worker"), pytest.raises(SealBroken, match="reference"):
            vault.open(refresh)

        (line,) = [record for record in caplog.records if record.msg == "seal.broken"]
        assert line.reason == "of another key domain"

    def test_a_wrapped_data_key_called_anothers_does_not_open(
        self, stored, inside, access, superuser
    ):
        superuser.execute(
            "UPDATE portal_datakey t SET wrapped = s.wrapped FROM portal_datakey s"
            " WHERE t.domain = 'access' AND s.domain = 'grant'",
        )

        for process in ("api", "worker"):
            with inside(process), pytest.raises(SealBroken):
                vault.open(access)

    def test_who_holds_the_lesser_key_cannot_forge_a_refresh_token(
        self, stored, inside, refresh, rings, superuser
    ):
        """Sealed with every care under `access`, planted with SQL in the refresh token's place."""
        forged = replace(refresh, domain="access")
        with inside("worker"):
            blob = vault.seal(Secret("the attacker's"), forged)
        superuser.execute(
            "UPDATE portal_sealedvalue SET domain = 'access', blob = %s WHERE field = 'refresh'",
            [blob],
        )

        with inside("worker"), pytest.raises(SealBroken):
            vault.open(refresh)


class TestValuesSealedBefore:
    """Access tokens of an older version lie in the domain `grant` until their next refresh."""

    @pytest.fixture
    def older(self, inside, access):
        before = replace(access, domain=BEFORE["access"])
        with inside("worker"):
            vault.keep(before, ACCESS)

    def test_a_worker_opens_them(self, older, inside, access):
        with inside("worker"):
            assert vault.open(access) == ACCESS

    def test_the_api_process_does_not_find_them(self, older, inside, access):
        with inside("api"), pytest.raises(LookupError):
            vault.open(access)

    def test_the_next_token_moves_to_the_new_domain(self, older, inside, access):
        with inside("worker"):
            vault.keep(access, Secret("renewed"))
            assert list(SealedValue.objects.values_list("domain", flat=True)) == ["access"]
        with inside("api"):
            assert vault.open(access).reveal() == "renewed"


def test_no_key_lies_in_two_files_but_what_workers_seal_for_others(rings):
    fingerprints = {
        (process, domain): key.fingerprint
        for process, ring in rings.items()
        for domain, versions in ring.domains.items()
        for key in versions.keys.values()
    }
    shared = {
        tuple(sorted(where for where, print_ in fingerprints.items() if print_ == each))
        for each in fingerprints.values()
    }

    assert {pair for pair in shared if len(pair) > 1} == {
        (("api", "access"), ("worker", "access")),
        (("ingest", "webhook"), ("worker", "webhook")),
        (("web", "intake_public"), ("worker", "intake")),  # two halves of one pair
    }


def test_each_domain_is_held_by_somebody():
    assert set().union(*HOLDS.values()) == DOMAINS.keys()
    assert keyring.generate().keys() == {process for process, held in HOLDS.items() if held}


def test_what_lies_in_the_database_names_its_domain_and_no_secret(stored, superuser):
    found = superuser.execute("SELECT domain, blob FROM portal_sealedvalue ORDER BY domain")
    rows = found.fetchall()

    assert [domain for domain, _ in rows] == ["access", "grant"]
    assert not any(b"canary" in bytes(blob) for _, blob in rows)
