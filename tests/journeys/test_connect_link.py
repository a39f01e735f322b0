"""Somebody without an account links what an admin asked for, and leaves."""

from __future__ import annotations

from tests.journeys import walks
from tests.journeys.looks import faults
from tests.journeys.windows import Windows, found_organization, sign_up


def test_a_person_without_an_account_links_and_leaves(windows: Windows) -> None:
    ida = windows.stranger()
    sign_up(ida, "Ida Inviter")
    found_organization(ida, "Askers")
    ida.open("catalogue/bitbucket-cloud/")
    ida.follow("Send a connect link")
    ida.fill("Who links", "Dana Right")
    ida.fill("Name of the connection", "Askers code")
    found = faults(ida, "a new connect link")
    ida.press("Make the link")
    ida.reads("Shown only now")
    address = ida.page.locator("main").inner_text().partition("/connect/")[2].split()[0]

    dana = windows.stranger()
    dana.open(f"/connect/{address}")
    dana.wait_at("/connect/[^/]+/$")
    dana.reads("Ida Inviter", "Askers", "Read repositories")
    found += faults(dana, "what is asked")
    dana.press("Choose Sign in to Bitbucket")
    dana.wait_at("/connect/[^/]+/consent")
    found += faults(dana, "consent of a guest")
    dana.press("Go to Bitbucket Cloud")
    walks.consent(dana, "dana")
    dana.wait_at("/connect/[^/]+/done$")
    dana.reads("Thank you", "How to take it back")
    found += faults(dana, "thanks")

    ida.open("connect-links/")
    ida.reads("Linked", "Dana Right")
    dana.open("/o/askers/")
    dana.wait_at("/accounts/login/")
    late = windows.stranger()
    late.open(f"/connect/{address}")
    late.reads("This link does not work")
    assert not found
