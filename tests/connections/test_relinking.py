"""Linking again in place: id, name and history stay; the credential and perhaps account change."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.core.exceptions import PermissionDenied

from connections.flows import lifecycle, link, verify, workspaces
from connections.flows.problems import FlowProblem
from connections.models import (
    Connection,
    Credential,
    PendingLink,
    SyncRun,
    Verification,
    Workspace,
)
from portal import audit
from portal.models import AuditEvent
from portal.policy import Role
from tests import scenes
from tests.connections.ways import (
    a_team,
    again,
    come_back,
    depart,
    hurry,
    link_by_consent,
    prepare_token,
    sealed_for,
)
from tests.vendor import Vendor
from tests.works import Works

Stage = PendingLink.Stage


def linked(works: Works, vendor: Vendor, token: str = "dana-full") -> Connection:
    return works.connection(works.link_by_token(vendor.token(token)))


connection = scenes.begun(linked)


def other_account(works: Works, vendor: Vendor) -> tuple[Connection, PendingLink]:
    """Dana's connection, and a link of it again with her second account that asks."""
    first = link_by_consent(works, vendor)
    connection = works.connection(first)
    works.sync(connection, "acme")
    assert connection.consumer_id is not None
    pending, url = depart(works, connection.consumer_id, relink=connection)
    come_back(works, works.consent(url, user="dana-too"))
    works.drain()
    return connection, works.reloaded(pending)


def credentials(works: Works) -> list[tuple[UUID, bool]]:
    with works.inside():
        found = Credential.objects.order_by("created_at")
        return [(each.id, each.replaced_at is None) for each in found]


class TestTheSameAccount:
    def test_the_credential_is_replaced_in_place(self, works: Works, vendor: Vendor) -> None:
        before = linked(works, vendor)
        works.sync(before, "acme")
        works.link_by_token(vendor.token("dana-narrow"), relink=before, name="ignored")

        after = again(works, before)
        assert (after.id, after.name, after.created_at) == (
            before.id,
            before.name,
            before.created_at,
        )
        assert after.state == Connection.State.ACTIVE
        (old, old_is_current), (new, new_is_current) = credentials(works)
        assert (old_is_current, new_is_current) == (False, True)
        assert (sealed_for(works, old), sealed_for(works, new)) == ([], ["secret"])
        with works.inside():
            assert SyncRun.objects.count() == 1
            assert Workspace.objects.get(slug="acme").selected
            assert Verification.objects.count() == 2
            assert AuditEvent.objects.filter(action="connection.relinked").count() == 1

    def test_a_token_gives_way_to_consent(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        consumer = works.register(vendor.consumer("acme-portal"))
        pending, url = depart(works, consumer.id, relink=connection)
        come_back(works, works.consent(url))
        works.drain()

        assert works.reloaded(pending).stage == Stage.DONE
        after = again(works, connection)
        assert (after.method, after.consumer_id) == ("oauth", consumer.id)
        assert [sealed_for(works, each) for each, _ in credentials(works)] == [
            [],
            ["access", "refresh"],
        ]

    def test_it_returns_from_needs_reauthorization(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        with works.inside():
            Connection.objects.update(state="needs_reauthorization", last_error="x")
        works.link_by_token(vendor.token("dana-full"), relink=again(works, connection))

        after = again(works, connection)
        assert (after.state, after.last_error, after.suspect_since) == ("active", "", None)

    def test_a_failed_try_changes_nothing(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        pending = works.link_by_token(vendor.token("dana-expired"), relink=connection)

        assert pending.stage == Stage.FAILED
        assert again(works, connection).state == Connection.State.ACTIVE
        ((current, _),) = credentials(works)
        assert sealed_for(works, current) == ["secret"]

    def test_what_was_asked_with_the_old_credential_is_over(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order("/faults", match="GET /2.0/user", kind="status", status=503, times=None)
        with works.inside():
            old = verify.request(actor=works.alice, connection=connection)
        works.drain()
        vendor.order("/normal")
        works.link_by_token(vendor.token("dana-full"), relink=connection)
        hurry(works)
        works.drain()

        with works.inside():
            old.refresh_from_db()
            outcomes = list(Verification.objects.order_by("started_at").values("outcome"))
        assert old.outcome == "unreached"
        assert [each["outcome"] for each in outcomes] == ["passed", "unreached", "passed"]


class TestAnotherAccount:
    def test_it_asks_with_what_is_gained_and_lost(self, works: Works, vendor: Vendor) -> None:
        connection, pending = other_account(works, vendor)

        assert pending.stage == Stage.CONFIRM_ACCOUNT
        found = pending.found_account
        assert found["before"]["name"] == connection.account_name == "Dana Levi"
        assert found["now"]["remote_id"] != connection.account_id
        assert found["gained"] == [] and len(found["lost"]) == 2
        assert again(works, connection).account_id == connection.account_id
        assert sealed_for(works, pending.id) == ["access", "refresh"]

    def test_a_person_agrees(self, works: Works, vendor: Vendor) -> None:
        connection, pending = other_account(works, vendor)
        with works.inside():
            link.confirm_account(actor=works.alice, pending=pending)
        works.drain()

        after = again(works, connection)
        assert works.reloaded(pending).stage == Stage.DONE
        assert after.account_id == pending.found_account["now"]["remote_id"]
        assert after.state == Connection.State.ACTIVE
        assert sealed_for(works, pending.id) == []
        with works.inside():
            assert AuditEvent.objects.filter(action="connection.account_changed").exists()
            gone = Workspace.objects.exclude(gone_at=None).values_list("slug", flat=True)
            assert sorted(gone) == ["dana-levi", "yarden"]
            assert audit.verify()[1] is None
        assert [change["what"] for change in works.verification(after).drift] == ["account"]

    def test_a_person_declines(self, works: Works, vendor: Vendor) -> None:
        connection, pending = other_account(works, vendor)
        with works.inside():
            link.abandon(actor=works.alice, pending=pending)
        works.drain()

        assert again(works, connection).account_id == connection.account_id
        assert sealed_for(works, pending.id) == []
        assert works.verification(connection).outcome == "passed"

    def test_a_reading_of_the_old_account_ends(self, works: Works, vendor: Vendor) -> None:
        connection, pending = other_account(works, vendor)
        with works.inside():
            chosen = Workspace.objects.filter(slug="acme").values_list("id", flat=True)
            workspaces.choose(actor=works.alice, connection=connection, workspace_ids=list(chosen))
            link.confirm_account(actor=works.alice, pending=pending)
        works.drain()

        with works.inside():
            states = list(SyncRun.objects.order_by("created_at").values_list("state", flat=True))
        assert states == ["done", "cancelled"]

    def test_an_account_of_another_connection_is_not_taken_over(
        self, works: Works, vendor: Vendor
    ) -> None:
        linked(works, vendor)
        tomas = works.link_by_token(
            vendor.token("tomas-full"),
            name="Tomas",
            team_id=a_team(works),
            fields={"email": "tomas@acme.example"},
        )
        pending = works.link_by_token(vendor.token("dana-narrow"), relink=works.connection(tomas))

        assert (pending.stage, pending.error) == (Stage.FAILED, "account_taken")
        assert pending.error_detail == "Acme code"


class TestARevokedConnection:
    def test_it_is_not_linked_again(self, works: Works, connection: Connection) -> None:
        with works.inside():
            lifecycle.revoke(actor=works.alice, connection=connection, typed_name="Acme code")

        with pytest.raises(FlowProblem) as problem:
            works.begin(relink=again(works, connection))
        assert problem.value.code == "revoked"

    def test_nor_when_it_was_revoked_meanwhile(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        pending = prepare_token(works, vendor.token("dana-full"), relink=connection)
        with works.inside():
            lifecycle.revoke(actor=works.alice, connection=connection, typed_name="Acme code")
        works.drain()

        assert works.reloaded(pending).error == "not_live"
        assert again(works, connection).state == Connection.State.REVOKED
        assert [sealed_for(works, each) for each, _ in credentials(works)] == [[]]


def test_who_granted_it_mends_it_and_no_more(works: Works, vendor: Vendor) -> None:
    bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    with works.inside():
        with pytest.raises(PermissionDenied):
            verify.request(actor=bob, connection=connection)
        Connection.objects.filter(id=connection.id).update(granted_by_id=bob.id)
        connection.refresh_from_db()

        assert verify.request(actor=bob, connection=connection).requested_by == "Bob"
        with pytest.raises(PermissionDenied):
            lifecycle.pause(actor=bob, connection=connection)
