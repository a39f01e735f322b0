"""Push, pull request, approval, build and deployment at Bitbucket appear at Jira's issue once each,
through outages, deaths and other tokens; a link that is removed leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connections.flows import relay_removal
from connections.models import LinkState
from tests import scenes
from tests.connections.jira_line import (
    Joined,
    Made,
    backwards,
    joined,
    made,
    secret,
    sequences,
    told_by_another,
)
from tests.vendor import Vendor
from tests.works import Works

KEY = "PAY-1"

beginning = scenes.begun(made)


@pytest.fixture
def at(works: Works, vendor: Vendor, beginning: Made) -> Iterator[Joined]:
    with joined(works, vendor, beginning) as found:
        yield found


def test_what_happens_is_at_the_issue_once_each(at: Joined) -> None:
    branch = f"feature/{KEY}-count"
    at.order("/push", branch=branch, commits=[f"{KEY} Count", f"{KEY} Count twice"])
    at.arrive()
    assert at.counts(KEY) == [2, 1, 0, 0, 0]

    number = at.pull("create", source=branch)["id"]
    outage(at)
    assert at.counts(KEY) == [2, 1, 1, 0, 0]
    at.pull("approve", id=number, user="tomas")
    at.die("relay.sent")
    (pull,) = at.panel(KEY)["pullRequests"]
    assert [(one["name"], one["approvalStatus"]) for one in pull["reviewers"]] == [
        ("Tomás Ó Súilleabháin", "APPROVED")
    ]
    assert pull["author"]["email"] == "alice@acme.example"  # who linked Dana's account

    run = at.order("/pipelines", branch=branch, result="SUCCESSFUL", steps=1)["build_number"]
    at.arrive()
    secret(at.vendor)  # the former is dead before anybody handed the new one in
    at.order("/deployments", environment="Production", pipeline=run)
    at.later(minutes=20)  # a token of the site's lives for a quarter of an hour
    at.replace_credential()
    at.read()
    assert at.counts(KEY) == [2, 1, 1, 1, 1]
    truth = at.truth()
    assert len(sequences(truth)) >= 6 and backwards(truth) == []
    assert at.items(state="dead") == []

    told_by_another(at.vendor, KEY)
    at.do(relay_removal.remove, erase=True, confirm_name=str(at.now()))
    at.later(minutes=1)
    assert (at.now().state, at.counts(KEY)) == (LinkState.REMOVED, [1, 0, 0, 0, 0])


def outage(at: Joined) -> None:
    """The target is out of reach while it happens, then takes it and its answer is lost."""
    at.fault(status=503, times=2)
    at.fault(kind="reset")
    at.arrive()
    for minutes in (20, 60, 100):
        at.later(minutes=minutes)
    assert [one["hits"] for one in at.vendor.ask("/faults")] == [2, 1]
