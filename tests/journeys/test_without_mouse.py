"""The main journey by keyboard alone, and in a browser that runs no script."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.journeys import walks
from tests.journeys.windows import (
    Person,
    Windows,
    found_organization,
    sign_up,
)

FURTHEST = 120
HERE = """() => {
  const it = document.activeElement, style = getComputedStyle(it);
  const label = it.labels?.[0]?.innerText || it.getAttribute("aria-label") || it.innerText || "";
  return {
    name: [label, it.value || ""].join(" ").replace(/\\s+/g, " ").trim(),
    kind: it.type || it.tagName.toLowerCase(),
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  };
}"""


def test_by_keyboard_alone(windows: Windows) -> None:
    kim = windows.stranger()
    sign_up(kim, "Kim Keys")
    kim.open("/organizations/")
    to(kim, "Name of the organization")
    kim.page.keyboard.type("Keyboard & Co")
    kim.page.keyboard.press("Enter")
    kim.home = kim.wait_at("/o/[^/]+/$")

    enter(kim, "Open the catalogue")
    kim.wait_at("/catalogue/$")
    enter(kim, "Bitbucket Cloud")
    kim.wait_at("/bitbucket-cloud/$")
    enter(kim, "Link it")
    kim.wait_at("/what$")
    to(kim, "Read projects")
    kim.page.keyboard.press("Space")
    expect(kim.page.locator("#scopes")).to_contain_text("Projects: Read")
    enter(kim, "Go on")
    kim.wait_at("/how$")
    enter(kim, "Choose Sign in to Bitbucket")
    kim.wait_at("/consent")
    enter(kim, "Go to Bitbucket Cloud")
    kim.wait_at("/site/oauth2/authorize")
    enter(kim, "Grant access", ours=False)
    walks.arrived(kim)
    expect(kim.page.locator("input[name=workspaces]").first).to_be_visible()
    enter(kim, "Read these")
    kim.wait_at("/sync$")
    walks.wait_synced(kim, kim.page.url.removesuffix("sync"))
    enter(kim, "Repositories")
    kim.wait_at("/repositories$")
    kim.reads("repositories", "acme/")


def to(person: Person, name: str, *, ours: bool = True) -> None:
    """Tab until this has the focus; on our pages each stop on the way shows that it has it."""
    for _ in range(FURTHEST):
        person.page.keyboard.press("Tab")
        here = person.page.evaluate(HERE)
        assert here["seen"] or not ours, f"the focus on {here} of {person.page.url} is not seen"
        if here["name"].startswith(name):
            return
    raise AssertionError(f"{name} of {person.page.url} is out of the keyboard's reach")


def enter(person: Person, name: str, *, ours: bool = True) -> None:
    to(person, name, ours=ours)
    person.page.keyboard.press("Enter")


def test_F17_without_script(windows: Windows) -> None:
    nia = windows.stranger(java_script_enabled=False)
    sign_up(nia, "Nia Noscript")
    found_organization(nia, "Plain pages")
    walks.begin_link(nia)
    nia.page.go_back()
    nia.page.get_by_label("Read projects").check()
    nia.press("Show scopes")
    nia.reads("Projects: Read")
    nia.press("Go on")
    nia.follow("Choose Sign in to Bitbucket")
    walks.name_it(nia, "Without script")
    nia.press("Go to Bitbucket Cloud")
    walks.consent(nia, "dana")
    connection = walks.arrived(nia)
    walks.choose_workspaces(nia, connection, "fjord-lab")
    walks.wait_synced(nia, connection)

    nia.follow("Repositories")
    nia.reads("50 of 60 repositories")
    nia.page.get_by_role("searchbox").fill("web")
    nia.page.keyboard.press("Enter")
    nia.wait_at("q=web")
    nia.follow("Size")
    nia.wait_at("sort=size")
    nia.open(connection + "settings")
    nia.press("Pause")
    nia.reads("Paused. Nothing is asked of the vendor")
