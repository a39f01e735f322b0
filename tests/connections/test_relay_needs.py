"""A link that needs somebody has a line of its own on the first page, with what mends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connections.models import Connection, Workspace
from connections.queries.needs import Need
from connections.queries.overview import overview
from portal import clock
from portal.policy import Role
from tests.connections import joining
from tests.connections.joining import attempt, item, joined
from tests.connections.pages import signed_in, text
from tests.works import Works

LONG_AGO = timedelta(hours=7)


@pytest.fixture
def source(works: Works) -> Connection:
    return joining.code(works)


@pytest.fixture
def place(works: Works) -> Workspace:
    return joining.target(works)


def needs(works: Works) -> list[Need]:
    with works.inside():
        found = overview(slug="acme", actor=works.alice).needs
    return [need for need in found if need.name == "Code to issues"]


def test_a_link_that_works_is_not_there(works: Works, source: Connection, place: Workspace) -> None:
    link = joined(works, source, place)
    attempt(works, link)
    attempt(works, link, accepted=0, unknown_subjects=["UTF-8"])

    assert needs(works) == []


def test_what_failed_for_good_leads_to_the_decision(
    works: Works, source: Connection, place: Workspace
) -> None:
    link = joined(works, source, place)
    for _ in range(2):
        item(works, link, state="dead", error="refused")
    [need] = needs(works)

    assert need.title == "2 events failed for good" and need.button == "Decide"
    assert need.button_url == f"/o/acme/links/{link.id}/outbox?part=dead"
    page = text(signed_in(works.alice).get("/o/acme/"))
    assert "Code to issues" in page and "2 events failed for good" in page
    mel = text(signed_in(works.person("mel@acme.example", "Mel", Role.MEMBER)).get("/o/acme/"))
    assert "2 events failed for good" in mel and "Decide" not in mel


@pytest.mark.parametrize(
    ("code", "ago", "said"),
    [
        ("unavailable", timedelta(minutes=5), ""),
        ("unavailable", LONG_AGO, "Nothing arrives: Jira is not answering"),
        ("scope_missing", timedelta(minutes=5), "Nothing arrives: A permission is missing"),
    ],
)
def test_a_target_that_takes_nothing_is_named_once_somebody_has_to_know(
    works: Works, source: Connection, place: Workspace, code: str, ago: timedelta, said: str
) -> None:
    joined(works, source, place, failing_since=clock.now() - ago, last_error=code)
    found = needs(works)

    assert [need.title for need in found] == ([said] if said else [])
    if code == "scope_missing":
        assert found[0].state == "broken"
        assert found[0].button_url == f"/o/acme/connections/{place.connection_id}/"


def test_a_connection_that_is_in_trouble_speaks_for_its_links(
    works: Works, source: Connection, place: Workspace
) -> None:
    link = joined(works, source, place)
    item(works, link, state="dead", error="refused")
    with works.inside():
        rows = Connection.objects.filter(id=place.connection_id)
        rows.update(state="needs_reauthorization")

    assert needs(works) == []


def test_a_target_that_knows_nothing_of_all_that_is_sent_is_looked_into(
    works: Works, source: Connection, place: Workspace
) -> None:
    attempt(works, joined(works, source, place), accepted=0, unknown_subjects=["NOPE-1"])
    [need] = needs(works)

    assert need.title == "Jira shows nothing of what was sent within a day"
    assert need.button_url.endswith("/log")


@pytest.mark.parametrize(("sent", "is_told"), [(None, True), (timedelta(minutes=1), False)])
def test_a_back_fill_that_stands_still_is_told_of(
    works: Works, source: Connection, place: Workspace, sent: Any, is_told: bool
) -> None:
    joined(
        works, source, place, backfill_stand="sending", backfill_total=900, backfill_done=300,
        backfill_began_at=clock.now() - LONG_AGO,
        last_sent_at=clock.now() - sent if sent else None,
    )  # fmt: skip

    titles = [need.title for need in needs(works)]
    assert titles == (["A back-fill stands still at 300 of 900"] if is_told else [])
