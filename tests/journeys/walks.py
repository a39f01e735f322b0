"""The ways through the portal that several stories take."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, cast
from urllib.request import Request, urlopen

from playwright.sync_api import expect

from tests.journeys.windows import PATIENCE_SECONDS, Person, until
from tests.live import LivePortal

CATALOGUE = "catalogue/bitbucket-cloud/"


def begin_link(person: Person, *capabilities: str) -> None:
    """At the second step: how to link, with these ticked beside the least."""
    person.open(CATALOGUE)
    person.press("Link it")
    person.wait_at("/what$")
    for title in capabilities:
        person.page.get_by_label(re.compile(f"^{title}")).check()
    person.press("Go on")
    person.wait_at("/how$")


def consent(person: Person, user: str, decision: str = "Grant access") -> None:
    """Decide at the sandbox's page, as this person there."""
    person.wait_at("/site/oauth2/authorize")
    person.page.locator(f"input[name=user][value={user}]").check()
    person.press(decision)


def link_by_secret(
    person: Person, way: str, name: str, secret: str, *, team: str = "", **fields: str
) -> None:
    """The form of this way is sent; a worker looks at it."""
    person.follow(f"Choose {way}")
    name_it(person, name, team)
    for field, text in fields.items():
        person.page.locator(f"input[name={field}]").fill(text)
    person.page.locator("input[name=token]").fill(secret)
    person.press("Link")


def name_it(person: Person, name: str, team: str = "") -> None:
    person.fill("Name of the connection", name)
    if team:
        person.page.get_by_label("For whom").select_option(label=team)


def arrived(person: Person) -> str:
    """The address of the connection, once the worker has made it."""
    url = person.wait_at("/connections/[^/]+/(workspaces|verification)$")
    return url.rpartition("/")[0] + "/"


def choose_workspaces(person: Person, connection: str, *slugs: str) -> None:
    """Exactly these are ticked, and a sync is under way."""
    person.open(connection + "workspaces")
    boxes = person.page.locator("input[name=workspaces]")
    expect(boxes.first).to_be_visible(timeout=PATIENCE_SECONDS * 1000)
    for box in boxes.all():
        words = box.locator("xpath=..").locator(".choice__help").inner_text()
        box.set_checked(words.split(" ")[0] in slugs)
    person.page.get_by_role("button", name=re.compile("^(Read these|Save and read)")).click()
    person.wait_at("/sync$")


def wait_synced(person: Person, connection: str) -> None:
    """The sync's page says by itself that it is over."""
    if not person.page.url.endswith("/sync"):
        person.open(connection + "sync")
    heading = person.page.get_by_role("heading", name="Last sync")
    expect(heading).to_be_visible(timeout=PATIENCE_SECONDS * 1000)


def reloads_until(person: Person, words: str | re.Pattern[str]) -> None:
    """Load the page again until a worker has done what it is to say."""
    main = person.page.locator("main")
    pattern = re.compile(re.escape(words)) if isinstance(words, str) else words
    try:
        until(lambda: person.page.reload() and pattern.search(main.inner_text()))
    except AssertionError as late:
        raise AssertionError(f"{words} is not said by: {main.inner_text()}") from late


def make_team(person: Person, name: str) -> None:
    person.open("teams/")
    person.fill("Name of the team", name)
    person.page.locator("main form").get_by_role("button", name=re.compile("eam")).click()
    person.reads(name)


# ── The vendor's side ─────────────────────────────────────────────────────────────────────────


def sandbox_state(portal: LivePortal) -> dict[str, Any]:
    return cast(dict[str, Any], portal.ask("/state"))


def token(portal: LivePortal, name: str) -> str:
    """The sandbox's token of this name ("dana-full")."""
    known = sandbox_state(portal)["tokens"]
    return str(next(each["token"] for each in known if each["about"].startswith(f"{name}:")))


def at_atlassian(portal: LivePortal, kind: str, name: str) -> dict[str, Any]:
    """The token, client or app of this name at Atlassian's sandbox."""
    known = sandbox_state(portal)["vendors"]["atlassian"][kind]
    return next(dict(each) for each in known if each["name"] == name)


def requests(portal: LivePortal) -> list[dict[str, Any]]:
    found: Any = portal.ask("/requests")
    return list(found["requests"] if isinstance(found, dict) else found)


def consumer(portal: LivePortal, name: str) -> dict[str, Any]:
    """The sandbox's OAuth consumer of this name, with key and secret."""
    known = sandbox_state(portal)["consumers"]
    return next(dict(each) for each in known if each["name"] == name)


NARROW = ("read:user:bitbucket", "read:workspace:bitbucket", "read:repository:bitbucket")


def make_token(portal: LivePortal, user: str, *scopes: str) -> str:
    """A new API token of this person at the vendor."""
    wish = {"kind": "api_token", "user": user, "scopes": list(scopes), "expires_in_days": 90}
    made: Any = portal.order("/tokens", **wish)
    return str(made["token"])


def listed(portal: LivePortal, *workspaces: str) -> list[dict[str, Any]]:
    """The repositories of these workspaces as the vendor lists them to Dana."""
    return [each for workspace in workspaces for each in _pages(portal, workspace)]


def _pages(portal: LivePortal, workspace: str) -> Iterator[dict[str, Any]]:
    secret = base64.b64encode(f"dana@acme.example:{token(portal, 'dana-full')}".encode()).decode()
    url: str | None = f"{portal.sandbox_url}/2.0/repositories/{workspace}?pagelen=100"
    while url:
        with urlopen(Request(url, headers={"Authorization": f"Basic {secret}"})) as answer:
            body = json.load(answer)
        yield from body["values"]
        url = body.get("next")
