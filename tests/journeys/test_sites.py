"""A site is linked in the browser by one way of each kind, replaced, linked again and revoked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.journeys import walks
from tests.journeys.looks import faults
from tests.journeys.windows import Person, Windows, found_organization, sign_up
from tests.live import LivePortal

PANEL = "Write the development panel"


@pytest.fixture(scope="module")
def sia(windows: Windows) -> Person:
    """Signed up, with an organization of her own and a team for each further connection."""
    sia = windows.stranger()
    sign_up(sia, "Sia Sites")
    found_organization(sia, "Sites")
    for team in ("Panel", "Links"):
        walks.make_team(sia, team)
    return sia


def known(portal: LivePortal, kind: str, name: str) -> dict[str, Any]:
    rows = walks.sandbox_state(portal)["vendors"]["atlassian"][kind]
    return next(dict(row) for row in rows if row["name"] == name)


def begin(person: Person, *, only: tuple[str, ...] = (), product: str = "jira") -> None:
    """At the second step; with `only`, these capabilities and no others."""
    person.open(f"catalogue/{product}/")
    person.press("Link it")
    person.wait_at("/what$")
    boxes = person.page.locator("input[name=capabilities]")
    for box in boxes.all() if only else ():
        box.set_checked(box.locator("xpath=..").inner_text().startswith(only))
    if only:
        person.fill("Why it needs to change things", "Shows what happens in code on issues")
    person.press("Go on")
    person.wait_at("/how$")


def accept(person: Person, user: str, *sites: str) -> None:
    """At Atlassian's page, for these sites."""
    person.wait_at("/authorize")
    person.page.locator(f"input[name=user][value={user}]").check()
    for box in person.page.locator("input[name=sites]").all():
        box.set_checked(box.get_attribute("value") in sites)
    person.press("Accept")


def test_a_person_signs_in_for_a_site(sia: Person) -> None:
    begin(sia)
    found = faults(sia, "jira-how")
    sia.follow("Choose Sign in to Atlassian")
    walks.name_it(sia, "Issues by consent")
    sia.press("Go to Jira")
    accept(sia, "dana", "acme")

    connection = walks.arrived(sia)
    sia.open(connection + "verification")
    sia.reads("Dana Levi", "read:jira-work", "Acme Robotics")
    assert not found + faults(sia, "jira-verification")


def test_a_sites_credentials_are_exchanged_replaced_and_withdrawn(
    sia: Person, portal: LivePortal
) -> None:
    client = known(portal, "site_credentials", "acme-site")
    begin(sia, only=("See who is linked", PANEL))
    sia.follow("Choose The site's OAuth credentials")
    found = faults(sia, "jira-site-credentials")
    walks.name_it(sia, "Panel of acme", "Panel")
    sia.fill("Site", "acme")
    sia.fill("Client ID", client["client_id"])
    sia.page.locator("input[name=token]").fill(client["secret"])
    sia.press("Link")

    connection = walks.arrived(sia)
    sia.open(connection + "verification")
    sia.reads(PANEL, "builds", "deployments")
    sia.open(connection + "credential")
    assert client["secret"] not in sia.page.content()
    found += faults(sia, "jira-credential")
    sia.follow("Replace the credential")
    sia.fill("Site", "acme")
    sia.fill("Client ID", client["client_id"])
    sia.page.locator("input[name=token]").fill(client["secret"])
    sia.press("Check it")
    sia.press("Switch to the new one")
    sia.reads("The new one is in use", "Settings, Apps, OAuth credentials")
    assert not found + faults(sia, "jira-replaced")


def test_a_token_in_the_wrong_form_is_told_where_it_belongs(
    sia: Person, portal: LivePortal
) -> None:
    scoped = known(portal, "tokens", "dana-jira")
    begin(sia)
    walks.link_by_secret(
        sia, "API token without scopes", "Links of acme", scoped["token"], team="Links",
        site="acme", email=scoped["email"],
    )  # fmt: skip

    sia.wait_at("/check$")
    sia.reads("A token with scopes works at api.atlassian.com only")
    assert not faults(sia, "jira-wrong-form")


def test_a_token_is_linked_again_in_place_and_revoked(sia: Person, portal: LivePortal) -> None:
    token = known(portal, "tokens", "tomas-jira")
    begin(sia)
    fields = {"site": "acme", "email": token["email"]}
    walks.link_by_secret(
        sia, "API token with scopes", "Links of acme", token["token"], team="Links", **fields
    )
    connection = walks.arrived(sia)

    sia.open(connection + "credential")
    sia.press("Link again")
    sia.wait_at("/what$")
    sia.press("Go on")
    sia.follow("Choose API token with scopes")
    sia.page.locator("input[name=token]").fill(token["token"])
    sia.press("Link")
    assert walks.arrived(sia) == connection

    sia.open(connection + "settings")
    button = sia.page.get_by_role("button", name=re.compile("^Revoke it"))
    sia.page.locator("input[name=confirm_name]").fill("Links of acme")
    expect(button).to_be_enabled()
    button.click()
    sia.reads("Links of acme is revoked")
