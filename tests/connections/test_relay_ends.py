"""A link when one of its ends is in trouble, withdrawn, closed or at rest, at Jira's sandbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connections as databases

from connections.flows import lifecycle, relay_links, relay_waking
from connections.models import Connection, Link, LinkState, RelayAttempt
from portal import clock, roles
from tests import scenes
from tests.connections.atlassian_life import Life
from tests.connections.jira_line import CLIENT, Joined, Made, backwards, joined, made, sequences
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

beginning = scenes.begun(made)


@pytest.fixture
def at(works: Works, vendor: Vendor, beginning: Made) -> Iterator[Joined]:
    with joined(works, vendor, beginning) as found:
        yield found


def push(at: Joined, name: str, *messages: str) -> None:
    at.order("/push", branch=name, commits=list(messages))


def once(at: Joined) -> bool:
    """Nothing came twice to Jira."""
    return all(len(told) == 1 for told in sequences(at.truth()).values())


def test_trouble_is_told_and_its_end(at: Joined) -> None:
    at.fault(status=503, times=None)
    push(at, "topic", "PAY-1 Begin")
    at.arrive()
    at.later(minutes=20)
    assert [title for title in at.titles() if "stands still" in title]
    at.later(minutes=30)  # by then who is to know was told
    at.vendor.order("/normal")
    at.later(minutes=70)
    assert [title for title in at.titles() if "works again" in title]
    assert (at.counts("PAY-1")[0], at.now().failing_since) == (1, None)


def test_the_log_goes_after_a_month_and_what_is_there_is_still_known(at: Joined) -> None:
    push(at, "topic", "PAY-1 Begin", "No issue")
    at.arrive()
    known = {one.key for one in at.items(state="sent")}
    assert known and at.items(state="nothing")
    with clock.shifted(timedelta(days=31)), roles.using_role("worker"):
        relay_waking.forget()
    with at.works.inside():
        assert not RelayAttempt.objects.exists()
    assert {one.key for one in at.items()} == known


def test_a_withdrawn_client_is_said_and_what_waited_goes_once_it_is_linked_again(
    at: Joined, works: Works, vendor: Vendor
) -> None:
    vendor.order("/atlassian/credentials/revoke", name=CLIENT)
    push(at, "topic", "PAY-1 Begin")
    at.later(minutes=20)
    at.arrive(seconds=1300)
    link = at.now()
    assert at.counts("PAY-1")[0] == 0 and link.failing_since
    assert link.waits_for in ("reauthorization_required", "consumer_rejected"), link.waits_for

    vendor.order("/atlassian/credentials/revoke", name=CLIENT, restore=True)
    life = Life(works, vendor, "jira")
    again_linked = life.link("site-credentials", relink=again(works, at.made.target))
    assert again_linked.connection_id == at.made.target.id
    works.drain()
    assert at.counts("PAY-1")[0] == 1
    assert once(at) and at.now().waits_for == ""


def test_a_withdrawn_source_keeps_what_it_was_told(at: Joined, vendor: Vendor) -> None:
    vendor.order("/tokens/revoke", name="dana-full")
    push(at, "topic", "PAY-1 Begin")
    at.arrive()
    assert at.counts("PAY-1")[0] == 0
    vendor.order("/tokens/revoke", name="dana-full", restore=True)
    at.later(minutes=5)
    at.read()
    assert at.counts("PAY-1")[0] == 1 and once(at)


def test_a_revoked_source_ends_the_link_and_what_it_wrote_stays(at: Joined, works: Works) -> None:
    push(at, "topic", "PAY-1 Begin")
    at.arrive()
    source = again(works, at.made.source)
    with works.inside():
        lifecycle.revoke(actor=works.alice, connection=source, typed_name=source.name)
    works.drain()
    assert again(works, source).state == Connection.State.REVOKED
    assert (at.now().state, at.counts("PAY-1")[0]) == (LinkState.REMOVED, 1)


def test_a_build_is_taken_back_where_its_key_is_gone(at: Joined) -> None:
    push(at, "topic", "Begin")
    at.order("/statuses", branch="topic", key="ci", state="INPROGRESS", refname="PAY-2-a")
    at.arrive()
    assert at.counts("PAY-2")[3] == 1
    at.order("/statuses", branch="topic", key="ci", state="SUCCESSFUL", refname="topic")
    at.arrive()
    at.later(minutes=1)
    assert at.counts("PAY-2")[3] == 0
    assert [one.subjects for one in at.items(kind="build", state="nothing") if one.sent_at] == [[]]


def test_a_build_hangs_on_what_its_commit_names_once_that_is_known(at: Joined) -> None:
    push(at, "topic", "PAY-2 Begin")
    later = at.told.sent()
    at.order("/statuses", branch="topic", key="ci", state="SUCCESSFUL", refname="PAY-1-a")
    at.arrive()
    assert (at.counts("PAY-1")[3], at.counts("PAY-2")[3]) == (1, 0)
    at.told.deliver(later)
    at.told.work()
    assert (at.counts("PAY-1")[3], at.counts("PAY-2")[3]) == (1, 1)


def test_a_branch_hangs_on_what_all_its_pull_requests_name_until_it_is_gone(at: Joined) -> None:
    push(at, "NONE-1-topic", "Begin")
    at.arrive()
    first = at.pull("create", source="NONE-1-topic", title="PAY-1 Begin")["id"]
    at.arrive()
    at.pull("decline", id=first)
    second = at.pull("create", source="NONE-1-topic", title="PAY-2 Begin")["id"]
    at.arrive()
    at.pull("approve", id=second, user="tomas")
    at.arrive()
    assert [at.counts(key)[1] for key in ("PAY-1", "PAY-2")] == [1, 1]
    at.pull("merge", id=second)
    at.arrive()
    assert [at.counts(key)[1] for key in ("PAY-1", "PAY-2")] == [0, 0]


def test_a_site_that_is_closed_is_waited_for(at: Joined, vendor: Vendor) -> None:
    vendor.order("/atlassian/sites", site="acme", suspended=True)
    push(at, "topic", "PAY-1 Begin")
    at.arrive()
    at.later(minutes=20)
    assert at.counts("PAY-1")[0] == 0
    link = at.now()
    assert link.last_error and at.items(state="dead") == [], link.last_error
    assert [title for title in at.titles() if "stands still" in title]
    vendor.order("/atlassian/sites", site="acme", suspended=False)
    at.later(minutes=90)
    assert at.counts("PAY-1")[0] == 1


def test_a_link_paused_while_it_sends_is_at_rest_afterwards(at: Joined, vendor: Vendor) -> None:
    push(at, "topic", "PAY-1 Begin")
    at.told.deliver(at.told.sent())
    vendor.order("/latency", ms=700, match="POST /jira/*")

    def drain() -> None:
        at.told.work()
        databases.close_all()

    worker = threading.Thread(target=drain)
    worker.start()
    until = time.monotonic() + 20
    while not at.items(lease_until__isnull=False) and time.monotonic() < until:
        time.sleep(0.05)
    at.do(relay_links.pause)
    worker.join(30)
    vendor.order("/normal")
    push(at, "topic", "PAY-1 Go on")
    at.arrive()
    assert at.now().state == Link.State.PAUSED
    assert at.counts("PAY-1")[0] == 1 and at.items(state="waiting", kind="commit")
    at.do(relay_links.resume)
    at.later(minutes=1)  # what came was put down some seconds ahead
    assert at.counts("PAY-1")[0] == 2 and backwards(at.truth()) == []
