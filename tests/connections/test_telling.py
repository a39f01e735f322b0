"""What people are told of connections: by whom it is called, who hears of it, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from connections.flows import expiry, lifecycle, sync, telling, told_kinds
from connections.models import (
    Breaker,
    Connection,
    Credential,
    SyncRun,
    Verification,
)
from portal import clock, roles, tenancy
from portal.models import Notice, Receipt, Team, TeamMembership, User
from portal.policy import Role
from tests.vendor import Vendor
from tests.works import Works


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    yield
    clock.reset()


def make(works: Works, **facts: Any) -> Connection:
    with roles.using_role("worker"), works.inside():
        made: Connection = Connection.objects.create(
            connector="bitbucket-cloud", method="api-token", name="Acme code", account_id="dana",
            account_name="Dana", state="active", granted_by_name="Alice", **facts,
        )  # fmt: skip
        Credential.objects.create(connection=made, kind="api_token", vocabulary="api")
    return made


def told(works: Works, kind: str) -> list[Notice]:
    with works.inside():
        return list(Notice.objects.filter(kind=kind).order_by("opened_at"))


def heard(works: Works, notice: Notice) -> set[str]:
    with works.inside():
        found = Receipt.objects.filter(notice_id=notice.id).select_related("user")
        return {one.user.name for one in found if one.user}


def wait(works: Works, **span: int) -> None:
    clock.shift(timedelta(**span or {"seconds": 61}))
    works.drain()


class TestTheGrant:
    def test_a_first_refusal_is_quiet_and_leads_to_the_connection(self, works: Works) -> None:
        connection = make(works)
        with works.inside():
            telling.refused(connection)
        wait(works)

        [notice] = told(works, told_kinds.REFUSED)
        assert notice.url == f"/o/acme/connections/{connection.id}/"
        assert heard(works, notice) == {"Alice", "Ada"}
        assert mail.outbox == []

    def test_a_grant_that_is_gone_takes_the_place_of_the_suspicion(self, works: Works) -> None:
        connection = make(works)
        with works.inside():
            telling.refused(connection)
            telling.needs_link(connection)
        wait(works)

        assert told(works, told_kinds.REFUSED)[0].resolved_at is not None
        assert [m.subject for m in mail.outbox] == ["Acme code needs a new link · Acme"] * 2
        assert f"/o/acme/connections/{connection.id}/" in mail.outbox[0].body
        assert "Link again" in mail.outbox[0].body

    def test_who_was_told_hears_that_it_works_again(self, works: Works) -> None:
        connection = make(works)
        with works.inside():
            telling.needs_link(connection)
        wait(works)
        with works.inside():
            telling.recovered(connection)
        wait(works)

        assert [m.subject for m in mail.outbox[2:]] == ["Acme code works again · Acme"] * 2

    def test_only_people_of_the_team_hear_of_its_connection(self, works: Works) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        works.person("carl@acme.example", "Carl", Role.MEMBER)
        with works.inside():
            team = Team.objects.create(name="Web")
            TeamMembership.objects.create(team=team, user_id=bob.id, role="admin")
        connection = make(works, team=team)
        with works.inside():
            telling.needs_link(connection)

        [notice] = told(works, told_kinds.NEEDS_LINK)
        assert heard(works, notice) == {"Alice", "Ada", "Bob"}
        assert notice.team_id == team.id

    def test_a_revoked_connection_needs_nobody(self, works: Works) -> None:
        connection = make(works)
        with works.inside():
            telling.needs_link(connection)
            lifecycle.revoke(actor=works.alice, connection=connection, typed_name="Acme code")
        wait(works)

        assert told(works, told_kinds.NEEDS_LINK)[0].resolved_at is not None
        assert mail.outbox == []


class TestExpiry:
    def ends_in(self, works: Works, connection: Connection, **span: int) -> None:
        with roles.using_role("worker"), works.inside():
            Credential.objects.filter(connection=connection).update(
                expires_at=clock.now() + timedelta(**span)
            )

    def warn(self) -> None:
        with roles.using_role("worker"):
            expiry.warn_everybody()

    def test_it_is_told_at_thirty_fourteen_seven_and_one_day_once_each(self, works: Works) -> None:
        connection = make(works)
        self.ends_in(works, connection, days=31)
        for _ in range(32):
            self.warn()
            self.warn()
            clock.shift(timedelta(days=1))

        found = told(works, told_kinds.EXPIRES)
        assert [one.title.removeprefix("Acme code expires within ") for one in found] == [
            "30 days", "14 days", "7 days", "a day",
        ]  # fmt: skip
        assert [one.resolved_at is None for one in found] == [False] * 4

    def test_a_new_credential_ends_the_warning(self, works: Works) -> None:
        connection = make(works)
        self.ends_in(works, connection, days=6)
        self.warn()
        self.ends_in(works, connection, days=300)
        self.warn()
        wait(works)

        assert told(works, told_kinds.EXPIRES)[0].resolved_at is not None
        assert mail.outbox == []

    def test_a_token_that_renews_itself_is_not_warned_of(self, works: Works) -> None:
        connection = make(works)
        self.ends_in(works, connection, hours=1)
        with roles.using_role("worker"), works.inside():
            Credential.objects.update(refreshable=True)
        self.warn()

        assert told(works, told_kinds.EXPIRES) == []


class TestWhatWasFound:
    def test_a_drift_is_told_with_what_changed(self, works: Works, vendor: Vendor) -> None:
        connection = make(works)
        with roles.using_role("worker"), works.inside():
            seen = Verification.objects.create(
                connection=connection,
                drift=[
                    {"what": "scope", "before": "repository:write", "after": ""},
                    {"what": "scope", "before": "", "after": "pullrequest"},
                    {"what": "credential kind", "before": "api_token", "after": "oauth"},
                    {"what": "account name", "before": "Dana", "after": "Dana B."},
                ],
            )
            telling.drift(connection, seen)

        [notice] = told(works, told_kinds.DRIFT)
        assert notice.body == (
            "scope repository:write is gone; scope pullrequest is new;"
            " credential kind: api_token became oauth; 1 more."
        )

    def test_held_removals_are_told_until_somebody_agrees(
        self, works: Works, vendor: Vendor
    ) -> None:
        linked = works.connection(
            works.link_by_token(vendor.token("dana-full"), capabilities=["repositories-read"])
        )
        works.sync(linked, "acme")
        vendor.order("/repositories", workspace="acme", count=100)
        run = works.sync(linked, "acme")

        assert run.state == SyncRun.State.QUARANTINED
        [notice] = told(works, told_kinds.QUARANTINED)
        assert notice.title == "Acme code: 140 of 240 rows seem to be gone"
        with works.inside():
            sync.accept_shrink(
                actor=works.alice, run=SyncRun.objects.select_related("connection").get(id=run.id)
            )
        assert told(works, told_kinds.QUARANTINED)[0].resolved_at is not None


class TestAVendorInTrouble:
    def test_nobody_is_mailed_about_one_connection_while_the_breaker_is_open(
        self, works: Works
    ) -> None:
        connection = make(works)
        with (
            roles.using_role("worker"),
            tenancy.acting_for(tenancy.PLATFORM),
            tenancy.transaction(),
        ):
            breaker = Breaker.objects.create(
                connector="bitbucket-cloud", host="bitbucket.org", rate=1, normal_rate=1,
                state="open", opened_at=clock.now(),
            )  # fmt: skip
        with works.inside():
            telling.needs_link(connection)
        wait(works)
        wait(works, minutes=30)
        assert mail.outbox == []
        assert [one.is_open for one in told(works, told_kinds.NEEDS_LINK)] == [True]

        with (
            roles.using_role("worker"),
            tenancy.acting_for(tenancy.PLATFORM),
            tenancy.transaction(),
        ):
            Breaker.objects.filter(id=breaker.id).update(state="closed")
        wait(works, minutes=2)
        assert len(mail.outbox) == 2

    def test_operators_are_told_on_the_platform_and_by_mail(self, works: Works) -> None:
        User.objects.create_user("olga@portal.example", None, name="Olga", is_operator=True)
        with (
            roles.using_role("worker"),
            tenancy.acting_for(tenancy.PLATFORM),
            tenancy.transaction(),
        ):
            breaker = Breaker.objects.create(
                connector="bitbucket-cloud", host="bitbucket.org", rate=1, normal_rate=1
            )
            telling.provider_storm(breaker)
        wait(works)

        assert [(m.to, m.subject) for m in mail.outbox] == [
            (
                ["olga@portal.example"],
                "The breaker of bitbucket-cloud at bitbucket.org is open · Platform",
            )
        ]
        assert "/platform/notices/settings/" in mail.outbox[0].body
