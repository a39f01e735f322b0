"""One portal and one browser for all journeys; each story brings its own people and windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.chromium import CHROMIUM, launched
from tests.journeys import walks
from tests.journeys.windows import Person, Windows
from tests.live import LivePortal
from tests.servers import Servers

ROOT = Path(__file__).resolve().parents[2]
# What a worker that was killed held is free again soon, so that the stories stay short.
SOON = {"LEASE_SECONDS": "5", "SWEEP_SECONDS": "2"}
# They all link as Dana within the hour, and each reads what Dana sees.
SMALL = {"REQUESTS_PER_HOUR": "100000", "SANDBOX_REPOSITORIES": "24"}


@pytest.fixture(scope="package")
def portal(servers: Servers) -> Iterator[LivePortal]:
    """The portal as bin/run starts it on a migrated database, with the example people."""
    portal = LivePortal(ROOT, servers.begun(), **SOON, **SMALL)
    yield portal
    portal.stop()


@pytest.fixture(scope="package")
def live_portal(portal: LivePortal) -> LivePortal:
    """The same portal, under the name that other tests ask for."""
    return portal


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright, launched(playwright) as found:
        yield found


@pytest.fixture(scope="module")
def windows(portal: LivePortal, browser: Browser) -> Iterator[Windows]:
    """Opens windows for people; what a page complained of in its console fails the test."""
    opened = Windows(portal, browser)
    yield opened
    opened.close()


@pytest.fixture(scope="package")
def alice(portal: LivePortal, browser: Browser) -> Iterator[Person]:
    """She manages Acme's connections."""
    opened = Windows(portal, browser)
    yield opened.signed_in("alice@acme.example", home="/o/acme/")
    opened.close()


@pytest.fixture(scope="package")
def acme_code(alice: Person) -> str:
    """The address of a connection of Acme's that was linked by OAuth and read."""
    walks.begin_link(alice, "Read projects", "See workspace members")
    alice.follow("Choose Sign in to Bitbucket")
    walks.name_it(alice, "Acme code")
    alice.press("Go to Bitbucket Cloud")
    walks.consent(alice, "dana")
    connection = walks.arrived(alice)
    walks.choose_workspaces(alice, connection, "acme", "yarden")
    walks.wait_synced(alice, connection)
    return connection


@pytest.fixture(scope="package")
def narrow(alice: Person, portal: LivePortal) -> str:
    """The address of a connection of a team's whose token lacks scopes."""
    secret = walks.make_token(portal, "tomas", *walks.NARROW)
    walks.begin_link(alice, "Read pull requests")
    walks.link_by_secret(
        alice, "API token", "Reports", secret, team="Web", email="tomas@acme.example"
    )
    return walks.arrived(alice)


@pytest.fixture(autouse=True)
def _no_page_complains(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "windows" in request.fixturenames:
        complaints = request.getfixturevalue("windows").take_complaints()
        assert not complaints, "\n".join(complaints)
