"""A Spacelift account from link to revocation, through the flows and over real sockets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connections import places, tasks
from connections.contracts import BASE_URL
from connections.flows import lifecycle, link, renewals, replacement
from connections.models import (
    Check,
    Connection,
    Credential,
    PendingLink,
    RefreshAttempt,
    Replacement,
    Verification,
    Workspace,
)
from portal import clock, roles, vault
from portal.models import AuditEvent
from portal.policy import Actor
from portal.secret import Secret
from tests.connections.ways import patiently, sealed_for
from tests.vendor import Vendor
from tests.works import SESSION, Works

SLUG = "spacelift"
ACME = "https://acme.app.spacelift.io"
READ = ["spaces-read", "stacks-read"]
WRITE = [*READ, "integrations-read", "runs-write", "integrations-write"]
State = Connection.State
Stage = PendingLink.Stage


def key_of(vendor: Vendor, about: str) -> dict[str, Any]:
    known = vendor.state()["vendors"]["spacelift"]["keys"]
    return next(dict(key) for key in known if key["about"] == about)


def prepare(works: Works, vendor: Vendor, about: str, **rest: Any) -> PendingLink:
    """What somebody typed and pasted is handed in, and the worker has done its part."""
    actor: Actor = rest.get("actor", works.alice)
    key = key_of(vendor, about)
    with works.inside():
        pending = link.begin(
            actor=actor,
            connector=SLUG,
            user_id=actor.id,  # type: ignore[arg-type]
            session_key=SESSION,
            relink=rest.get("relink"),
        )
        link.choose(
            actor=actor,
            pending=pending,
            capabilities=rest.get("capabilities", READ),
            reason="Pushes shall start runs",
        )
        link.prepare(
            actor=actor,
            pending=pending,
            method="api-key",
            name=rest.get("name", "Acme stacks"),
            team_id=None,
            consumer_id=None,
            fields={BASE_URL: rest.get("address", ACME), "key_id": rest.get("key_id", key["id"])},
            secret=Secret(rest.get("secret", key["secret"])),
        )
    works.drain()
    return works.reloaded(pending)


def linked(works: Works, vendor: Vendor, about: str = "portal-admin", **rest: Any) -> Connection:
    pending = prepare(works, vendor, about, **rest)
    assert (pending.stage, pending.error) == (Stage.DONE, ""), pending.error_detail
    with works.inside():
        found: Connection = Connection.objects.get(id=pending.connection_id)
        return found


def credential(works: Works, connection: Connection) -> Credential:
    with works.inside():
        found: Credential = Credential.objects.get(connection_id=connection.id, replaced_at=None)
        return found


def sealed(works: Works, connection: Connection, field: str) -> str:
    one = credential(works, connection)
    with roles.using_role("worker"), works.inside():
        return vault.open(places.of_credential(one, field)).reveal()


def now(works: Works, connection: Connection) -> Connection:
    with works.inside():
        found: Connection = Connection.objects.get(id=connection.id)
        return found


def checks(works: Works, connection: Connection) -> dict[str, Check]:
    with works.inside():
        found = Check.objects.filter(verification_id=works.verification(connection).id)
        return {f"{one.key} {one.workspace}".strip(): one for one in found}


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    yield
    clock.reset()


class TestLinking:
    def test_a_key_links_and_says_whose_it_is_and_which_spaces(self, works, vendor):
        connection = linked(works, vendor)

        assert (connection.state, connection.account_name) == (State.ACTIVE, "Portal")
        assert works.verification(connection).outcome == Verification.Outcome.PASSED
        with works.inside():
            assert Workspace.objects.filter(connection_id=connection.id).count() == 66
        lines = checks(works, connection)
        assert lines["workspaces"].title == "Spaces within reach"
        assert lines["workspaces"].request == "POST /graphql"
        assert "as a user" in lines["billing"].proves

    def test_the_secret_stays_and_what_it_is_exchanged_for_is_beside_it(self, works, vendor):
        connection = linked(works, vendor)
        key = key_of(vendor, "portal-admin")

        held = credential(works, connection)

        assert held.refreshable and sealed_for(works, held.id) == ["access", "secret"]
        assert sealed(works, connection, places.SECRET) == key["secret"]
        assert sealed(works, connection, places.ACCESS).count(".") == 2
        life = held.expires_at - clock.now()
        assert timedelta(hours=9, minutes=59) < life <= timedelta(hours=10)

    def test_a_role_in_two_spaces_is_told_for_each(self, works, vendor):
        connection = linked(works, vendor, "payments-writer", capabilities=WRITE)

        lines = checks(works, connection)

        assert works.verification(connection).outcome == Verification.Outcome.PARTLY
        assert lines["rights payments-01J8K2"].detail == "WRITE"
        assert lines["rights platform-01J8K4"].detail == "READ"
        assert lines["right:runs-write payments-01J8K2"].detail == "Allowed here"
        assert lines["right:runs-write platform-01J8K4"].detail == "Not allowed here"
        assert lines["capability:stacks-read"].outcome == Check.Outcome.PROVEN
        assert lines["capability:runs-write"].outcome == Check.Outcome.UNPROVABLE
        missing = lines["capability:integrations-write"]
        assert (missing.outcome, missing.detail) == (Check.Outcome.MISSING, "Missing: ADMIN")
        assert works.verification(connection).scopes == ["READ", "WRITE"]

    @pytest.mark.parametrize("manner", ["null", "unauthorized", "echo"])
    def test_a_wrong_secret_links_nothing_and_is_written_nowhere(
        self, works, vendor, manner, caplog
    ):
        vendor.order("/spacelift/switches", wrong_key=manner)
        wrong = "a-wrong-secret-that-nobody-may-see-0001"
        with caplog.at_level(logging.DEBUG):
            pending = prepare(works, vendor, "portal-admin", secret=wrong)

        assert (pending.stage, pending.error) == (Stage.FAILED, "reauthorization_required")
        assert "API key ID" in pending.error_detail
        with works.inside():
            assert not Connection.objects.exists()
            said = [pending.error_detail, *(str(e.details) for e in AuditEvent.objects.all())]
        assert wrong not in " ".join(said) + caplog.text
        assert wrong not in json.dumps(vendor.requests())

    def test_an_address_that_is_not_spacelifts_is_refused_in_the_usual_words(self, works, vendor):
        with pytest.raises(Exception, match="could not connect to this address"):
            prepare(works, vendor, "portal-admin", address="https://127.0.0.1:9/")

    def test_each_account_of_the_vendor_is_known_so_that_nobody_has_to_ask(self, works, vendor):
        """Alice manages and has no right to name new servers; the vendor's own are no such."""
        connection = linked(works, vendor, "fjord-admin", address="https://fjord.app.spacelift.io")

        assert connection.account_name == "Portal"


class TestTheEndOfAKey:
    def test_a_key_that_sees_its_own_end_is_due_before_it(self, works, vendor):
        key = vendor.order("/spacelift/keys", name="ends", rules={"root": "ADMIN"}, days=20)

        connection = linked(works, vendor, "ends")

        held = credential(works, connection)
        assert held.rotate_because == "expiry"
        assert abs(held.rotate_by.timestamp() - key["expires_at"]) < 2
        assert works.verification(connection).expires_at == held.rotate_by


class TestRenewal:
    def test_a_token_is_renewed_before_it_ends_and_the_key_stays(self, works, vendor):
        vendor.order("/spacelift/switches", jwt_seconds=3600)
        connection = linked(works, vendor)
        before = sealed(works, connection, places.ACCESS)
        vendor.order("/clock", advance=30)
        due(works, connection)

        renewals.start_due()
        works.drain()

        assert sealed(works, connection, places.ACCESS) != before
        assert sealed(works, connection, places.SECRET) == key_of(vendor, "portal-admin")["secret"]
        with works.inside():
            assert RefreshAttempt.objects.filter(connection_id=connection.id).exists()
        assert works.verify(connection).outcome == Verification.Outcome.PASSED

    def test_a_token_that_was_refused_is_renewed_once_and_believed(self, works, vendor):
        """The vendor forgot its tokens: a key is good as long as its secret is."""
        connection = linked(works, vendor)
        vendor.order("/clock", advance=11 * 3600)  # at the vendor alone

        assert works.verify(connection).outcome == Verification.Outcome.PASSED
        assert now(works, connection).state == State.ACTIVE

    def test_an_outage_is_no_refusal(self, works, vendor):
        connection = linked(works, vendor)
        due(works, connection)
        vendor.order("/faults", match="POST /graphql", kind="status", status=503, times=None)

        renewals.start_due()
        works.drain()

        assert now(works, connection).state == State.ACTIVE
        assert now(works, connection).suspect_since is None
        vendor.order("/normal")
        due(works, connection)
        renewals.start_due()
        patiently(works)
        assert works.verify(connection).outcome == Verification.Outcome.PASSED

    def test_a_deleted_key_is_believed_after_three_looks(self, works, vendor):
        connection = linked(works, vendor)
        vendor.order("/spacelift/keys/end", name="portal-admin")

        works.verify(connection)
        assert now(works, connection).suspect_since is not None
        for wait in ({"seconds": 91}, {"minutes": 14}):
            clock.shift(timedelta(**wait))
            with roles.using_role("worker"):
                tasks.start_due()
            works.drain()

        assert now(works, connection).state == State.NEEDS_REAUTHORIZATION


class TestReplacing:
    def test_a_new_secret_is_pasted_in_the_place_of_the_old_one(self, works, vendor):
        connection = linked(works, vendor)
        key = key_of(vendor, "portal-admin")
        fresh = "f" * 64
        vendor.order("/spacelift/keys/reset", name="portal-admin", secret=fresh)

        one = hand_in(works, connection, key["id"], fresh)
        assert (one.stage, one.error) == (Replacement.Stage.CHECKED, ""), one.error_detail
        one = do(works, replacement.switch, one)
        assert one.stage == Replacement.Stage.SWITCHED, one.error
        one = do(works, replacement.withdrawn, one)

        assert sealed(works, connection, places.SECRET) == fresh
        assert works.verify(connection).outcome == Verification.Outcome.PASSED

    def test_a_wrong_one_leaves_the_one_in_use(self, works, vendor):
        connection = linked(works, vendor)

        one = hand_in(works, connection, key_of(vendor, "portal-admin")["id"], "0" * 64)

        assert one.error == "reauthorization_required"
        assert works.verify(connection).outcome == Verification.Outcome.PASSED


class TestRevoking:
    def test_everything_sealed_is_forgotten_and_people_read_where_to_delete_the_key(
        self, works, vendor
    ):
        connection = linked(works, vendor)
        held = credential(works, connection)

        with works.inside():
            losses = lifecycle.preview_revoke(connection)
            lifecycle.revoke(actor=works.alice, connection=connection, typed_name=connection.name)
        works.drain()

        assert not losses.can_withdraw_at_vendor
        assert now(works, connection).state == State.REVOKED
        assert sealed_for(works, held.id) == []


def due(works: Works, connection: Connection) -> None:
    """Its token is to be renewed now."""
    with roles.using_role("worker"), works.inside():
        Credential.objects.filter(connection_id=connection.id).update(
            refresh_due_at=clock.now() - timedelta(seconds=1)
        )


def hand_in(works: Works, connection: Connection, key_id: str, secret: str) -> Replacement:
    with works.inside():
        one = replacement.hand_in(
            actor=works.alice,
            connection=connection,
            method="api-key",
            fields={"key_id": key_id},
            secret=Secret(secret),
        )
    works.drain()
    return reloaded(works, one)


def do(works: Works, deed: Any, one: Replacement) -> Replacement:
    with works.inside():
        deed(actor=works.alice, replacement=reloaded(works, one))
    works.drain()
    return reloaded(works, one)


def reloaded(works: Works, one: Replacement) -> Replacement:
    with works.inside():
        found: Replacement = Replacement.objects.select_related("connection").get(id=one.id)
        return found
