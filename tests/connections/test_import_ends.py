"""How a row ends where it meets a bad value, another server, or a policy of this house."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import DateTimeField, Value
from django.db.models.functions import Cast

from connections.flows import consumers, imports, policy_settings
from connections.flows.policies import Rule
from connections.models import ImportBatch, ImportRow, Replacement
from connections.queries.imports import why_of
from portal import clock, roles
from portal.secret import Secret
from tests import importing as files
from tests.connections.test_importing import sealed
from tests.connections.ways import a_team
from tests.importing import checked, csv_of, outcomes, rows_of, started
from tests.vendor import Vendor
from tests.works import Works

State, Outcome = ImportBatch.State, ImportRow.Outcome
SERVER = "bitbucket-data-center"


@pytest.fixture(autouse=True)
def _quickly(settings: Any) -> None:
    settings.REFRESH_PER_SECOND = 10_000


def test_a_row_that_cannot_be_read_stops_no_cancel(works: Works, vendor: Vendor) -> None:
    batch = checked(works, csv_of(files.api_tokens(vendor, 2)), team_id=a_team(works))
    started(works, batch)
    with roles.using_role("worker"), works.inside():
        beyond = Cast(Value("10000-01-01T04:59:59Z"), DateTimeField())
        ImportRow.objects.filter(batch=batch, number=2).update(expires_at=beyond)
    with works.inside():
        imports.cancel(actor=works.admin, batch=batch)
    works.drain()

    with roles.using_role("worker"), works.inside():
        ImportRow.objects.update(expires_at=None)
    assert outcomes(works, batch) == {Outcome.CANCELLED: 2} and sealed(works) == (0, 0)


def test_a_refresh_token_is_sent_to_no_other_server(works: Works, vendor: Vendor) -> None:
    about = {"connector": SERVER, "name": "Server A", "client_id": "client-a"}
    with works.inside():
        consumers.create(
            actor=works.admin, secret=Secret("x" * 20), base_url="https://git-a.acme.dev", **about
        )
    works.drain()
    grant = {"connector": SERVER, "name": "Of A", "token": "ended", "refresh_token": "of-b"}
    batch = checked(works, csv_of([grant], tuple(grant)), team_id=a_team(works))
    (row,) = rows_of(works, batch)
    assert row.fields == {"base_url": "https://git-a.acme.dev"}
    with roles.using_role("worker"), works.inside():  # as a release before this one judged it
        ImportRow.objects.update(fields={"base_url": f"{vendor.url}/bitbucket"})
    started(works, batch)
    works.drain()

    (row,) = rows_of(works, batch)
    assert (row.outcome, row.code) == (Outcome.FAILED, "misconfigured")
    assert not any("token" in asked["path"] for asked in vendor.requests())


def test_what_is_replaced_in_place_obeys_the_policy_of_that_connection(
    works: Works, vendor: Vendor
) -> None:
    there = works.connection(works.link_by_token(vendor.token("dana-full")))
    dana = {"connector": files.CLOUD, "name": "Another name", "email": "dana@acme.example"}
    made = vendor.order("/tokens", kind="api_token", user="dana", scopes=files.READ)
    rows, team = [dana | {"token": made["token"]}, *files.api_tokens(vendor, 1)], a_team(works)
    with works.inside():
        policy_settings.set_own(
            actor=works.admin, connection=there, rule=Rule(forbids_personal=True)
        )
    batch = imported(works, rows, team)
    assert [(r.outcome, r.code) for r in rows_of(works, batch)] == [
        (Outcome.FAILED, "personal"),
        (Outcome.CREATED, ""),
    ]
    with works.inside():
        assert not Replacement.objects.exists()

    rows[1:] = files.api_tokens(vendor, 1)
    rows[1]["name"] = "Somebody new"
    with works.inside():
        policy_settings.set_own(actor=works.admin, connection=there, rule=Rule())
        policy_settings.set_general(actor=works.admin, rule=Rule(forbids_personal=True))
        policy_settings.except_from(
            actor=works.admin,
            connection=there,
            until=clock.now() + timedelta(days=9),
            because="They migrate us",
        )
    batch = imported(works, rows, team)
    assert [(r.level, r.outcome, r.code) for r in rows_of(works, batch)] == [
        ("warning", Outcome.REPLACED, ""),
        ("warning", Outcome.FAILED, "personal"),
    ]
    assert "rotation policy" in why_of(rows_of(works, batch)[1])


def imported(works: Works, rows: list[dict[str, str]], team: UUID) -> ImportBatch:
    """The file, imported to replace in place."""
    batch = checked(works, csv_of(rows), team_id=team, replaces=True)
    started(works, batch)
    works.drain()
    return batch
