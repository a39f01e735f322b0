"""Every page: no fault that axe knows, no sideways scroll, no complaint in the console."""

from __future__ import annotations

import pytest

from tests.journeys import walks
from tests.journeys.looks import faults
from tests.journeys.windows import Person, Windows

METHODS = ("oauth", "api-token", "repository-token")
TABS = (
    *("", "verification", "credential", "repositories", "workspaces", "sync", "record"),
    *("deliveries/", "hooks/", "links", "settings"),
)
STRANGERS = (
    *("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"),
    *("/accounts/confirm-email/", "/no/such/page/"),
)
OWNERS = (
    *("", "catalogue/", "catalogue/bitbucket-cloud/", "catalogue/bitbucket-data-center/"),
    *("connections/", "connections/?q=nothing"),
    *("members/", "teams/", "audit/", "audit/?q=nothing", "settings/rotation/"),
    *("calendar/", "calendar/changes/", "calendar/campaigns/new?connector=bitbucket-cloud"),
    *("settings/", "settings/consumers/", "settings/import/", "settings/export/"),
    *("/organizations/", "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/"),
    *("/accounts/sessions/", "/platform/"),
    *("connect-links/", "connect-links/new?connector=bitbucket-cloud", "requests/"),
    *("activity/", "activity/missed/", "activity/failed/"),
    *("trail/", "trail/?q=deadbeef0", "trail/?q=none%2312", "members/identities/"),
)
OPERATORS = (
    *("organizations/", "connectors/", "keys/", "queues/", "workers/", "record/", "network/"),
    *("erasures/", "webhooks/", "links/"),
    "network/new",
)


@pytest.fixture(scope="module")
def owen(windows: Windows) -> Person:
    return windows.signed_in("owen@acme.example", home="/o/acme/")


def looked_at(person: Person, *addresses: str) -> list[str]:
    found: list[str] = []
    for address in addresses:
        person.open(address)
        found += faults(person, address)
    return found


def test_strangers_pages(windows: Windows) -> None:
    assert not looked_at(windows.stranger(), *STRANGERS)


def test_an_owners_pages(owen: Person, acme_code: str, narrow: str) -> None:
    first = {}
    for listing, part in (("members/", "members/"), ("teams/", "teams/")):
        owen.open(listing)
        link = owen.page.locator(f"tbody a[href*='/{part}']").first
        first[listing] = str(link.get_attribute("href"))

    assert not looked_at(owen, *OWNERS, *first.values())


@pytest.mark.parametrize("tab", TABS)
def test_a_connections_tabs(owen: Person, acme_code: str, tab: str) -> None:
    assert not looked_at(owen, acme_code + tab)


def test_a_connection_in_trouble(owen: Person, narrow: str) -> None:
    assert not looked_at(owen, *(narrow + tab for tab in ("", "verification", "repositories")))


def test_the_steps_of_the_wizard(owen: Person) -> None:
    walks.begin_link(owen)
    begun = owen.page.url.rpartition("/")[0] + "/"
    steps = ["what", "how", *(f"consent?method={method}" for method in METHODS)]

    assert not looked_at(owen, *(begun + step for step in steps))


def test_forms_that_were_refused(owen: Person) -> None:
    walks.begin_link(owen)
    begun = owen.page.url.rpartition("/")[0] + "/"
    owen.open(begun + "consent?method=api-token")
    owen.fill("Name of the connection", "Refused")
    owen.fill("Atlassian account e-mail", "dana@acme.example")
    owen.page.locator("input[name=token]").fill("••••••••")
    owen.press("Link")
    owen.reads("Those are only dots")

    assert not faults(owen, "a refused token")


def test_the_platforms_pages(windows: Windows, acme_code: str) -> None:
    olga = windows.signed_in("olga@portal.example", home="/platform/")
    olga.open("connectors/")
    one = str(olga.page.get_by_role("link", name="Change").first.get_attribute("href"))

    assert not looked_at(olga, *OPERATORS, one)


def test_supports_pages(windows: Windows, acme_code: str) -> None:
    sam = windows.signed_in("sam@portal.example", home="/support/")
    found = looked_at(sam, "", "acme/")
    sam.open("acme/")
    if sam.page.get_by_label("Why do you need to look?").count():
        sam.fill("Why do you need to look?", "Ticket 4711: looking at every page")
        sam.press("Begin to look")
        sam.wait_at("/look/$")
    connection = acme_code.partition("/connections/")[2]
    found += looked_at(sam, "acme/look/", "acme/connections/", f"acme/connections/{connection}")
    found += looked_at(sam, "acme/links/")

    assert not found
