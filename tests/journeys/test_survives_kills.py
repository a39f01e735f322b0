"""`kill -9` in the middle of the work: it finishes by itself, and nothing is missing or twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys import rows, walks
from tests.journeys.windows import Person, Windows, found_organization, sign_up, until
from tests.live import LivePortal

BOTH = ("acme", "yarden")
HOLDS_TOKENS = (
    "SELECT 1 FROM connections_pendinglink WHERE id = %s AND jsonb_exists(found_account, 'token')"
)


@pytest.fixture
def sasha(windows: Windows, portal: LivePortal) -> Iterator[Person]:
    """With an organization of her own, at a vendor that takes its time."""
    sasha = windows.stranger()
    sign_up(sasha, "Sasha Survivor")
    found_organization(sasha, "Survivors")
    walks.begin_link(sasha, "Read projects")
    sasha.link = identifier(sasha.page.url.removesuffix("how"))
    sasha.follow("Choose Sign in to Bitbucket")
    walks.name_it(sasha, "Survivor")
    sasha.press("Go to Bitbucket Cloud")
    sasha.wait_at("/site/oauth2/authorize")
    yield sasha
    portal.order("/normal")


def number(portal: LivePortal) -> int:
    """The number of the vendor's latest request."""
    return max((each["number"] for each in walks.requests(portal)), default=0)


def asked(portal: LivePortal, since: int, part: str) -> list[dict[str, Any]]:
    """What was asked of the vendor at such a path after the request of this number."""
    later = [each for each in walks.requests(portal) if each["number"] > since]
    return [each for each in later if part in each["path"]]


def test_the_worker_in_the_middle_of_a_link(sasha: Person, portal: LivePortal) -> None:
    since, former = number(portal), portal.pid("worker")
    portal.order("/latency", ms=700)
    walks.consent(sasha, "dana")
    until(lambda: rows.asked(portal, HOLDS_TOKENS, sasha.link))
    portal.kill("worker")
    portal.wait_restarted("worker", former)
    portal.order("/latency", ms=0)

    connection = walks.arrived(sasha)

    sasha.reads("Survivor")
    assert len(asked(portal, since, "/access_token")) == 1
    assert rows.asked(
        portal,
        "SELECT connection_id = %s FROM connections_pendinglink WHERE id = %s",
        identifier(connection),
        sasha.link,
    ) == [(True,)]


@pytest.mark.parametrize("victim", ["worker", "valkey"])
def test_in_the_middle_of_a_sync(sasha: Person, portal: LivePortal, victim: str) -> None:
    walks.consent(sasha, "dana")
    connection = walks.arrived(sasha)
    former, since = portal.pid(victim), number(portal)
    late = {"match": "GET /2.0/repositories/acme*", "kind": "slow", "seconds": 3.0, "times": 1}
    portal.order("/faults", **late)
    walks.choose_workspaces(sasha, connection, *BOTH)
    before = until(lambda: kept(portal, connection))
    portal.kill(victim)
    portal.wait_restarted(victim, former)
    walks.wait_synced(sasha, connection)

    pages = asked(portal, since, "/2.0/repositories/")
    found = kept(portal, connection)
    expected = [each["uuid"] for each in walks.listed(portal, *BOTH)]
    assert len(before) < len(expected) == len(found)
    assert Counter(found) == Counter(expected)
    again = Counter(f"{each['path']}?{each['query']}" for each in pages)
    assert max(again.values()) <= 2
    assert sum(again.values()) - len(again) <= (len(BOTH) if victim == "worker" else 0)


def kept(portal: LivePortal, connection: str) -> list[str]:
    """The repositories of this connection that are stored."""
    found = rows.asked(
        portal,
        "SELECT remote_id FROM connections_repository WHERE connection_id = %s",
        identifier(connection),
    )
    return [str(one) for (one,) in found]


def identifier(address: str) -> str:
    """The identifier that an address of a connection or a link ends in."""
    return address.rstrip("/").rpartition("/")[2]
