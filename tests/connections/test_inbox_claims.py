"""Who has which deliveries in hand: nobody twice, nobody for ever, and no more than fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from connections.flows import applying, inbox_claims
from connections.flows.inbox_claims import FRESH, PICK, TRIED, Batch
from connections.flows.meanings import Outcome, Row
from connections.models import Delivery, DeliveryClaim
from connections.queries.deliveries import DeliveryWish, delivery_list
from portal import clock, roles, tenancy
from tests import ingesting
from tests.connections.hook_line import posted
from tests.ingesting import Sender
from tests.servers import Servers
from tests.works import Works

APPLIED = Outcome("applied", effect={"says": "done"})
LAPSED = timedelta(days=1)


@pytest.fixture
def vendor(works: Works) -> Sender:
    made = ingesting.sender(works)
    for number in range(3):
        body = b'{"number": %d, "padding": "%s"}' % (number, b"x" * 60)
        assert posted(made.path, made.headers(body, x_event_key="issue:created"), body) == 202
    return made


@contextmanager
def worker(vendor: Sender) -> Iterator[None]:
    with roles.using_role("worker"), tenancy.acting_for(vendor.organization), tenancy.transaction():
        yield


def picked(which: str = FRESH, most: int = 100) -> list[Row]:
    with roles.connection().cursor() as cursor:
        cursor.execute(PICK.format(which=which), inbox_claims.wish(most))
        return [Row(*each) for each in cursor.fetchall()]


def taken(vendor: Sender, which: str = FRESH) -> Batch:
    with worker(vendor):
        return inbox_claims.take(picked(which), which, inbox_claims.until())


def test_what_one_has_in_hand_nobody_else_takes(vendor: Sender) -> None:
    """Also who picked the same rows a moment before the first one's claim was there."""
    with worker(vendor):
        rows = picked()
    first = taken(vendor)
    assert [row.attempts for row in first.rows] == [1, 1, 1]
    with worker(vendor):
        assert picked() == []
        assert inbox_claims.take(rows, FRESH, inbox_claims.until()).rows == []
        assert DeliveryClaim.objects.count() == 1


def test_who_died_leaves_an_attempt_that_counts_and_each_goes_alone(vendor: Sender) -> None:
    taken(vendor)
    with clock.shifted(LAPSED), worker(vendor):
        inbox_claims.give_back_ended()
        assert picked() == []
    assert [one.attempts for one in vendor.deliveries()] == [1, 1, 1]

    with clock.shifted(LAPSED):
        again = taken(vendor, TRIED)
    assert [row.attempts for row in again.rows] == [2, 2, 2]
    assert [one.attempts for one in vendor.deliveries()] == [2, 2, 2]
    with clock.shifted(2 * LAPSED), worker(vendor):
        inbox_claims.give_back_ended()  # counted as it was claimed: not a second time
    assert [one.attempts for one in vendor.deliveries()] == [2, 2, 2]


def test_who_was_too_slow_settles_nothing(vendor: Sender) -> None:
    slow = taken(vendor)
    with clock.shifted(LAPSED), worker(vendor):
        inbox_claims.give_back_ended()
    with worker(vendor):
        applying.write(slow.id, [(row, APPLIED) for row in slow.rows])
    assert {one.state for one in vendor.deliveries()} == {"new"}


def test_who_settles_has_nothing_in_hand_any_more(vendor: Sender) -> None:
    batch = taken(vendor)
    with worker(vendor):
        applying.write(batch.id, [(row, APPLIED) for row in batch.rows])
        assert not DeliveryClaim.objects.exists()
    assert [(one.state, one.attempts) for one in vendor.deliveries()] == [("applied", 1)] * 3


def test_a_batch_holds_so_many_bytes_of_bodies_and_one_at_least(
    vendor: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most, count in ((1, 1), (100, 2), (1000, 3)):
        monkeypatch.setattr(inbox_claims, "MOST_BYTES", most)
        with worker(vendor):
            assert len(picked()) == count


# ── At a size ─────────────────────────────────────────────────────────────────────────────────

_MANY = """
INSERT INTO connections_delivery (id, organization_id, endpoint_id, connection_id, received_at,
       sender_id, dedupe, content_hash, possible_replay, conflict, event_key, headers, body, size,
       state, attempts, next_at, error, error_detail, effect)
SELECT gen_random_uuid(), %(organization)s, %(endpoint)s, %(connection)s,
       now() - n * interval '1 minute', '', uuid_send(gen_random_uuid()), '\\x00', n %% 1000 = 0,
       false, 'repo:push', '{}', NULL, 10,
       CASE WHEN n %% 2 = 0 THEN 'applied' ELSE 'new' END, 0, now(), '', '', '{}'
  FROM generate_series(1, 4000) AS n
"""


def test_each_question_about_many_deliveries_has_its_index(
    vendor: Sender, servers: Servers
) -> None:
    facts: dict[str, Any] = {
        "organization": vendor.organization.id,
        "endpoint": vendor.endpoint.id,
        "connection": vendor.connection.id,
    }
    with servers.postgres.connect(connections["default"].settings_dict["NAME"]) as admin:
        assert "delivery_by_content" in planned(admin)  # already while there is next to nothing
        admin.execute(_MANY, facts)
        admin.execute("ANALYZE connections_delivery")
        same = planned(admin)
        assert "delivery_by_content" in same and "received_at >" in same.split("Index Cond")[1]
    wishes = {
        "delivery_by_event": DeliveryWish(event="repo:fork"),
        "delivery_by_outcome": DeliveryWish(state="discarded"),
        "delivery_foreign": DeliveryWish(state="foreign"),
        "delivery_replays": DeliveryWish(state="replayed"),
    }
    with vendor.works.inside(vendor.organization):
        for index, wish in wishes.items():
            with CaptureQueriesContext(roles.connection()) as asked:
                delivery_list(connection=vendor.connection, wish=wish, cursor="")
            (page,) = (one["sql"] for one in asked if "ORDER BY" in one["sql"])
            assert index in explained(page), page
    with worker(vendor):
        assert "delivery_again" in explained(PICK.format(which=TRIED), inbox_claims.wish(1))
        bodies = Delivery.objects.filter(connection_id=vendor.connection.id, body__isnull=False)
        old = bodies.filter(received_at__lt=clock.now()).order_by("received_at")
        assert "delivery_with_body" in old[:1000].explain()


_SAME = """
SELECT FROM connections_delivery WHERE endpoint_id = gen_random_uuid() AND content_hash = '\\x00'
   AND received_at > now() + interval '1 day'
"""


def planned(admin: psycopg.Connection) -> str:
    """How the function that stores a delivery looks for its like: no fence of rows is on it."""
    return "\n".join(line for (line,) in admin.execute("EXPLAIN " + _SAME).fetchall())


def explained(statement: str, values: dict[str, Any] | None = None) -> str:
    with roles.connection().cursor() as cursor:
        cursor.execute("EXPLAIN " + statement, values)
        return "\n".join(line for (line,) in cursor.fetchall())
