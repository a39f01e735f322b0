"""A credential is replaced in the browser, step by step, and each step looked at."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.journeys import walks
from tests.journeys.looks import faults
from tests.journeys.windows import Person, Windows
from tests.live import LivePortal

MORE = (*walks.NARROW, "read:pullrequest:bitbucket")


def enter(owen: Person, user: str, secret: str) -> None:
    owen.fill("Atlassian account e-mail", f"{user}@acme.example")
    owen.page.locator("input[name=token]").fill(secret)
    owen.press("Check it")


def test_a_token_is_replaced_step_by_step_and_taken_back(
    windows: Windows, portal: LivePortal, narrow: str
) -> None:
    owen = windows.signed_in("owen@acme.example", home="/o/acme/")
    owen.open(narrow + "credential")
    owen.follow("Replace the credential")
    enter(owen, "dana", walks.make_token(portal, "dana", *MORE))
    owen.reads("This belongs to another account", "Nothing has changed")
    expect(owen.page.get_by_label("Atlassian account e-mail")).to_have_value("dana@acme.example")
    found = faults(owen, "enter")

    enter(owen, "tomas", walks.make_token(portal, "tomas", *MORE))
    owen.reads("The new one works", "Read pull requests")
    found += faults(owen, "checked")

    owen.press("Switch to the new one")
    owen.reads("The new one is in use", "Find the token")
    found += faults(owen, "withdraw")
    owen.press("Later")
    owen.reads("You are reminded in 6 days")

    owen.press("Go back to the old one")
    owen.wait_at("/credential$")
    owen.reads("Went back to the old one")
    assert not found + faults(owen, "history")
