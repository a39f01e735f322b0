"""Until when a pasted secret is good is a person's word: at linking, at replacing, and later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connections.flows import consumers, expiry, told_ends, told_kinds
from connections.flows.problems import FlowProblem
from connections.models import Connection, ConnectLink, PendingLink
from portal import roles
from portal.models import AuditEvent, Notice
from portal.policy import Role
from portal.secret import Secret
from tests import scenes
from tests.connections.test_connect_links import again, opened, page_of, sent
from tests.connections.test_replacement import DANA, another, hand_in, in_use, linked
from tests.connections.ways import link_by_consent
from tests.vendor import Vendor
from tests.works import Works

connection = scenes.begun(linked)


def in_days(count: int) -> str:
    return str((timezone.now() + timedelta(days=count)).date())


def midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def test_who_links_by_a_connect_link_says_it(works: Works, vendor: Vendor) -> None:
    made, day = sent(works, works.admin), in_days(60)
    browser = opened(made)
    page = browser.post(page_of(made, "begin"), {"method": "api-token"})["Location"]
    given = {**DANA, "token": vendor.token("dana-full")}
    refused = browser.post(page, given | {"ends_on": "yesterday"}).content.decode()
    assert "Write the day like" in refused

    browser.post(page, given | {"ends_on": day})
    works.drain()

    with works.inside():
        link = ConnectLink.objects.select_related("connection").get(id=made.link.id)
    assert in_use(works, link.connection).expires_at == midnight(day)


def test_a_guest_links_again_with_the_connections_own_consumer(
    works: Works, vendor: Vendor
) -> None:
    with works.inside():
        consumers.create(
            actor=works.admin,
            connector="bitbucket-cloud",
            name="AAA first in the list",
            client_id="other-client",
            secret=Secret("x" * 20),
        )
    connection = works.connection(link_by_consent(works, vendor))
    made = again(works, works.admin, connection)
    browser = opened(made)
    browser.post(page_of(made, "begin"), {"method": "oauth"})
    browser.post(page_of(made, "consent?method=oauth"), {"go": "1"})

    with works.inside():
        pending = PendingLink.objects.get(connect_link_id=made.link.id)
    assert pending.consumer_id == connection.consumer_id


def test_a_replacement_says_it_and_people_are_warned(works: Works, vendor: Vendor) -> None:
    connection, day = linked(works, vendor), in_days(20)
    one = hand_in(works, connection, another(vendor), **DANA, ends_on=day)

    assert one.found["expires_at"] == midnight(day).isoformat()


def test_it_can_be_said_later_and_taken_back(works: Works, vendor: Vendor) -> None:
    connection, day = linked(works, vendor), in_days(5)
    assert in_use(works, connection).expires_at is None

    with works.inside():
        told_ends.tell(actor=works.alice, connection=connection, ends_on=day)
    with roles.using_role("worker"):
        expiry.warn_everybody()

    assert in_use(works, connection).expires_at == midnight(day)
    with works.inside():
        assert Notice.objects.filter(kind=told_kinds.EXPIRES, resolved_at=None).count() == 1
        assert AuditEvent.objects.filter(action="credential.end_told").count() == 1
        told_ends.tell(actor=works.alice, connection=connection, ends_on="")
    assert in_use(works, connection).expires_at is None


@pytest.mark.parametrize("day", ["2020-01-01", "9999-12-31", "soon"])
def test_a_day_that_cannot_be_is_refused(day: str, works: Works, connection: Connection) -> None:
    with works.inside(), pytest.raises(FlowProblem) as problem:
        told_ends.tell(actor=works.alice, connection=connection, ends_on=day)
    assert problem.value.field == "ends_on"


def test_nobody_says_it_of_what_renews_itself(works: Works, vendor: Vendor) -> None:
    connection = works.connection(link_by_consent(works, vendor))
    with works.inside(), pytest.raises(FlowProblem):
        told_ends.tell(actor=works.alice, connection=connection, ends_on=in_days(9))


def test_only_who_mends_says_it(works: Works, connection: Connection) -> None:
    reader = works.person("rita@acme.example", "Rita", Role.AUDITOR)
    with works.inside(), pytest.raises(PermissionDenied):
        told_ends.tell(actor=reader, connection=connection, ends_on=in_days(9))
