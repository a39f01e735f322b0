"""A connection whose last token ended without a refusal: who is told, when, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core import mail

from connections import places
from connections.flows import breaker, health, incidents, renewals, stopped, told_kinds
from connections.flows.vendors import Where
from connections.models import (
    Breaker,
    Connection,
    Consumer,
    Credential,
    RefreshAttempt,
    credential_of,
)
from connections.queries import health as shown
from portal import clock, roles, tenancy, vault
from portal.models import Notice, Receipt, SealedValue, User
from tests import scenes
from tests.connections.ways import again, link_by_consent
from tests.vendor import Vendor
from tests.works import Works

SLUG = "bitbucket-cloud"
CLOUD = Where(SLUG)


@pytest.fixture(autouse=True)
def _real_time(settings: LazySettings) -> Iterator[None]:
    settings.REFRESH_PER_SECOND = 1000
    mail.outbox = []
    yield
    clock.reset()


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    return works.connection(link_by_consent(works, vendor))


@pytest.fixture
def operator(works: Works) -> User:
    return User.objects.create_user("olga@portal.example", None, name="Olga", is_operator=True)


def pass_time(works: Works, hours: float, step: float = 0.5) -> None:
    """Time passes for the portal; it refreshes what is due, tries syncs and looks after people."""
    for _ in range(round(hours / step)):
        clock.shift(timedelta(hours=step))
        with roles.using_role("worker"):
            renewals.start_due()
        works.drain()
        look()


def look() -> None:
    with roles.using_role("worker"):
        incidents.look_after()
        stopped.look_after()


def told(works: Works, kind: str = told_kinds.STOPPED) -> list[Notice]:
    with works.inside():
        return list(Notice.objects.filter(kind=kind).order_by("opened_at"))


def operators_know(kind: str = told_kinds.STOPPED_OPERATORS) -> list[Notice]:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        return list(Notice.objects.filter(kind=kind))


def heard(works: Works, notice: Notice) -> set[str]:
    with works.inside():
        found = Receipt.objects.filter(notice_id=notice.id).select_related("user")
        return {one.user.name for one in found if one.user}


def ended(
    works: Works,
    connection: Connection,
    code: str,
    *,
    ago: timedelta,
    tried: timedelta | None = None,
) -> None:
    """Its token ended so long ago, and what was tried since (or for so long) came to this."""
    with roles.using_role("worker"), works.inside():
        credential = credential_of(connection)
        at, first = clock.now() - ago, clock.now() - (ago if tried is None else tried)
        Credential.objects.filter(id=credential.id).update(expires_at=at, refreshed_at=None)
        for moment in (first, clock.now()):
            RefreshAttempt.objects.create(
                connection_id=connection.id,
                credential_id=credential.id,
                at=moment,
                parent_version=1,
                caller="schedule",
                worker="tests",
                answer="temporary",
                decision="retry_later",
            )
        Connection.objects.get(id=connection.id).failed(code)


class TestOurOwnConsumer:
    @pytest.fixture
    def wrong(self, works: Works, connection: Connection) -> Connection:
        with works.inside():
            Consumer.objects.update(client_id="somebody else's")
        return connection

    def test_who_may_edit_it_is_told_once_the_last_token_has_ended(
        self, works: Works, wrong: Connection
    ) -> None:
        pass_time(works, 1)
        assert told(works) == []
        pass_time(works, 3)
        [notice] = told(works)
        assert notice.title == "Bitbucket Cloud does not accept the consumer Acme"
        assert notice.url == "/o/acme/settings/consumers/"
        assert heard(works, notice) == {"Ada"}
        assert [m.to for m in mail.outbox] == [["ada@acme.example"]]

    def test_it_ends_with_a_word_when_tokens_come_again(
        self, works: Works, vendor: Vendor, wrong: Connection
    ) -> None:
        pass_time(works, 4)
        with works.inside():
            Consumer.objects.update(client_id=vendor.consumer("acme-portal")["key"])
        pass_time(works, 2)
        assert told(works)[0].resolved_at is not None
        assert [n.title for n in told(works, told_kinds.RECOVERED)] == [
            "The consumer Acme works again"
        ]

    def test_the_page_does_not_blame_the_vendor(self, works: Works, wrong: Connection) -> None:
        pass_time(works, 4)
        now = again(works, wrong)
        with works.inside():
            assert shown.trouble_code(now, None, frozenset({SLUG})) == "misconfigured"

    def test_nobody_reads_that_their_grants_are_fine(self, works: Works, wrong: Connection) -> None:
        pass_time(works, 4)
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            breaker.note(CLOUD, CLOUD.token_host, faults=[uuid4() for _ in range(3)])
        look()
        clock.shift(timedelta(hours=7))
        look()
        assert told(works, told_kinds.STORM) == []
        assert [notice.resolved_at for notice in told(works)] == [None]


class TestAnOutage:
    def test_of_six_hours_is_told_to_people_and_operators(
        self, works: Works, vendor: Vendor, connection: Connection, operator: User
    ) -> None:
        match = "POST /site/oauth2/access_token"
        vendor.order("/faults", match=match, kind="status", status=503, times=None)
        pass_time(works, 6)
        assert told(works) == operators_know() == []
        pass_time(works, 4)
        [notice] = told(works)
        assert "is not answering" not in notice.title
        assert "1 connection has no token any more" in notice.body
        assert heard(works, notice) == {"Alice", "Ada"}
        assert len(operators_know()) == 1

        vendor.order("/normal")
        pass_time(works, 2)
        assert told(works)[0].resolved_at is not None
        assert len(told(works, told_kinds.RECOVERED)) == 1
        assert len(operators_know(told_kinds.RECOVERED_OPERATORS)) == 1

    def test_is_one_notice_for_all_connections_of_the_vendor(
        self, works: Works, connection: Connection
    ) -> None:
        ended(works, connection, "unavailable", ago=timedelta(hours=7))
        look()
        look()
        assert len(told(works)) == 1

    def test_stays_the_same_when_the_vendor_fails_in_another_way(
        self, works: Works, connection: Connection, operator: User
    ) -> None:
        for code in ("unavailable", "answer_lost"):
            ended(works, connection, code, ago=timedelta(hours=7))
            look()
        assert [one.resolved_at for one in told(works)] == [None]
        assert [one.resolved_at for one in operators_know()] == [None]

    def test_that_just_began_is_not_told_of_a_connection_that_slept(
        self, works: Works, connection: Connection
    ) -> None:
        ended(works, connection, "unavailable", ago=timedelta(days=30), tried=timedelta())
        look()
        assert told(works) == []

    def test_that_an_incident_tells_of_is_not_told_twice(
        self, works: Works, connection: Connection
    ) -> None:
        ended(works, connection, "unavailable", ago=timedelta(hours=7))
        with (
            roles.using_role("worker"),
            tenancy.acting_for(tenancy.PLATFORM),
            tenancy.transaction(),
        ):
            Breaker.objects.create(
                connector=SLUG, host="bitbucket.org", rate=1, normal_rate=1, state="open",
                opened_at=clock.now(), told_at=clock.now(),
            )  # fmt: skip
        look()
        assert told(works) == []

    def test_ends_for_people_with_the_last_connection_that_suffers(
        self, works: Works, connection: Connection
    ) -> None:
        ended(works, connection, "unavailable", ago=timedelta(hours=7))
        look()
        with works.inside():
            Connection.objects.update(paused_at=clock.now())
        look()
        assert told(works)[0].resolved_at is not None
        assert told(works, told_kinds.RECOVERED) == []

    @pytest.mark.parametrize("code", ["reauthorization_required", "restored", "subject_changed"])
    def test_is_not_what_a_refusal_is(
        self, works: Works, connection: Connection, code: str
    ) -> None:
        ended(works, connection, code, ago=timedelta(hours=7))
        look()
        assert told(works) == []


class TestACredentialThatDoesNotOpen:
    def test_is_told_to_its_menders_and_to_operators(
        self, works: Works, connection: Connection, operator: User
    ) -> None:
        broken(works, connection)
        pass_time(works, 3)
        assert again(works, connection).last_error == "crypto_error"
        [notice] = told(works)
        assert notice.subject_name == connection.name
        assert "does not open" not in notice.title
        assert heard(works, notice) == {"Alice", "Ada"}
        [known] = operators_know()
        assert "Acme" in known.title

    def test_ends_when_it_works_again(self, works: Works, connection: Connection) -> None:
        ended(works, connection, "crypto_error", ago=timedelta(minutes=1))
        look()
        clock.shift(timedelta(minutes=2))
        works.drain()
        with roles.using_role("worker"), works.inside():
            health.worked(Connection.objects.get(id=connection.id))
        assert told(works)[0].resolved_at is not None
        assert len(told(works, told_kinds.RECOVERED)) == 1


def broken(works: Works, connection: Connection) -> None:
    """What is sealed as its refresh token was changed."""
    with roles.using_role("worker"), works.inside():
        place: Any = places.of_credential(credential_of(connection), places.REFRESH)
        assert vault.holds(place)
        sealed = SealedValue.objects.filter(row_id=place.row_id, field=place.field)
        row = sealed.get()
        sealed.update(blob=bytes(row.blob)[:-1] + bytes([bytes(row.blob)[-1] ^ 1]))
