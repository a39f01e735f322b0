"""Push, pull request, approval, build and deployment at Bitbucket appear at Jira's issue once each,
through outages, deaths and other tokens; a link that is removed leaves nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from connections.flows import relay_links, relay_removal, relay_waking
from connections.models import Connection, Link, LinkState, RelayItem, Workspace
from portal import clock, roles
from tests.connections.atlassian_life import Life
from tests.connections.coding import SPACE, linked, slugs
from tests.connections.hook_line import Line, line
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

KILLED = -9
KEY = "PAY-1"
ENTITIES = ("commits", "branches", "pullRequests", "builds")


@dataclass
class Joined:
    """Dana's code, linked to the issues of the site acme, with webhooks."""

    works: Works
    vendor: Vendor
    told: Line
    slug: str
    link: Link

    def order(self, path: str, **wish: Any) -> Any:
        return self.vendor.order(path, workspace=SPACE, repository=self.slug, **wish)

    def arrive(self, *, seconds: float = 3) -> None:
        """What the source tells has come, and is on its way."""
        self.told.deliver(self.told.sent())
        self.told.work(seconds=seconds)

    def later(self, **span: float) -> None:
        with clock.shifted(timedelta(**span)), roles.using_role("worker"):
            relay_waking.wake()
            self.works.drain()

    def panel(self, issue: str = KEY) -> Any:
        return self.vendor.ask(f"/atlassian/panel?site=acme&issue={issue}")

    def truth(self) -> Any:
        return self.vendor.ask("/atlassian/truth?site=acme")

    def now(self) -> Link:
        with self.works.inside():
            rows = Link.objects.select_related("source", "target", "destination")
            found: Link = rows.get(id=self.link.id)
            return found


@pytest.fixture
def at(works: Works, vendor: Vendor) -> Any:
    source = linked(works, vendor)
    works.sync(source, SPACE)
    target = jira(works, vendor)
    with works.inside():
        place = Workspace.objects.select_related("connection").get(
            connection_id=target.id, slug="acme"
        )
        source = Connection.objects.get(id=source.id)
        link = relay_links.draft(actor=works.alice, source=source, destination=place)
        relay_links.choose(actor=works.alice, link=link, choice="all")
        relay_links.activate(actor=works.alice, link=link)
    works.drain()
    with line(works, vendor, again(works, source)) as told:
        yield Joined(works, vendor, told, slugs(works)[0], link)


def test_what_happens_is_at_the_issue_once_each(at: Joined) -> None:
    branch = f"feature/{KEY}-count"
    pushed = at.order("/push", branch=branch, commits=[f"{KEY} Count", f"{KEY} Count twice"])
    at.arrive()
    panel = at.panel()
    assert [len(panel["commits"]), len(panel["branches"])] == [2, 1]

    number = at.order("/pull-requests", do="create", source=branch)["id"]
    outage(at)
    assert len(at.panel()["pullRequests"]) == 1
    at.order("/pull-requests", do="approve", id=number, user="tomas")
    kill(at, "relay.sent")
    (pull,) = pulls(at.truth())
    assert [one["approvalStatus"] for one in pull["reviewers"]] == ["APPROVED"]

    at.order("/pipelines", branch=branch, result="SUCCESSFUL", steps=1)
    at.arrive()
    at.order("/deployments", environment="Production", pipeline=1)
    at.works.sync(at.link.source, SPACE)
    at.later(minutes=1)
    panel = at.panel()
    found = [len(panel[name]) for name in ENTITIES]
    assert found == [2, 1, 1, 1]
    assert pushed and in_order(at.truth())

    with at.works.inside():
        assert not RelayItem.objects.filter(state="dead").exists()
        link = at.now()
        relay_removal.remove(actor=at.works.alice, link=link, erase=True, confirm_name=str(link))
    at.works.drain()
    at.later(minutes=1)
    assert at.now().state == LinkState.REMOVED
    panel = at.panel()
    assert not any(panel[name] for name in ENTITIES)


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────


def outage(at: Joined) -> None:
    """The target is out of reach while it happens, and its token ends meanwhile."""
    at.vendor.order("/faults", match="POST /jira/*", kind="status", status=503, times=2)
    at.arrive()
    at.later(minutes=20)  # a token of the site's lives for a quarter of an hour
    at.later(minutes=60)


def kill(at: Joined, step: str) -> None:
    at.told.deliver(at.told.sent())
    died = at.works.fork_and_die(step)
    assert died in (KILLED, 0)
    time.sleep(2.2)
    at.later(minutes=3)


def pulls(truth: Any) -> list[Any]:
    """The bodies of the pull requests that Jira keeps."""
    kept = truth["providers"].values()
    repositories = (each for one in kept for each in one["repositories"].values())
    return [row["body"] for each in repositories for row in each["pullRequests"].values()]


def in_order(truth: Any) -> bool:
    """No entity was ever told an older state after a newer one."""
    said: dict[str, int] = {}
    for one in truth.get("received", []):
        name, sequence = str(one.get("id") or one.get("key")), int(one.get("sequence", 0))
        if sequence < said.get(name, 0):
            return False
        said[name] = sequence
    return True


def jira(works: Works, vendor: Vendor) -> Connection:
    """The site acme, linked by its own OAuth credentials."""
    life = Life(works, vendor, "jira")
    return life.connection(life.link("site-credentials"))
