"""Items that cannot be read: named among the others, old but kept, and no end to removals."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from connections.models import Connection, Repository, SyncFailure
from tests.connections.pages import base_of, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

FJORD = "GET /2.0/repositories/fjord-lab"
COUNT = 60  # every second one of a page is what a lie is told about


@pytest.fixture
def connection(works: Works, vendor: Vendor) -> Connection:
    """Read once, while every item could be."""
    token = vendor.token("dana-full")
    made = works.connection(works.link_by_token(token, capabilities=["repositories-read"]))
    assert works.sync(made, "fjord-lab").state == "done"
    return made


def lying(works: Works, vendor: Vendor, connection: Connection, lie: str, **fault: object) -> str:
    """The sync tab after a sync that was lied to."""
    vendor.order("/faults", match=FJORD, kind="body", lie=lie, **fault)
    assert works.sync(connection, "fjord-lab").state == "partial"
    return text(signed_in(works.alice).get(base_of(connection) + "sync"))


def present(works: Works) -> int:
    with works.inside():
        return Repository.objects.filter(gone_at=None).count()


def test_what_failed_alone_is_in_trouble_until_it_is_read_again(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    lying(works, vendor, connection, "null_name")
    alice, troubled = signed_in(works.alice), base_of(connection) + "repositories?state=trouble"

    assert "One item could not be read" in text(alice.get(troubled))
    with works.inside():
        assert Repository.objects.filter(last_error="unreadable").count() == COUNT // 2

    works.sync(connection, "fjord-lab")
    assert "Nothing fits" in text(alice.get(troubled))


def test_what_is_deleted_goes_although_others_cannot_be_read(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    vendor.order("/repositories", workspace="fjord-lab", count=COUNT - 5)
    page = lying(works, vendor, connection, "null_name")

    assert present(works) == COUNT - 5
    assert "Nothing is removed" not in page


def test_nothing_goes_while_nobody_knows_which_could_not_be_read(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    vendor.order("/repositories", workspace="fjord-lab", count=COUNT - 5)
    page = lying(works, vendor, connection, "no_uuid")

    assert present(works) == COUNT
    assert "Nothing is removed while items cannot be read" in page


def test_a_failure_tells_since_when(works: Works, vendor: Vendor, connection: Connection) -> None:
    lying(works, vendor, connection, "null_name", times=None)
    with works.inside():
        SyncFailure.objects.update(at=timezone.now() - timedelta(hours=7))
    page = lying(works, vendor, connection, "null_name", times=None)

    assert page.count("7 hours ago") == COUNT // 2
