"""What a file brings that is on its way out: app passwords by the day, grants already linked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connections.flows import imports
from connections.models import Connection, Credential, ImportBatch, ImportRow, Replacement
from portal import clock, roles, work
from tests import importing as files
from tests.connections.ways import a_team, link_by_consent, patiently
from tests.importing import CLOUD, checked, csv_of, now, rows_of, started
from tests.vendor import Vendor
from tests.works import Works

Outcome = ImportRow.Outcome
DEAD = "ATBBnoSuchPassword0001abcdEF"


@pytest.fixture(autouse=True)
def _quickly(settings: Any) -> Iterator[None]:
    settings.REFRESH_PER_SECOND = 10_000
    yield
    clock.reset()


def on(year: int, month: int, day: int) -> None:
    """The portal believes that it is this day; its vendor stays where it is."""
    clock.shift(datetime(year, month, day, 6, 5, tzinfo=UTC) - clock.now())


def of_danas(works: Works, *rows: dict[str, str], **rest: Any) -> ImportBatch:
    batch = checked(works, csv_of(rows), team_id=a_team(works), **rest)
    started(works, batch)
    return batch


def app_password(token: str, name: str = "Old") -> dict[str, str]:
    return {"connector": CLOUD, "name": name, "username": "dana", "token": token}


@pytest.mark.parametrize(
    ("day", "outcome", "tries"),
    [
        ((2026, 5, 1), Outcome.FAILED, 0),  # it is wrong: all others work
        ((2026, 6, 20), Outcome.DEAD, 9),  # perhaps right: it was asked again for an hour
        ((2026, 7, 28), Outcome.DEAD, 0),  # nobody's works, so this one says nothing
    ],
)
def test_a_refused_app_password_is_judged_by_the_day(
    works: Works, vendor: Vendor, day: tuple[int, int, int], outcome: str, tries: int
) -> None:
    on(*day)
    batch = of_danas(works, app_password(DEAD))
    patiently(works, most=12)

    (row,) = rows_of(works, batch)
    assert (row.outcome, row.attempts) == (outcome, tries)
    if outcome == Outcome.DEAD:
        assert row.connection and row.connection.state == Connection.State.NEEDS_REAUTHORIZATION


def test_a_brownout_costs_an_import_nothing_but_time(works: Works, vendor: Vendor) -> None:
    on(2026, 6, 20)
    batch = of_danas(works, app_password(vendor.token("dana-app-password")))
    with roles.using_role("worker"):
        assert work.drain(limit=2) == 2
    waiting = now(works, batch.id)
    assert (waiting.state, waiting.waits_for) == (ImportBatch.State.RUNNING, "unavailable")

    vendor.order("/switches", app_passwords_end="9999-12-31")  # the brownout is over
    works.drain()

    (row,) = rows_of(works, batch)
    assert row.outcome == Outcome.CREATED
    assert row.connection and row.connection.state == Connection.State.ACTIVE


def test_a_grant_of_the_same_account_takes_the_place_of_the_one_that_is_linked(
    works: Works, vendor: Vendor
) -> None:
    pending = link_by_consent(works, vendor)
    there = works.connection(pending)
    with works.inside():
        before = Credential.objects.get(connection_id=there.id, replaced_at=None)
    order = {"consumer": "acme-portal", "users": [there.account_id]}
    (granted,) = vendor.order("/grants", **order)["grants"]
    one = {"provider": "bitbucket", "connection_id": "dana", "credentials": {
        "type": "OAUTH2", "access_token": granted["access_token"],
        "refresh_token": granted["refresh_token"]}}  # fmt: skip
    batch = checked(works, files.json_of([one]), team_id=a_team(works), replaces=True)
    started(works, batch)
    works.drain()

    (row,) = rows_of(works, batch)
    assert (row.outcome, row.connection_id) == (Outcome.REPLACED, there.id)
    with works.inside():
        after = Connection.objects.get(id=there.id)
        used = Credential.objects.get(connection_id=there.id, replaced_at=None)
        kept = Credential.objects.get(id=before.id)
        way = Replacement.objects.get(connection_id=there.id, ended_at=None)
    assert (after.state, after.consumer_id) == (Connection.State.ACTIVE, there.consumer_id)
    assert used.id == row.credential_id and used.refreshable and used.refresh_due_at
    assert kept.replaced_at and kept.refresh_due_at is None  # nobody renews it meanwhile
    assert way.stage == Replacement.Stage.SWITCHED

    with works.inside():
        imports.undo(actor=works.admin, batch=batch)
    works.drain()
    with works.inside():
        used = Credential.objects.get(connection_id=there.id, replaced_at=None)
        assert used.id == before.id and used.refresh_due_at
    assert works.verify(there).outcome == "passed"
