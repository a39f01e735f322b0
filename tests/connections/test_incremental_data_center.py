"""A Data Center tells of no change: what is asked, and that it ends equal to what is there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from connections.contracts import Target
from connections.flows import hook_choice, link
from connections.models import (
    Arrival,
    Branch,
    Build,
    Commit,
    Connection,
    PendingLink,
    Permission,
    PullRequest,
    Repository,
    SyncSettings,
)
from connections.sync_forms import SyncChoiceForm
from integrations.bitbucket_data_center import CONNECTOR
from portal import clock
from portal.secret import Secret
from tests import scenes
from tests.connections import hooking, test_self_hosted as self_hosted
from tests.connections.coding import held, poll, slugs, states, written
from tests.connections.hook_line import Line
from tests.connections.test_incremental import fetched
from tests.connections.ways import again
from tests.ingesting import Sender
from tests.integrations.receiving import Receiver
from tests.vendor import Vendor
from tests.works import Works

SPACE = "~dlevi"  # two repositories; the first has more pull requests than fit on a page
LIST = f"/bitbucket/rest/api/latest/projects/{SPACE}/repos"
KINDS = [
    *("push", "force_push", "branch_create", "branch_delete", "tag_create"),
    *("pull_request_create", "pull_request_update", "approve", "unapprove", "request_changes"),
    *("comment", "merge", "decline"),
]


@scenes.begun
def whole(works: Works, vendor: Vendor) -> Connection:
    """Everything of two repositories was read once."""
    return read(works, vendor, [one.key for one in CONNECTOR.streams])


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """Their code was."""
    return read(works, vendor, ["repositories", "branches", "pull-requests", "commits"])


def read(works: Works, vendor: Vendor, streams: list[str]) -> Connection:
    pending = self_hosted.begin(works, works.admin)
    with works.inside():
        keys = [one.key for one in CONNECTOR.manifest.capabilities]
        reason = "Who may do what belongs to the trail."
        link.choose(actor=works.admin, pending=pending, capabilities=keys, reason=reason)
    made = linked(works, vendor, pending)
    with works.inside():
        SyncSettings.objects.update(chosen=streams, keep_days=None)
    run = works.sync(made, SPACE)
    assert (run.state, run.error) == ("done", "")
    return again(works, made)


def linked(works: Works, vendor: Vendor, pending: PendingLink) -> Connection:
    with works.inside():
        link.prepare(
            actor=works.admin,
            pending=pending,
            method="user-token",
            name="Own Bitbucket",
            team_id=None,
            consumer_id=None,
            fields={"base_url": self_hosted.place(vendor)},
            secret=Secret(self_hosted.token(vendor, "dana-admin")),
        )
    works.drain()
    return works.connection(works.reloaded(pending))


def truth(vendor: Vendor, slug: str) -> Any:
    return vendor.ask(f"/data-center/truth?workspace={SPACE}&repository={slug}")


def change(vendor: Vendor, path: str, slug: str, **wish: Any) -> Any:
    return vendor.order(f"/data-center{path}", workspace=SPACE, repository=slug, **wish)


def is_equal(works: Works, vendor: Vendor, slug: str) -> None:
    """Refs, pull requests with their reviews, and the commits that they stand at, as they are."""
    so = truth(vendor, slug)
    refs = {f"branch:{name}": mark for name, mark in so["branches"].items()}
    refs |= {f"tag:{tag['name']}": tag["target"] for tag in so["tags"]}
    pulls = {one["id"]: (one["state"].lower(), said(one)) for one in so["pull_requests"]}
    with works.inside():
        rows = Branch.objects.filter(repository__slug=slug, gone_at=None)
        assert dict(rows.values_list("remote_id", "target")) == refs
        found = PullRequest.objects.filter(repository__slug=slug, gone_at=None)
        assert {one.number: (one.state, kept(one)) for one in found} == pulls
        main = Repository.objects.get(slug=slug).main_branch
    assert main == so["repository"]["mainbranch"]
    heads = {one["source_hash"] for one in so["pull_requests"] if one["state"] == "OPEN"}
    assert held(works, Commit, slug) >= {so["branches"][main], *heads}


def said(one: Any) -> dict[str, str]:
    return {each["user"]: each["state"] for each in one["participants"] if each["state"]}


def kept(one: PullRequest) -> dict[str, str]:
    return {each["id"]: each["verdict"] for each in one.participants if each["verdict"]}


def later(works: Works, vendor: Vendor) -> list[str]:
    """What a poll asks an hour later."""
    with clock.shifted(timedelta(hours=1)):
        return [path.removeprefix(LIST) for path in poll(works, vendor)]


@contextmanager
def line(works: Works, vendor: Vendor, connection: Connection) -> Iterator[Line]:
    """The project has a hook that workers made, which leads here by way of a receiver."""
    rules = CONNECTOR.manifest.hooks
    assert rules is not None
    events = [event.key for event in rules.events]
    made = hooking.choose(works, connection, Arrival.WORKSPACE, events=events, mends_itself=True)
    assert made.secret is not None
    secret = made.secret.reveal().encode()
    at = (works, connection, made.endpoint, made.address, secret, works.acme, works.alice)
    with Receiver() as receiver:
        place = urlsplit(made.address)
        routes = {f"{place.scheme}://{place.netloc}": receiver.url}
        vendor.order("/webhooks", routes=routes)
        yield Line(works, vendor, Sender(*at), receiver)


class TestDataCenter:
    def test_a_first_sync_ends_equal_to_the_truth(
        self, works: Works, vendor: Vendor, whole: Connection
    ) -> None:
        for slug in slugs(works):
            is_equal(works, vendor, slug)
            granted = truth(vendor, slug)["permissions"]
            assert held(works, Permission, slug) == {
                *(f"user:{name}" for name in granted["people"]),
                *(f"group:{name}" for name in granted["groups"]),
            }
            assert held(works, Build, slug)
        assert set(states(works).values()) == {"current"}
        with works.inside():
            form = SyncChoiceForm.of(whole)
        assert "no list of deployments" in str(form.fields["streams"].help_text)

        slug = slugs(works)[0]
        merged = next(one for one in truth(vendor, slug)["pull_requests"] if one["merge_commit"])
        number = str(merged["id"])
        fetched(works, whole, slug, Target("pull-requests", number))
        assert works.sync(whole, SPACE).state == "done"
        with works.inside():
            row = PullRequest.objects.get(repository__slug=slug, remote_id=number)
        assert row.closed_by_remote_id == merged["closed_by"], "lists do not tell who merged"

    def test_nothing_new_costs_a_page_of_what_may_have_changed(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        before = written(works)

        asked = later(works, vendor)

        small = slugs(works)[1]
        assert asked.count("") == 1
        own = [path.removeprefix(f"/{small}/") for path in asked if path.startswith(f"/{small}/")]
        assert sorted(own) == ["branches", "pull-requests", "tags"]
        assert len(asked) <= 1 + 2 * 4
        after = written(works)
        del before["connections_streamstate"], after["connections_streamstate"]
        assert before == after

    def test_a_push_costs_one_request_for_its_commits(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        slug = slugs(works)[1]
        before = len(vendor.requests())
        main = truth(vendor, slug)["repository"]["mainbranch"]
        change(vendor, "/push", slug, branch=main, commits=2)

        later(works, vendor)

        is_equal(works, vendor, slug)
        own = [one for one in vendor.requests()[before:] if one["path"] == f"{LIST}/{slug}/commits"]
        assert len(own) == 1 and "since=" in own[0]["query"]

    def test_random_changes_are_found_though_no_date_tells_of_them(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        for slug in slugs(works):
            wish = {"repositories": [slug], "kinds": KINDS, "count": 13, "seed": 5}
            vendor.order("/data-center/activity", workspace=SPACE, **wish)

        later(works, vendor)

        for slug in slugs(works):
            is_equal(works, vendor, slug)
        first, second = slugs(works)
        change(vendor, "/repositories", first, rename=first, new_slug="renamed")
        change(vendor, "/repositories", second, delete=[second])
        change(vendor, "/repositories", second, create="brand-new", commits=3)

        later(works, vendor)

        is_equal(works, vendor, "renamed")
        is_equal(works, vendor, "brand-new")
        with works.inside():
            assert Repository.objects.get(slug=second).gone_at is not None
            assert not Repository.objects.filter(slug=first).exists()

    def test_webhooks_in_any_order_end_as_at_the_server(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        """As a server of 10 sends them, with ISO dates, to a hook that workers made and remove."""
        vendor.order("/data-center/switches", iso_dates=True)
        with line(works, vendor, connection) as at:
            assert hooking.stands(works, connection) == ["present"]
            (hook,) = vendor.ask(f"/data-center/truth?workspace={SPACE}")["hooks"]
            assert (hook["url"], hook["secret_set"]) == (at.sender.address, True)
            for slug in slugs(works):
                wish = {"repositories": [slug], "kinds": KINDS, "count": 9, "seed": 3}
                vendor.order("/data-center/activity", workspace=SPACE, **wish)
            messages = at.sent()
            messages += messages[::2]
            random.Random(7).shuffle(messages)
            at.deliver(messages)
            at.work()
            at.work(seconds=9)

            assert len(messages) > 20
            assert {one.state for one in at.sender.deliveries()} == {"applied"}
        for slug in slugs(works):
            is_equal(works, vendor, slug)
        hooking.do(works, hook_choice.poll_only, connection)
        assert vendor.ask(f"/data-center/truth?workspace={SPACE}")["hooks"] == []
