"""Links at Jira's issues follow what things are called, whatever was lost on the way there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connections.flows import relay_links, relay_removal
from connections.models import Connection, LinkState, RelayItem, Workspace
from portal import clock, roles
from tests import scenes
from tests.connections.atlassian_life import Life
from tests.connections.coding import SPACE, linked
from tests.connections.jira_line import KILLED, LEASE_ENDS, Joined, Made, joined
from tests.connections.ways import a_team
from tests.vendor import Vendor
from tests.works import Works

BRANCH = "feature/LAB-1-count"


def made_at_issues(works: Works, vendor: Vendor) -> Made:
    """An ordinary account's link to the issues of the site fjord."""
    source = linked(works, vendor)
    works.sync(source, SPACE)
    life = Life(works, vendor, "jira")
    target = life.connection(life.link("oauth", called="Lab", team_id=a_team(works)))
    with works.inside():
        places = Workspace.objects.select_related("connection")
        place = places.get(connection_id=target.id, slug="fjord")
        source = Connection.objects.get(id=source.id)
        link = relay_links.draft(actor=works.admin, source=source, destination=place)
        relay_links.choose(actor=works.admin, link=link, choice="all")
        relay_links.activate(actor=works.admin, link=link)
    works.drain()
    return Made(source, target, link)


beginning = scenes.begun(made_at_issues)


@pytest.fixture
def at(works: Works, vendor: Vendor, beginning: Made) -> Iterator[Joined]:
    with joined(works, vendor, beginning) as found:
        yield found


def hanging(at: Joined) -> dict[str, list[str]]:
    """The titles of the links at each issue that has some."""
    truth: Any = at.vendor.ask("/atlassian/truth?site=fjord")
    found = {}
    for issue in truth["issues"]:
        shown = at.vendor.ask(f"/atlassian/panel?site=fjord&issue={issue}")["remoteLinks"]
        if shown:
            found[issue] = sorted(each["object"]["title"] for each in shown)
    return found


def remove(at: Joined) -> None:
    link = at.now()
    with at.works.inside():
        relay_removal.remove(actor=at.works.admin, link=link, erase=True, confirm_name=str(link))


def test_a_branch_follows_what_its_pull_requests_are_called(at: Joined) -> None:
    at.order("/push", branch=BRANCH, commits=["Count"])
    at.arrive()
    assert hanging(at) == {"LAB-1": [BRANCH]}
    number = at.pull("create", source=BRANCH, title="LAB-2 Count")["id"]
    at.arrive()
    title = f"#{number} LAB-2 Count"
    assert hanging(at) == {"LAB-1": [title, BRANCH], "LAB-2": [title, BRANCH]}
    at.pull("update", id=number, title="Count")
    at.arrive()
    assert hanging(at) == {"LAB-1": [f"#{number} Count", BRANCH]}

    at.fault(status=403, match="DELETE /ex/jira/*", times=1)
    remove(at)
    at.later(minutes=1)
    assert (at.now().state, at.now().removal_left) == (LinkState.REMOVED, 1)


def test_what_hangs_somewhere_unheard_of_is_taken_back(at: Joined) -> None:
    at.order("/push", branch="topic", commits=["Count"])
    number = at.pull("create", source="topic", title="LAB-2 Count")["id"]
    at.fault(kind="reset", match="POST /ex/jira/*", times=1)
    at.arrive()
    assert "LAB-2" in hanging(at)
    at.pull("update", id=number, title="LAB-3 Count")
    at.arrive()
    at.later(minutes=20)
    assert hanging(at) == {"LAB-3": [f"#{number} LAB-3 Count", "topic"]}

    at.fault(kind="reset", match="POST /ex/jira/*", times=1)
    at.order("/push", branch="LAB-4-last", commits=["Count on"])
    at.arrive()
    assert "LAB-4" in hanging(at)
    remove(at)
    at.later(minutes=20)
    assert (at.now().state, hanging(at)) == (LinkState.REMOVED, {})


def test_a_link_that_is_being_sent_ends_once_nobody_may_be_at_it(at: Joined) -> None:
    at.order("/push", branch="topic", commits=["LAB-1 Count"])
    at.told.deliver(at.told.sent())
    with clock.shifted(timedelta(seconds=3)):
        assert at.works.fork_and_die("relay.sent") == KILLED
        with roles.using_role("worker"), at.works.inside():  # however slow this machine is
            held = RelayItem.objects.exclude(lease_until=None)
            assert held.update(lease_until=clock.now() + timedelta(minutes=1)) == 1
        remove(at)
        at.works.drain()
    assert (at.now().state, len(hanging(at))) == (LinkState.REMOVING, 1)
    time.sleep(LEASE_ENDS)
    at.later(minutes=3)
    assert (at.now().state, hanging(at)) == (LinkState.REMOVED, {})
