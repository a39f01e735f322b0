"""A restored database: what was spent since the backup is asked again, or never sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from connections import high_water
from connections.errors import ReauthorizationRequired
from connections.flows import refresh, restore, service_keys, told_kinds
from connections.high_water import Mark
from connections.models import (
    Connection,
    Credential,
    HeldBack,
    RefreshAttempt,
    credential_of,
)
from connections.queries import restores
from portal import audit, roles, tenancy
from portal.models import AuditEvent, Notice, User
from portal.policy import Role
from tests import scenes
from tests.connections.ways import a_team, again, link_by_consent
from tests.leasing import service
from tests.vendor import Vendor
from tests.works import Works

Because = HeldBack.Because


@pytest.fixture(autouse=True)
def marks_of_our_own(tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.HIGH_WATER_FILE = str(tmp_path / "marks" / "high_water.sqlite3")
    yield


@scenes.begun
def beginning(works: Works, vendor: Vendor) -> tuple[Connection, list[Mark]]:
    """A connection, and the marks that linking it left."""
    with TemporaryDirectory() as folder, override_settings(HIGH_WATER_FILE=f"{folder}/marks"):
        link_by_consent(works, vendor)
        with works.inside():
            return Connection.objects.get(), [*high_water.standing()]


@pytest.fixture
def linked(beginning: tuple[Connection, list[Mark]]) -> Connection:
    connection, marks = beginning
    high_water.rise(marks)
    return connection


def received_later(works: Works, connection: Connection, ago: timedelta) -> None:
    """After the backup this connection's token was refreshed, so long ago by now."""
    with roles.using_role("worker"), works.inside():
        credential = credential_of(connection)
        RefreshAttempt.objects.create(
            connection_id=connection.id,
            credential_id=credential.id,
            parent_version=1,
            received_version=1,
            spent="a" * 16,
            received="b" * 16,
            caller="schedule",
            worker="tests",
            answer="kept",
            decision="became_current",
        )
    high_water.lower([connection.id])  # the link is older than the test can wait for
    mark_of(works, connection, generation=credential.version + 1, at=timezone.now() - ago)


def mark_of(works: Works, connection: Connection, *, generation: int, at: datetime) -> None:
    with works.inside():
        credential = credential_of(connection)
    high_water.rise(
        [
            Mark(
                connection_id=connection.id,
                organization_id=works.acme.id,
                name=connection.name,
                credential_id=credential.id,
                generation=generation,
                received_at=at,
                linked_at=connection.linked_at,
            )
        ]
    )


def settled() -> list[restore.Behind]:
    with roles.using_role("worker"):
        return restore.settle()


class TestMarks:
    def test_a_link_leaves_a_mark(self, works: Works, linked: Connection) -> None:
        (mark,) = high_water.standing()
        assert (mark.connection_id, mark.name, mark.generation) == (linked.id, linked.name, 1)

    def test_a_refresh_raises_it(self, works: Works, linked: Connection) -> None:
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            with tenancy.transaction():
                Credential.objects.update(expires_at=timezone.now())
            refresh.fresh(linked)
        assert [mark.generation for mark in high_water.standing()] == [2]

    def test_a_mark_never_falls(self, works: Works, linked: Connection) -> None:
        now = timezone.now()
        mark_of(works, linked, generation=7, at=now + timedelta(seconds=2))
        mark_of(works, linked, generation=5, at=now + timedelta(seconds=1))
        assert [mark.generation for mark in high_water.standing()] == [7]

    def test_a_disk_that_is_full_does_not_stop_the_work(
        self, works: Works, linked: Connection, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.HIGH_WATER_FILE = "/proc/nothing/can/be/written/here"
        high_water.rise([*high_water.standing()])
        mark_of(works, linked, generation=2, at=timezone.now())
        assert "high_water.not_written" in caplog.text


class TestRestoring:
    def test_nothing_is_behind_without_a_restore(self, works: Works, linked: Connection) -> None:
        assert settled() == []

    def test_what_was_spent_minutes_ago_is_asked_again_with_the_same_parent(
        self, works: Works, linked: Connection
    ) -> None:
        received_later(works, linked, timedelta(minutes=8))
        assert [behind.finding for behind in settled()] == [restore.ASK_AGAIN]
        with works.inside():
            credential = credential_of(linked)
            assert credential.intent_version == credential.version
            assert credential.quarantined_at is None
            assert not HeldBack.objects.exists()

    def test_what_was_spent_longer_ago_than_the_last_answer_is_never_sent(
        self, works: Works, linked: Connection
    ) -> None:
        received_later(works, linked, timedelta(minutes=8))
        mark_of(works, linked, generation=7, at=timezone.now())
        assert [behind.finding for behind in settled()] == [Because.SPENT]

    def test_what_was_spent_a_day_ago_is_never_sent(self, works: Works, linked: Connection) -> None:
        received_later(works, linked, timedelta(hours=24))
        assert [behind.finding for behind in settled()] == [Because.SPENT]
        with works.inside():
            credential = credential_of(linked)
            assert credential.quarantined_at is not None
            assert credential.refresh_due_at is None
            assert HeldBack.objects.get().name == linked.name
            assert Notice.objects.filter(subject_id=linked.id).exists()
            actions = AuditEvent.objects.values_list("action", flat=True)
            assert audit.Action.CONNECTION_HELD_BACK in actions

    def test_it_is_told_once(self, works: Works, linked: Connection) -> None:
        received_later(works, linked, timedelta(hours=24))
        assert len(settled()) == 1
        assert settled() == []

    def test_a_token_that_ended_asks_for_a_new_link_at_once(
        self, works: Works, linked: Connection
    ) -> None:
        received_later(works, linked, timedelta(hours=24))
        with roles.using_role("worker"), works.inside():
            Credential.objects.update(expires_at=timezone.now() - timedelta(hours=22))
        settled()
        with works.inside():
            connection = Connection.objects.get()
        assert connection.state == Connection.State.NEEDS_REAUTHORIZATION

    def test_its_living_access_token_is_used_to_the_end_and_then_no_more(
        self, works: Works, linked: Connection
    ) -> None:
        received_later(works, linked, timedelta(hours=24))
        settled()
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            assert refresh.fresh(linked)
            with tenancy.transaction():
                Credential.objects.update(expires_at=timezone.now())
            with pytest.raises(ReauthorizationRequired):
                refresh.fresh(linked)

    def test_a_vendor_that_gives_the_same_refresh_token_again_is_no_trouble(
        self, works: Works, linked: Connection
    ) -> None:
        with roles.using_role("worker"), works.inside():
            RefreshAttempt.objects.create(
                connection_id=linked.id,
                credential_id=credential_of(linked).id,
                parent_version=1,
                received_version=1,
                spent="a" * 16,
                received="a" * 16,
                caller="schedule",
                worker="tests",
                answer="kept",
                decision="became_current",
            )
        mark_of(works, linked, generation=9, at=timezone.now() - timedelta(hours=24))
        assert settled() == []

    def test_a_connection_that_was_revoked_since_does_not_work_again(
        self, works: Works, linked: Connection
    ) -> None:
        (mark,) = high_water.standing()
        high_water.rise([Mark(**{**as_values(mark), "revoked": True})])
        assert [behind.finding for behind in settled()] == [Because.REVOKED]
        with works.inside():
            assert Connection.objects.get().paused_at is not None

    def test_a_connection_that_is_missing_is_told_by_name_once(
        self, works: Works, linked: Connection
    ) -> None:
        (mark,) = high_water.standing()
        high_water.rise([Mark(**{**as_values(mark), "connection_id": uuid4(), "name": "Lost"})])
        assert [behind.finding for behind in settled()] == [Because.MISSING]
        with works.inside():
            assert "Lost" in Notice.objects.get(subject_name="Lost").title
        assert settled() == []

    def test_a_new_link_ends_it(self, works: Works, linked: Connection) -> None:
        received_later(works, linked, timedelta(hours=24))
        settled()
        with works.inside():
            Connection.objects.update(linked_at=timezone.now())
        assert settled() == []


class TestTelling:
    """One notice for each connection that a restore left behind, until it is linked again."""

    def test_a_token_that_ended_is_told_of_once(self, works: Works, linked: Connection) -> None:
        received_later(works, linked, timedelta(hours=24))
        with roles.using_role("worker"), works.inside():
            Credential.objects.update(expires_at=timezone.now() - timedelta(hours=22))
        settled()
        assert still_open(works) == [told_kinds.RESTORED]

    def test_a_token_that_ends_later_is_not_told_of_again(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        received_later(works, linked, timedelta(hours=24))
        settled()
        works.drain()
        with roles.using_role("worker"), works.inside():
            Credential.objects.update(expires_at=timezone.now())
        for _ in range(2):
            works.verify(linked)
        assert again(works, linked).last_error != ""
        assert still_open(works) == [told_kinds.RESTORED]

    def test_a_living_token_that_works_does_not_end_it(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        received_later(works, linked, timedelta(hours=24))
        settled()
        with roles.using_role("worker"), works.inside():
            Connection.objects.get().failed("unavailable")
        works.drain()
        assert again(works, linked).last_error == ""
        assert still_open(works) == [told_kinds.RESTORED]

    def test_a_new_link_ends_it(self, works: Works, vendor: Vendor, linked: Connection) -> None:
        received_later(works, linked, timedelta(hours=24))
        settled()
        works.drain()
        now = again(works, linked)
        link_by_consent(works, vendor, relink=now, consumer_id=now.consumer_id)
        assert again(works, linked).state == Connection.State.ACTIVE
        assert still_open(works) == []

    def test_a_later_restore_is_told_again(self, works: Works, linked: Connection) -> None:
        received_later(works, linked, timedelta(hours=24))
        settled()
        (mark,) = high_water.standing()
        linked_again = timezone.now() + timedelta(seconds=1)
        high_water.rise([Mark(**{**as_values(mark), "linked_at": linked_again})])
        settled()
        with works.inside():
            found = Notice.objects.filter(kind=told_kinds.RESTORED)
            assert [one.resolved_at is None for one in found.order_by("opened_at")] == [False, True]

    def test_what_is_missing_ends_with_a_link_of_its_name(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        (mark,) = high_water.standing()
        high_water.rise([Mark(**{**as_values(mark), "connection_id": uuid4(), "name": "Lost"})])
        settled()
        assert still_open(works) == [told_kinds.RESTORED]
        works.link_by_token(vendor.token("dana-full"), name="Lost", team_id=a_team(works))
        assert still_open(works) == []


class TestServiceKeys:
    """A key that was revoked after the backup is live again in it."""

    def test_all_of_then_are_frozen_on_record_and_told(
        self, works: Works, linked: Connection
    ) -> None:
        reports = service(works)
        (mark,) = high_water.standing()
        high_water.rise([Mark(**{**as_values(mark), "revoked": True, "received_at": later()})])
        settled()
        key = reports.reloaded()
        assert key.frozen_because == "restored_backup"
        with works.inside():
            notice = Notice.objects.get(kind="service_key_frozen")
            assert "backup" in notice.body
            events = AuditEvent.objects.filter(action=audit.Action.SERVICE_KEY_FROZEN)
            assert events.get().details["because"] == "restored_backup"

    def test_of_every_organization(self, works: Works, linked: Connection) -> None:
        globex = works.organization("globex")
        admin = works.person("gil@globex.example", "Gil", Role.ADMIN, globex)
        works.acme, acme = globex, works.acme
        theirs = service(works, by=admin)
        works.acme = acme
        received_later(works, linked, timedelta())
        assert settled()
        works.acme = globex
        assert theirs.reloaded().frozen_at is not None

    def test_what_is_let_go_on_goes_on_and_needs_nobody(
        self, works: Works, linked: Connection
    ) -> None:
        reports = service(works)
        received_later(works, linked, timedelta())
        settled()
        with works.inside():
            service_keys.thaw(actor=works.admin, key=reports.reloaded())
        assert [behind.finding for behind in settled()] == [restore.ASK_AGAIN]
        assert reports.reloaded().frozen_at is None
        assert still_open(works) == []

    def test_one_that_was_made_since_stays_live(self, works: Works, linked: Connection) -> None:
        received_later(works, linked, timedelta(minutes=8))
        reports = service(works)
        assert settled()
        assert reports.reloaded().frozen_at is None

    def test_none_is_touched_without_a_restore(self, works: Works, linked: Connection) -> None:
        reports = service(works)
        assert settled() == []
        assert reports.reloaded().frozen_at is None


def later() -> datetime:
    return timezone.now() + timedelta(seconds=1)


def still_open(works: Works) -> list[str]:
    with works.inside():
        found = Notice.objects.filter(resolved_at=None).exclude(kind=told_kinds.RECOVERED)
        return list(found.values_list("kind", flat=True))


def as_values(mark: Mark) -> dict[str, Any]:
    return {name: getattr(mark, name) for name in Mark.__slots__}


class TestPages:
    def test_the_organization_reads_its_own_list(
        self, works: Works, linked: Connection, client: Client
    ) -> None:
        received_later(works, linked, timedelta(hours=24))
        settled()
        client.force_login(User.objects.get(id=works.admin.id))
        page = client.get(reverse("restores", args=["acme"])).content.decode()
        assert linked.name in page
        assert "Waits for a new link" in page

    def test_operators_read_every_name_and_nobody_else_does(
        self, works: Works, linked: Connection, client: Client
    ) -> None:
        received_later(works, linked, timedelta(hours=24))
        settled()
        operator = works.person("olga@portal.example", "Olga", Role.MEMBER)
        User.objects.filter(id=operator.id).update(is_operator=True)
        client.force_login(User.objects.get(id=operator.id))
        page = client.get(reverse("platform_restores")).content.decode()
        assert linked.name in page
        assert "acme" in page
        assert works.admin.id is not None
        assert restores.of_platform(works.admin.id) == []
