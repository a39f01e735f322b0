"""A team member's day: from signing up to repositories on screen, by each way to link."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.journeys import walks
from tests.journeys.windows import Person, Windows, found_organization, sign_up, until
from tests.live import LivePortal

MANY = ("acme", "fjord-lab")


@pytest.fixture(scope="module")
def mia(windows: Windows) -> Person:
    """Signed up, with an organization of her own and teams in it."""
    mia = windows.stranger()
    sign_up(mia, "Mia Member")
    found_organization(mia, "Fjord & Sons")
    for name in ("Payments", "Platform", "Reports"):
        walks.make_team(mia, name)
    return mia


@pytest.fixture
def latency(portal: LivePortal) -> Iterator[Callable[[int], object]]:
    """Sets how long the vendor takes for an answer, as the real one does take some time."""
    yield lambda ms: portal.order("/latency", ms=ms)
    portal.order("/normal")


def test_by_oauth_from_the_catalogue_to_repositories(
    mia: Person, portal: LivePortal, latency: Callable[[int], object]
) -> None:
    mia.open("")
    mia.reads("Nothing is linked yet")
    mia.follow("Open the catalogue")
    mia.reads("Bitbucket Cloud")
    walks.begin_link(mia, "Read projects")
    mia.follow("Choose Sign in to Bitbucket")
    mia.reads("Account: Read", "Projects: Read", "Repositories: Read")
    walks.name_it(mia, "Fjord code")
    latency(200)
    mia.press("Go to Bitbucket Cloud")
    walks.consent(mia, "dana")
    mia.wait_at("/check$")
    mia.reads("Finding out what this credential may do")
    connection = walks.arrived(mia)

    # A page of each list is waited for long enough to be looked at, however busy the machine is.
    pages = "GET /2.0/repositories/acme*"
    slow = {"match": pages, "kind": "slow", "seconds": 2.5, "times": 2}
    portal.order("/faults", **slow)
    walks.choose_workspaces(mia, connection, *MANY)
    seen = until(lambda: counts_until_the_end(mia))

    assert len(seen) > 2, f"no progress was shown: {seen}"
    assert seen == sorted(seen)
    expected = len(walks.listed(portal, *MANY))
    mia.open(connection + "repositories")
    mia.reads(f"50 of {expected} repositories")


def counts_until_the_end(mia: Person) -> list[int]:
    """What the bar said, as it changed, until the page said by itself that the sync is over."""
    seen: list[int] = []
    while mia.page.get_by_role("heading", name="Last sync").count() == 0:
        words = mia.page.locator("#live").inner_text()
        found = re.search(r"([\d,]+) (?:records|record|of)", words)
        count = int(found[1].replace(",", "")) if found else 0
        if count not in seen:
            seen.append(count)
        mia.page.wait_for_timeout(100)
    return seen


def test_the_list_searches_filters_and_sorts(mia: Person, portal: LivePortal) -> None:
    mia.open("connections/")
    mia.follow("Fjord code")
    mia.follow("Repositories")

    mia.page.get_by_role("searchbox").press_sequentially("fleet")
    mia.page.wait_for_url("**q=fleet**")
    names = mia.page.locator("#results tbody th")
    expect(names.first).to_contain_text("fleet")
    assert all("fleet" in name.casefold() for name in names.all_inner_texts())

    mia.page.get_by_role("searchbox").fill("")
    mia.page.get_by_role("combobox", name="Workspace").select_option(label="Fjord & Söhne <R&D>")
    mia.page.wait_for_url("**workspace=**")
    matches = f"{len(walks.listed(portal, 'fjord-lab'))} matches"
    mia.reads(matches)

    mia.follow("Size")
    mia.page.wait_for_url("**sort=size**")
    mia.reads(matches)


def test_the_matrix_says_what_oauth_granted(mia: Person) -> None:
    mia.open("connections/")
    mia.follow("Fjord code")
    mia.follow("Verification")

    mia.reads("What it may do, and what was tried", "Read repositories", "Read projects")
    expect(mia.page.get_by_text("is not possible")).to_have_count(0)


def test_by_api_token_for_a_team(mia: Person, portal: LivePortal) -> None:
    walks.begin_link(mia)
    walks.link_by_secret(
        mia,
        "API token",
        "Payments code",
        walks.token(portal, "dana-full"),
        team="Payments",
        email="dana@acme.example",
    )
    connection = walks.arrived(mia)
    walks.choose_workspaces(mia, connection, "fjord-lab")
    walks.wait_synced(mia, connection)

    mia.follow("Repositories")
    mia.reads("50 of 60 repositories")
    mia.open(connection + "credential")
    mia.reads("API token", walks.token(portal, "dana-full")[-4:])
    assert walks.token(portal, "dana-full") not in mia.page.content()


def test_by_repository_access_token_for_another_team(mia: Person, portal: LivePortal) -> None:
    known = walks.sandbox_state(portal)["tokens"]
    uuid = next(t["repository"] for t in known if t["about"].startswith("acme-repository:"))
    repository = next(r for r in walks.listed(portal, "acme") if r["uuid"] == uuid)

    walks.begin_link(mia)
    walks.link_by_secret(
        mia,
        "Repository access token",
        "One repository",
        walks.token(portal, "acme-repository"),
        team="Platform",
        workspace="acme",
        repository=repository["full_name"].partition("/")[2],
    )
    connection = walks.arrived(mia)
    walks.choose_workspaces(mia, connection, "acme")
    walks.wait_synced(mia, connection)

    mia.follow("Repositories")
    mia.reads("1 repository", repository["full_name"])


def test_a_token_that_lacks_scopes_is_told_what_it_lacks(mia: Person, portal: LivePortal) -> None:
    secret = walks.make_token(portal, "tomas", *walks.NARROW)

    walks.begin_link(mia, "Read pull requests")
    walks.link_by_secret(
        mia, "API token", "Narrow", secret, team="Reports", email="tomas@acme.example"
    )
    connection = walks.arrived(mia)

    mia.open(connection + "verification")
    mia.reads(
        "Something that was asked for is missing",
        "Read pull requests is not possible",
        "read:pullrequest:bitbucket was not granted",
    )
    row = mia.page.locator("details, tr").filter(has_text="Read pull requests").first
    expect(row).to_contain_text(re.compile("missing", re.I))
    mia.open("")
    mia.reads("Needs you", "Narrow")
