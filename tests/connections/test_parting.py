"""Before an organization is erased its grants end at the vendors, or somebody is told where to."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.core import mail

from connections import places
from connections.flows import lifecycle, parting
from connections.models import Connection, Credential
from portal import clock, erasure, roles, tenancy, vault, work
from portal.models import AuditEvent, Organization, User
from portal.policy import Actor, Role
from portal.secret import Secret
from tests.connections.test_budget_counted import used
from tests.connections.test_rotation import asked, ours
from tests.connections.test_self_hosted import linked as linked_at_home
from tests.connections.ways import a_team, again, link_by_consent, sealed_for
from tests.leasing import with_token
from tests.portal.test_key_crashes import dies_at, release
from tests.revoking import Revocation, revocation
from tests.servers import Servers
from tests.vendor import Vendor
from tests.works import Works

__all__ = ["revocation"]
GRANTS_PAGE = "https://bitbucket.org/account/settings/app-authorizations/"


@pytest.fixture(autouse=True)
def _own_file(settings, tmp_path):
    settings.TOMBSTONE_FILE = str(tmp_path / "tombstones.sqlite3")


def confirmed(works: Works) -> None:
    """An owner asked, an operator agreed; the days of grace run."""
    owner = works.person("owen@acme.example", "Owen", Role.OWNER)
    olga = User.objects.create_user("olga@portal.example", name="Olga", is_operator=True)
    with works.inside():
        erasure.ask(actor=owner, typed_name="Acme")
    who = Actor("operator", olga.id, "Olga")
    erasure.confirm(actor=who, organization_id=works.acme.id, typed_name="Acme")


def after(works: Works, **span: float) -> None:
    with clock.shifted(timedelta(**span)):
        works.drain()


def granted(works: Works, consumer_id: object, count: int) -> list[Credential]:
    """Connections by consent, each with a refresh token, that no vendor knows of."""
    made = []
    for number in range(count):
        connection = with_token(works, f"Code {number}", consumer_id=consumer_id, hours=300)
        with roles.using_role("worker"), works.inside():
            one = Credential.objects.get(connection_id=connection.id)
            vault.keep(places.of_credential(one, places.REFRESH), Secret(f"refresh-{number}"))
        made.append(one)
    return made


def on_record(works: Works) -> list[str]:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        event = AuditEvent.objects.get(action="organization.keys_destroyed")
    return list(event.details["left_at_vendors"])


def is_gone(works: Works) -> bool:
    with works.inside():
        return not Organization.objects.filter(id=works.acme.id).exists()


class TestAGrant:
    def test_is_revoked_as_its_own_consumer_and_is_on_no_list(
        self, works: Works, vendor: Vendor, revocation: Revocation
    ) -> None:
        link_by_consent(works, vendor)
        confirmed(works)
        after(works, days=7, hours=1)
        assert revocation.hints == ["refresh_token", "access_token"]
        assert set(revocation.clients) == {vendor.consumer("acme-portal")["key"]}
        assert is_gone(works)
        (line,) = on_record(works)
        assert line.startswith("Bitbucket Cloud · OAuth consumer · 1 credential")

    def test_that_no_api_can_revoke_is_listed_with_its_page_and_nobody_waits(
        self, works: Works, vendor: Vendor
    ) -> None:
        link_by_consent(works, vendor)
        rest = {"team_id": a_team(works), "fields": {"email": "tomas@acme.example"}}
        works.link_by_token(vendor.token("tomas-full"), name="By token", **rest)
        confirmed(works)
        after(works, days=7, hours=1)
        assert is_gone(works)
        left = on_record(works)
        assert f"Bitbucket Cloud · Sign in to Bitbucket · 1 credential · {GRANTS_PAGE}" in left
        assert any("API token · 1 credential · https://id.atlassian.com" in one for one in left)
        (letter,) = [one for one in mail.outbox if one.subject == "Acme is erased"]
        assert GRANTS_PAGE in letter.body
        assert "Dana" not in str(left), "products and pages, no people"

    def test_that_the_vendor_refuses_to_revoke_is_listed_and_not_asked_about_again(
        self, works: Works, vendor: Vendor, revocation: Revocation
    ) -> None:
        link_by_consent(works, vendor)
        revocation.status = 400
        confirmed(works)
        after(works, days=7, hours=1)
        assert (len(revocation.tokens), is_gone(works)) == (1, True)
        assert any("Sign in to Bitbucket" in line for line in on_record(works))

    def test_is_waited_for_a_day_when_the_vendor_is_away_and_the_rest_left_in_peace(
        self, works: Works, vendor: Vendor, revocation: Revocation
    ) -> None:
        known = works.register(vendor.consumer("acme-portal"))
        granted(works, known.id, 6)
        revocation.status = 503
        confirmed(works)
        after(works, days=7, hours=1)
        assert (len(revocation.tokens), is_gone(works)) == (parting.FAILURES, False)
        after(works, days=7, hours=2)
        assert len(revocation.tokens) == 2 * parting.FAILURES
        after(works, days=8, hours=1)
        assert (len(revocation.tokens), is_gone(works)) == (2 * parting.FAILURES, True)
        assert any(" 6 credentials " in f"{line} " for line in on_record(works))

    def test_ends_too_when_its_connection_alone_is_revoked(
        self, works: Works, vendor: Vendor, revocation: Revocation
    ) -> None:
        link_by_consent(works, vendor)
        with works.inside():
            one = Connection.objects.get()
            assert lifecycle.preview_revoke(one).can_withdraw_at_vendor
            lifecycle.revoke(actor=works.alice, connection=one, typed_name=one.name)
        works.drain()
        assert revocation.hints == ["refresh_token", "access_token"]
        assert again(works, one).state == Connection.State.REVOKED


class TestALongList:
    @pytest.fixture
    def claim(self, works: Works, settings) -> work.Claim:
        settings.LEASE_SECONDS = 1
        return self.claimed(works)

    def claimed(self, works: Works) -> work.Claim:
        works.drain()
        with works.inside():
            work.later("verify_connection", connection_id=works.acme.id)
        with roles.using_role("worker"):
            (held,) = work.claim()
        return held

    def test_keeps_its_lease_alive(
        self, works: Works, vendor: Vendor, revocation: Revocation, claim: work.Claim
    ) -> None:
        known = works.register(vendor.consumer("acme-portal"))
        made = granted(works, known.id, 4)
        revocation.seconds = 0.2
        with roles.using_role("worker"):
            claim = self.claimed(works)
            began = time.monotonic()
            with tenancy.acting_for(works.acme):
                assert parting.withdraw_all(claim, clock.now() + timedelta(days=1))
                with tenancy.transaction():
                    claim.hold()
        assert time.monotonic() - began > 1.5, "longer than the lease"
        assert len(revocation.tokens) == 8
        assert [sealed_for(works, one.id) for one in made] == [[], [], [], []]

    def test_ends_at_the_moment_that_was_given(
        self, works: Works, vendor: Vendor, revocation: Revocation, claim: work.Claim
    ) -> None:
        known = works.register(vendor.consumer("acme-portal"))
        granted(works, known.id, 3)
        revocation.seconds = 0.2
        with roles.using_role("worker"):
            claim = self.claimed(works)
            with tenancy.acting_for(works.acme):
                assert not parting.withdraw_all(claim, clock.now() + timedelta(seconds=0.1))
        assert len(revocation.tokens) == 2, "the first one, and no other"

    def test_is_given_up_by_who_lost_the_lease(
        self, works: Works, vendor: Vendor, revocation: Revocation, claim: work.Claim
    ) -> None:
        known = works.register(vendor.consumer("acme-portal"))
        made = granted(works, known.id, 3)
        with roles.using_role("worker"):
            claim = self.claimed(works)
            time.sleep(1.1)
            with tenancy.acting_for(works.acme), pytest.raises(work.LeaseLost):
                parting.withdraw_all(claim, clock.now() + timedelta(days=1))
        assert all(sealed_for(works, one.id) for one in made)


def test_a_token_that_we_had_made_is_withdrawn_before_the_keys_go(
    works: Works, vendor: Vendor
) -> None:
    asked(works, linked_at_home(works, vendor))
    works.drain()
    assert len(ours(vendor)) == 1
    confirmed(works)
    before = len(vendor.requests())
    with clock.shifted(timedelta(days=7, hours=1)):
        works.drain()
        assert used(works) == len(vendor.requests()) - before > 0
    assert (ours(vendor), is_gone(works)) == ([], True)
    assert not any("HTTP access token" in line for line in on_record(works))


def test_each_grant_is_revoked_whatever_is_killed(
    works: Works, vendor: Vendor, revocation: Revocation, servers: Servers
) -> None:
    known = works.register(vendor.consumer("acme-portal"))
    made = granted(works, known.id, 2)
    confirmed(works)
    works.drain()
    with clock.shifted(timedelta(days=7, hours=1)), roles.using_role("worker"):
        for _ in made:  # it dies after each one that the vendor has ended, before we know that
            dies_at("erase.withdrawn", work.drain)
            release(servers)
        dies_at("erase.parted", work.drain)
        release(servers)
        work.drain()
    assert is_gone(works)
    assert {"refresh-0", "refresh-1"} <= set(revocation.tokens)
    assert not any("Sign in" in line for line in on_record(works))
