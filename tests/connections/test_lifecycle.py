"""Pause, resume, edit and revoke, with what goes counted before; and how often one may ask."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connections import access, tasks
from connections.contracts import Answer
from connections.flows import consumers, lifecycle, pace, sync, verify
from connections.flows.problems import FlowProblem
from connections.models import (
    Connection,
    Credential,
    Member,
    Project,
    Repository,
    SyncRun,
    Verification,
    Workspace,
)
from portal import audit, roles
from portal.limits import Limit
from portal.models import AuditEvent
from portal.policy import Actor, Role
from tests.connections.test_work_processes import without_valkey
from tests.connections.ways import again, jobs, link_by_consent, prepare_token, sealed_for
from tests.servers import Servers
from tests.vendor import Vendor
from tests.works import Works


def linked(works: Works, vendor: Vendor) -> Connection:
    return works.connection(works.link_by_token(vendor.token("dana-full")))


def revoked(works: Works, connection: Connection) -> Connection:
    with works.inside():
        lifecycle.revoke(
            actor=works.alice, connection=connection, typed_name=f"  {connection.name} "
        )
    works.drain()
    return again(works, connection)


def start_due() -> None:
    with roles.using_role("worker"):
        tasks.start_due()


class TestRevoking:
    def test_what_goes_is_counted_before_and_is_gone_after(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = works.connection(
            link_by_consent(
                works,
                vendor,
                capabilities=["repositories-read", "members-read", "projects-read"],
            )
        )
        works.sync(connection, "acme")
        with works.inside():
            losses = lifecycle.preview_revoke(connection)
            credential = Credential.objects.get()
            repositories = Repository.objects.count()
            assert Member.objects.exists() and Project.objects.exists()
        assert (losses.workspaces, losses.repositories) == (4, repositories)
        assert not losses.can_withdraw_at_vendor
        assert sealed_for(works, credential.id) == ["access", "refresh"]

        after = revoked(works, connection)
        assert after.state == Connection.State.REVOKED and after.revoked_at is not None
        assert sealed_for(works, credential.id) == []
        with works.inside():
            for model in (Repository, Member, Project):
                assert not model.objects.exists()
            assert not Workspace.objects.filter(selected=True).exists()
            assert SyncRun.objects.count() == losses.sync_runs == 1
            assert Verification.objects.count() == losses.verifications == 1
            (event,) = AuditEvent.objects.filter(action="connection.revoked")
            assert event.details == {"workspaces": 4, "repositories": repositories}
            assert audit.verify()[1] is None

    def test_the_name_has_to_be_typed(self, works: Works, vendor: Vendor) -> None:
        connection = linked(works, vendor)
        with works.inside(), pytest.raises(FlowProblem) as problem:
            lifecycle.revoke(actor=works.alice, connection=connection, typed_name="acme code")
        assert problem.value.field == "typed_name"
        assert again(works, connection).state == Connection.State.ACTIVE

    def test_the_name_stays_taken_and_the_account_is_free(
        self, works: Works, vendor: Vendor
    ) -> None:
        revoked(works, linked(works, vendor))

        with pytest.raises(FlowProblem) as problem:
            prepare_token(works, vendor.token("dana-full"), name="Acme code")
        assert problem.value.field == "name"
        second = works.link_by_token(vendor.token("dana-full"), name="Acme code 2")
        assert second.stage == "done"

    def test_F22_nothing_is_done_with_it_any_more(self, works: Works, vendor: Vendor) -> None:
        connection = linked(works, vendor)
        with works.inside():
            verify.start(connection, requested_by="")
        connection = revoked(works, connection)
        seen = len(vendor.requests())
        with works.inside():
            Connection.objects.update(
                next_verification_at=timezone.now(), next_sync_at=timezone.now()
            )
        start_due()
        works.drain()

        assert jobs(works) == [] and len(vendor.requests()) == seen
        for deed in (
            lambda: verify.request(actor=works.alice, connection=connection),
            lambda: sync.request(actor=works.alice, connection=connection),
            lambda: lifecycle.pause(actor=works.alice, connection=connection),
            lambda: lifecycle.resume(actor=works.alice, connection=connection),
        ):
            with works.inside(), pytest.raises(FlowProblem):
                deed()

    def test_twice_is_once(self, works: Works, vendor: Vendor) -> None:
        connection = revoked(works, linked(works, vendor))
        first = connection.revoked_at
        assert revoked(works, connection).revoked_at == first
        with works.inside():
            assert AuditEvent.objects.filter(action="connection.revoked").count() == 1


class TestPausing:
    def test_nothing_calls_the_vendor_until_it_is_resumed(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor)
        with works.inside():
            verify.start(connection, requested_by="")
            lifecycle.pause(actor=works.alice, connection=connection)
        seen = len(vendor.requests())
        works.drain()
        start_due()
        works.drain()
        assert len(vendor.requests()) == seen

        with works.inside():
            lifecycle.resume(actor=works.alice, connection=again_inside(connection))
        start_due()
        works.drain()
        now = again(works, connection)
        assert len(vendor.requests()) > seen
        assert now.next_sync_at is not None and now.next_verification_at is not None
        with works.inside():
            assert Verification.objects.filter(outcome="passed").count() == 2
            assert not Verification.objects.filter(outcome="running").exists()

    def test_who_may_only_read_may_not(self, works: Works, vendor: Vendor) -> None:
        connection = linked(works, vendor)
        auditor = works.person("audrey@acme.example", "Audrey", Role.AUDITOR)
        for deed in (lifecycle.pause, lifecycle.resume, verify.request, sync.request):
            with works.inside(), pytest.raises(PermissionDenied):
                deed(actor=auditor, connection=connection)


def again_inside(connection: Connection) -> Connection:
    found: Connection = Connection.objects.get(id=connection.id)
    return found


class TestEditing:
    def test_the_schedules_follow(self, works: Works, vendor: Vendor) -> None:
        connection = linked(works, vendor)
        works.sync(connection, "yarden")
        with works.inside():
            lifecycle.edit(
                actor=works.alice,
                connection=again_inside(connection),
                labels=["team", "Core", "core ", "  "],
                description="*ours*",
                verify_every_hours=2,
                sync_every_minutes=5,
            )
        now = again(works, connection)
        assert now.labels == ["Core", "team"] and now.name == "Acme code"
        assert now.next_verification_at is not None and now.next_sync_at is not None
        assert 7100 < (now.next_verification_at - timezone.now()).total_seconds() <= 7200
        assert 280 < (now.next_sync_at - timezone.now()).total_seconds() <= 300

    @pytest.mark.parametrize(
        "wish",
        [
            {"labels": [str(n) for n in range(21)]},
            {"labels": ["x" * 41]},
            {"description": "x" * 4001},
            {"verify_every_hours": 0},
            {"sync_every_minutes": 4},
        ],
    )
    def test_limits_are_said(self, wish: dict[str, Any], works: Works, vendor: Vendor) -> None:
        given: dict[str, Any] = {
            "labels": [],
            "description": "",
            "verify_every_hours": 24,
            "sync_every_minutes": 60,
        }
        with works.inside(), pytest.raises(FlowProblem):
            lifecycle.edit(actor=works.alice, connection=Connection(), **given | wish)


class TestPace:
    """Costly things have a limit per person and organization (OWASP ASVS 5.0 V2.4.1)."""

    def ask(self, works: Works, actor: Actor, often: int) -> None:
        for _ in range(often):
            with works.inside():
                pace.keep("link", actor)

    def test_too_often_says_when_to_try_again(self, works: Works) -> None:
        with pytest.raises(FlowProblem) as problem:
            self.ask(works, works.alice, 31)
        assert problem.value.code == "slow_down"
        assert "minute" in problem.value.message
        self.ask(works, works.admin, 1)

    def test_an_organization_has_a_limit_of_its_own(self, works: Works) -> None:
        people = [works.person(f"p{n}@acme.example", f"P{n}", Role.MANAGER) for n in range(6)]
        with pytest.raises(FlowProblem):
            for person in people:
                self.ask(works, person, 29)

    def test_nothing_is_refused_while_nothing_can_be_counted(
        self, works: Works, servers: Servers
    ) -> None:
        with without_valkey(servers):
            assert Limit(0, 600).wait_seconds("anything") == 0
        assert Limit(0, 600).wait_seconds("anything") > 0

    def test_the_flows_ask(self, works: Works, vendor: Vendor) -> None:
        connection = linked(works, vendor)
        for what in pace.LIMITS:
            for _ in range(121):
                with works.inside():
                    try:
                        pace.keep(what, works.alice)
                    except FlowProblem:
                        break
        works_deeds = (
            lambda: verify.request(actor=works.alice, connection=connection),
            lambda: sync.request(actor=works.alice, connection=connection),
        )
        with works.inside():
            Workspace.objects.update(selected=True)
        for deed in works_deeds:
            with works.inside(), pytest.raises(FlowProblem) as problem:
                deed()
            assert problem.value.code == "slow_down"


class TestAnnouncements:
    def test_an_announced_removal_is_logged_once(
        self, works: Works, vendor: Vendor, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Abuse case P50."""
        access._warn_once.cache_clear()
        sunset = {"Deprecation": "@1785000000", "Sunset": "Sat, 01 Jan 2028 00:00:00 GMT"}
        vendor.order("/faults", match="GET /2.0/user", kind="headers", headers=sunset, times=None)
        with caplog.at_level(logging.WARNING, logger="connections.access"):
            connection = linked(works, vendor)
            with works.inside():
                verify.request(actor=works.alice, connection=connection)
            works.drain()

        (line,) = [r for r in caplog.records if r.name == "connections.access"]
        assert vars(line)["connector"] == "bitbucket-cloud"
        assert vars(line)["asked"] == "GET /2.0/user"
        assert vars(line)["sunset"] == sunset["Sunset"]

    def test_a_removed_endpoint_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        gone = Answer(410, {}, None, "GET /2.0/old", 0.1)
        with caplog.at_level(logging.WARNING, logger="connections.access"):
            access.note_deprecation("some-vendor", gone)
        assert [vars(r)["status"] for r in caplog.records] == [410]


def test_connections_are_locked_without_their_key() -> None:
    """A full lock beside a page of repositories being written ends in a deadlock."""
    flows = Path(consumers.__file__).parent
    sources = [*flows.glob("*.py"), flows.parent / "tasks.py"]
    lock = re.compile(r"Connection\.objects\.select_for_update\(([^)]*)\)")
    locks = [found for path in sources for found in lock.findall(path.read_text())]

    assert len(locks) >= 6
    assert all("no_key=True" in each for each in locks)
