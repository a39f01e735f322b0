"""Pages hold with ten thousand rows, with names at their longest, from the right, or with none."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.journeys import rows, walks
from tests.journeys.looks import LOOKS, WIDER_THAN_THE_WINDOW
from tests.journeys.windows import Person, Windows, found_organization, sign_up
from tests.live import LivePortal

MANY = 10_000
LONGEST_SECONDS = 1.5
UNBROKEN = "Zusammenhangsschreibung" * 10
FROM_THE_RIGHT = "مستودع-الفريق-الطويل-جدا-" * 10
CONNECTIONS = """
INSERT INTO connections_connection
SELECT (jsonb_populate_record(one, jsonb_build_object(
    'id', gen_random_uuid(), 'account_id', 'account ' || n, 'account_name', left(CASE mod(n, 3)
        WHEN 0 THEN %s WHEN 1 THEN %s ELSE 'Account ' || n END, 80),
    'name', left(n || CASE mod(n, 3) WHEN 0 THEN %s WHEN 1 THEN %s ELSE ' connection' END, 80),
    'next_sync_at', NULL, 'next_verification_at', NULL,
    'labels', jsonb_build_array('label ' || mod(n, 7), left(%s, 40))))).*
FROM connections_connection one, generate_series(1, %s) n WHERE one.id = %s
"""
REPOSITORIES = """
INSERT INTO connections_repository
SELECT (jsonb_populate_record(one, jsonb_build_object(
    'id', gen_random_uuid(), 'remote_id', 'made ' || n,
    'full_name', 'yarden/' || left(md5(n::text), 8) || CASE mod(n, 5) WHEN 0 THEN %s ELSE '' END,
    'name', left(CASE mod(n, 5) WHEN 0 THEN %s WHEN 1 THEN %s ELSE 'repository ' || n END, 200),
    'main_branch', left(CASE mod(n, 7) WHEN 0 THEN %s ELSE 'main' END, 60),
    'size_bytes', n::bigint * 1000003))).*
FROM connections_repository one, generate_series(1, %s) n
WHERE one.id = (SELECT id FROM connections_repository WHERE connection_id = %s LIMIT 1)
"""


@pytest.fixture(scope="module")
def cora(windows: Windows, portal: LivePortal) -> Person:
    """Owner of a crowded organization; `link` is its fullest connection."""
    cora = windows.stranger()
    sign_up(cora, "Cora Crowd")
    found_organization(cora, ("Gesellschaft" * 9)[:100])
    walks.make_team(cora, UNBROKEN[:80])
    walks.begin_link(cora)
    secret = walks.token(portal, "dana-full")
    walks.link_by_secret(
        cora, "API token", "Full", secret, team=UNBROKEN[:80], email="dana@acme.example"
    )
    connection = walks.arrived(cora)
    walks.choose_workspaces(cora, connection, "yarden")
    walks.wait_synced(cora, connection)
    cora.link = connection.rstrip("/").rpartition("/")[2]
    names = UNBROKEN, FROM_THE_RIGHT
    rows.asked(portal, CONNECTIONS, *names, *names, UNBROKEN, MANY, cora.link)
    rows.asked(portal, REPOSITORIES, UNBROKEN, *names, UNBROKEN, MANY, cora.link)
    rows.asked(portal, "ANALYZE")
    return cora


def sticks_out(person: Person, address: str) -> list[str]:
    person.open(address)
    found = []
    for _, (width, height), _ in LOOKS[:2]:
        person.page.set_viewport_size({"width": width, "height": height})
        wider = person.page.evaluate(WIDER_THAN_THE_WINDOW)
        if wider > 0:
            found.append(f"{address}: {wider} px wider than {width}")
    return found


def seconds(person: Person, address: str) -> float:
    """How long the answer takes; the second one, as the first may fill caches."""
    address = address if address.startswith("http") else person.home + address
    moments = [time.monotonic()]
    for _ in range(2):
        assert person.page.request.get(address).ok
        moments.append(time.monotonic())
    return min(later - earlier for earlier, later in pairwise(moments))


LISTS = (
    *("connections/", "connections/?q=9999", "connections/?sort=-trouble"),
    *("connections/{}/repositories", "connections/{}/repositories?q=repository+99"),
    *("connections/{}/repositories?sort=size", "connections/{}/repositories?sort=-changed"),
    *("", "audit/", "members/", "connections/{}/sync", "connections/{}/settings"),
)


def test_lists_answer_at_once(cora: Person) -> None:
    slow = {
        address: taken
        for address in LISTS
        if (taken := seconds(cora, address.format(cora.link))) > LONGEST_SECONDS
    }

    assert not slow


@pytest.mark.parametrize("listing", ["connections/", "connections/{}/repositories"])
def test_a_late_page_is_as_quick_as_the_first(cora: Person, listing: str) -> None:
    cora.open(listing.format(cora.link))
    for _ in range(5):
        cora.page.get_by_role("link", name="Next").click()
        cora.page.wait_for_load_state()
    expect(cora.page.locator("tbody").last.get_by_role("row")).to_have_count(50)
    expect(cora.page.get_by_role("link", name="Previous")).to_be_visible()

    assert seconds(cora, cora.page.url) < LONGEST_SECONDS


@pytest.mark.parametrize("address", [*LISTS, "connections/{}/", "teams/", "catalogue/"])
def test_nothing_sticks_out(cora: Person, address: str) -> None:
    assert not sticks_out(cora, address.format(cora.link))


def test_pages_without_a_row_say_what_will_be_there(windows: Windows) -> None:
    nora = windows.stranger()
    sign_up(nora, "نورا الحديدي")
    found_organization(nora, "مؤسسة النور")
    empty = {
        "": "Nothing is linked yet",
        "connections/": "No connections yet",
        "teams/": "team",
        "settings/consumers/": "None of this organization's own is registered",
    }

    for address, words in empty.items():
        assert not sticks_out(nora, address)
        nora.reads(words)
