"""Two connections are joined in the browser: what is pushed at one is shown at the other."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.journeys import walks
from tests.journeys.looks import faults
from tests.journeys.windows import (
    PATIENCE_SECONDS,
    Person,
    Windows,
    found_organization,
    sign_up,
)
from tests.live import LivePortal
from tests.prove.ways_behind import begin

SPACE, KEY = "dana-levi", "PAY-1"


@pytest.fixture(scope="module")
def lina(windows: Windows, portal: LivePortal) -> Person:
    """She manages Dana's code and the issues of the site acme, in an organization of her own."""
    lina = windows.stranger()
    sign_up(lina, "Lina Links")
    found_organization(lina, "Linked")
    walks.begin_link(lina, "Read pull requests")
    secret = walks.token(portal, "dana-full")
    walks.link_by_secret(lina, "API token", "Code", secret, email="dana@acme.example")
    code = walks.arrived(lina)
    walks.choose_workspaces(lina, code, SPACE)
    walks.wait_synced(lina, code)
    client = walks.at_atlassian(portal, "site_credentials", "acme-site")
    begin(lina, "jira", "site-credentials", ("relay-development",))
    lina.follow("Choose The site's OAuth credentials")
    walks.name_it(lina, "Issues")
    lina.fill("Site", "acme")
    lina.fill("Client ID", client["client_id"])
    lina.page.locator("input[name=token]").fill(client["secret"])
    lina.press("Link")
    walks.arrived(lina)
    return lina


def test_two_connections_are_joined_step_by_step(lina: Person, portal: LivePortal) -> None:
    lina.open("links/")
    lina.reads("A link joins two connections")
    found = faults(lina, "links, none yet")
    lina.follow("Join two connections")
    found += faults(lina, "from and to")
    lina.page.get_by_role("radio", name=re.compile("^Code")).check()
    lina.page.get_by_role("radio", name=re.compile("Issues")).check()
    lina.press("Go on")
    lina.wait_at("/repositories$")
    lina.page.get_by_label("Repositories whose name fits a pattern").check()
    lina.page.get_by_label("Pattern", exact=False).last.fill(f"{SPACE}/*")
    expect(lina.page.locator("#matches")).to_contain_text("3 of 3 repositories")
    found += faults(lina, "repositories")
    lina.press("Go on")
    lina.wait_at("/options$")
    found += faults(lina, "what travels")
    lina.press("Go on")
    lina.wait_at("/look$")
    found += faults(lina, "look first")
    lina.follow("Go on")
    lina.wait_at("/start$")
    expect(lina.page.locator("#doubles")).to_contain_text(
        "Nothing else was found", timeout=PATIENCE_SECONDS * 1000
    )
    lina.page.get_by_label("Everything that was read").check()
    expect(lina.page.locator("#estimate")).to_contain_text("event")
    found += faults(lina, "start")
    lina.press("Start it")
    lina.reads("It has begun")

    assert not found


def test_what_is_pushed_is_in_the_log(lina: Person, portal: LivePortal) -> None:
    here = lina.page.url
    slug = str(walks.listed(portal, SPACE)[0]["slug"])
    order = {"workspace": SPACE, "repository": slug, "branch": "main"}
    portal.order("/push", **order, commits=[f"{KEY} Pay once"])
    lina.open("connections/")
    lina.follow("Code")
    lina.page.get_by_text("More", exact=True).click()
    lina.send("Sync now")
    lina.open(f"{here}log")
    lina.sees("Taken")
    found = faults(lina, "log")
    shown = portal.ask(f"/atlassian/panel?site=acme&issue={KEY}")
    assert "Pay once" in str(shown)
    for tab in ("", "outbox", "outbox?part=sent", "settings", "repositories", "options"):
        lina.open(here + tab)
        found += faults(lina, tab)
    lina.open("links/")

    assert not found + faults(lina, "links")
    lina.open(here)


def test_a_link_is_removed_with_what_it_wrote(lina: Person, portal: LivePortal) -> None:
    here = lina.page.url
    lina.open(f"{here}settings")
    lina.fill("Type Code to Issues to confirm", "Code to Issues")
    lina.press("Remove it")
    lina.sees("was taken back at Jira")
    assert not faults(lina, "removed")
    assert "Pay once" not in str(portal.ask(f"/atlassian/panel?site=acme&issue={KEY}"))
