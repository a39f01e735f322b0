"""Deliveries that arrive at one moment share a transaction, and each has its own answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from uuid import uuid4

import pytest

from connections.models import Delivery
from connections.receiving import handover
from connections.receiving.database import Away
from connections.receiving.storing import Arrival, Kept, Storing
from portal import roles, tenancy
from tests import ingesting
from tests.ingesting import Sender
from tests.works import Works

Said = tuple[Kept, bool]


@pytest.fixture
def vendor(works: Works) -> Sender:
    return ingesting.sender(works)


def arrival(vendor: Sender, body: bytes, name: str = "", **headers: str) -> Arrival:
    here, endpoint = vendor.organization.id, vendor.endpoint.id
    return Arrival(here, endpoint, name or str(uuid4()), "repo:push", "1", headers, body)


@contextmanager
def held_up(vendor: Sender) -> Iterator[None]:
    """No delivery of this organization is stored until the end: a worker takes the inbox over."""
    with tenancy.acting_for(vendor.organization), tenancy.transaction():
        with roles.connection().cursor() as cursor:
            words = [handover.LOCK, str(vendor.organization.id)]
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", words)
        yield


def stored(vendor: Sender, arrivals: list[Arrival]) -> list[Future[Said]]:
    """What became of each: the first one is under way when the others arrive."""
    with roles.using_role("ingest"):
        storing = Storing()
    with closing(storing), ThreadPoolExecutor(len(arrivals)) as threads, held_up(vendor):
        answers = [threads.submit(storing.store, arrivals[0], "r")]
        time.sleep(0.2)  # until it is at the database
        answers += [threads.submit(storing.store, one, "r") for one in arrivals[1:]]
        time.sleep(0.2)  # until they stand behind it
        return answers


def transactions(vendor: Sender) -> int:
    with vendor.works.inside():
        return len(set(Delivery.objects.extra(select={"by": "xmin::text"}).values_list("by")))


def test_they_share_a_transaction_and_hear_of_their_own(works: Works, vendor: Sender) -> None:
    twice = str(uuid4())
    bodies = [(b"1", ""), (b"2", twice), (b"3", ""), (b"2", twice), (b"4", twice)]

    said = [one.result() for one in stored(vendor, [arrival(vendor, *one) for one in bodies])]

    assert sorted(verdict for verdict, _ in said) == sorted(
        [Kept.STORED, Kept.STORED, Kept.STORED, Kept.DUPLICATE, Kept.CONFLICT]
    )
    assert sum(is_first for _, is_first in said) == 1
    assert sorted(bytes(one.body) for one in vendor.deliveries()) == [b"1", b"2", b"3", b"4"]
    assert transactions(vendor) == 2


def test_what_the_database_declines_takes_nothing_else_along(works: Works, vendor: Sender) -> None:
    good = [arrival(vendor, b"%d" % number) for number in range(4)]
    bad = arrival(vendor, b"bad", user_agent="\x00")  # which jsonb does not take

    first, *others, declined = stored(vendor, [*good, bad])

    assert {one.result()[0] for one in (first, *others)} == {Kept.STORED}
    with pytest.raises(Away):
        declined.result()
    assert sorted(bytes(one.body) for one in vendor.deliveries()) == [b"0", b"1", b"2", b"3"]
