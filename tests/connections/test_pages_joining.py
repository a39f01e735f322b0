"""The five steps that join two connections: what each asks, refuses and keeps."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from connections.models import Connection, Link, Workspace
from portal import clock
from tests.connections import joining
from tests.connections.joining import LINKS, joined, part_of, reloaded
from tests.connections.pages import refused, signed_in, text
from tests.works import Works

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def source(works: Works) -> Connection:
    return joining.code(works)


@pytest.fixture
def place(works: Works) -> Workspace:
    return joining.target(works)


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


def test_what_cannot_be_joined_says_why(works: Works, source: Connection, alice: Client) -> None:
    joining.target(works, name="Reader", capabilities=["projects-read"])
    joining.target(works, name="Token", method="classic-token", capabilities=["relay-links"])
    with works.inside():
        Connection.objects.filter(id=source.id).update(paused_at=clock.now())
    page = text(alice.get(f"{LINKS}new"))
    assert "It is paused." in page
    assert "Reader was linked without" in page
    assert "there is no development panel" in page


def test_five_steps_lead_to_an_active_link(
    works: Works, source: Connection, place: Workspace, alice: Client
) -> None:
    answer = alice.post(f"{LINKS}new", {"source": source.id, "destination": place.id})
    here = str(answer["Location"]).removesuffix("repositories")
    with works.inside():
        link = Link.objects.get()
    again = alice.post(f"{LINKS}new", {"source": source.id, "destination": place.id})
    assert again["Location"] == answer["Location"]  # the draft is gone on with

    chosen = {"choice": "pattern", "pattern": "acme/web-*", "includes_new": "on"}
    assert "2 of 3 repositories" in text(alice.get(f"{here}repositories/fitting", chosen))
    assert alice.post(f"{here}repositories", chosen)["Location"] == f"{here}options"
    assert part_of(works, link) == {"web-shop": True, "web-checkout": True}

    page = text(alice.get(f"{here}options"))
    assert "Development panel" in page and "Not possible with this connection" in page
    wish = {"way": "development", "options": ["commits", "branches"], "label": "Shop"}
    assert alice.post(f"{here}options", wish)["Location"] == f"{here}look"
    link = reloaded(works, link)
    assert link.label == "Shop" and link.options["commits"] and not link.options["builds"]

    page = text(alice.get(f"{here}look"))
    assert "ACME-1" in page and "no issue" in page and "switched off" in page
    assert "Of the last 8 events, 3 would travel" in page

    page = text(alice.get(f"{here}start"))
    assert "A worker looks whether" in page
    assert "event" in text(alice.get(f"{here}start/estimate", {"span": "all"}))
    assert alice.post(f"{here}start", {"span": "none"})["Location"] == here
    assert reloaded(works, link).state == "active"
    assert "Shop" in text(alice.get(here))


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"choice": "pattern", "pattern": ""}, "Write a pattern"),
        ({"choice": "pattern", "pattern": "nobody/*"}, "Not one repository fits"),
        ({"choice": "listed"}, "Tick a repository"),
        ({}, "This field is required"),
    ],
)
def test_a_choice_that_says_nothing_is_asked_for_again(
    works: Works,
    source: Connection,
    place: Workspace,
    alice: Client,
    chosen: Any,
    says: str,
) -> None:
    link = joined(works, source, place, state="draft", every=False)
    assert says in refused(alice.post(f"{LINKS}{link.id}/repositories", chosen))


def test_of_many_repositories_the_names_are_written_down(
    works: Works, place: Workspace, alice: Client
) -> None:
    source = joining.code(works, repositories=101)
    link = joined(works, source, place, state="draft", every=False)
    here = f"{LINKS}{link.id}/repositories"
    wish = {"choice": "listed", "names": "acme/api\nACME/Docs\nacme/nobody"}
    assert "Not among what was read: acme/nobody" in refused(alice.post(here, wish))
    alice.post(here, wish | {"names": "acme/api\nACME/Docs"})
    assert part_of(works, link) == {"api": True, "docs": True}


def test_a_double_is_warned_of_and_has_to_be_wanted(
    works: Works, source: Connection, place: Workspace, alice: Client
) -> None:
    found = {"doubles": [f"A webhook {HOSTILE} brings the same."], "doubles_at": clock.now()}
    link = joined(works, source, place, state="draft", **found)
    here = f"{LINKS}{link.id}/start"
    page = text(alice.get(here))
    assert "Things would be shown twice" in page and HOSTILE not in page
    assert "start it anyway" in refused(alice.post(here, {"span": "none"}))
    assert alice.post(here, {"span": "none", "doubles": "on"}).status_code == 303
    assert reloaded(works, link).state == "active"


def test_another_link_that_sends_the_same_is_a_double_too(
    works: Works, source: Connection, place: Workspace, alice: Client
) -> None:
    joined(works, source, place, label="First")
    other = joining.target(works, name="Again")
    with works.inside():
        Workspace.objects.filter(id=other.id).update(remote_id=place.remote_id)
        other.refresh_from_db()
    link = joined(works, source, other, state="draft", doubles=[], doubles_at=clock.now())
    page = text(alice.get(f"{LINKS}{link.id}/start"))
    assert "The link First sends 3 repositories of these there already" in page


def test_a_draft_is_dropped(
    works: Works, source: Connection, place: Workspace, alice: Client
) -> None:
    link = joined(works, source, place, state="draft")
    assert alice.post(f"{LINKS}{link.id}/discard")["Location"] == LINKS
    assert "No links yet" in text(alice.get(LINKS)) or "Nothing fits" in text(alice.get(LINKS))


def test_a_target_that_is_not_installed_leaves_a_readable_link(
    works: Works, source: Connection, place: Workspace, alice: Client, settings: Any
) -> None:
    link = joined(works, source, place)
    with works.inside():
        Connection.objects.filter(id=place.connection_id).update(connector="vanished")
    for path in ("", "log", "outbox", "settings"):
        assert "vanished" in text(alice.get(f"{LINKS}{link.id}/{path}"))
    answer = alice.get(f"{LINKS}{link.id}/options", follow=True)
    assert "no longer installed" in text(answer)


def test_nothing_is_offered_that_a_missing_connector_would_have_to_do(
    works: Works, source: Connection, place: Workspace, alice: Client
) -> None:
    link = joined(works, source, place)
    here = f"{LINKS}{link.id}/settings"
    assert "Send what happened before" in text(alice.get(here))
    with works.inside():
        Connection.objects.filter(id=place.connection_id).update(connector="gone")
    page = text(alice.get(here))
    assert "Send what happened before" not in page and 'value="1" disabled' in page
    assert 'value="0" checked' in page
