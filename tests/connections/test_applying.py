"""Deliveries become what the vendor has now: once, in any order, and one bad one alone."""

from __future__ import annotations

import json
import random
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections as databases

from connections.flows import waking
from connections.models import (
    Branch,
    Connection,
    Delivery,
    DirtyTarget,
    Repository,
    Workspace,
)
from portal import clock, roles, work
from tests import scenes
from tests.connections.coding import SPACE, held, is_equal, linked, slugs, truth
from tests.connections.hook_line import Line
from tests.connections.ways import again
from tests.servers import Servers
from tests.vendor import ROOT, Vendor
from tests.works import Works

FIXTURES = ROOT / "integrations/bitbucket_cloud/fixtures"
LIST = f"/2.0/repositories/{SPACE}"
KINDS = [
    *("push", "force_push", "branch_create", "branch_delete", "tag_create"),
    *("pull_request_create", "approve", "comment", "merge", "decline"),
]


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """Everything of three repositories was read once."""
    made = linked(works, vendor)
    assert works.sync(made, SPACE).state == "done"
    return again(works, made)


def push(vendor: Vendor, slug: str, **wish: Any) -> None:
    vendor.order("/push", workspace=SPACE, repository=slug, **wish)


def asked(vendor: Vendor, since: int) -> list[str]:
    return [one["path"] for one in vendor.requests()[since:]]


def main_of(works: Works, slug: str) -> str:
    with works.inside():
        return str(Repository.objects.get(slug=slug).main_branch)


class TestOneDelivery:
    def test_what_it_names_is_fetched_and_it_says_what_came_of_it(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        push(at.vendor, slug, branch="told", commits=1)
        before = len(at.vendor.requests())
        messages = at.sent()
        at.deliver(messages)
        at.works.drain()

        assert asked(at.vendor, before)[0] == f"{LIST}/{slug}/refs/branches/told"
        is_equal(at.works, at.vendor, slug)
        (delivery,) = at.sender.deliveries()
        assert (delivery.state, delivery.attempts, delivery.error) == ("applied", 1, "")
        assert delivery.effect == {
            "says": "Pushed told",
            "touches": [["branches", "branch:told"], ["commits", ""]],
            "came": {"branches branch:told": "changed", "commits": "left_to_sync"},
        }
        assert delivery.repository_id is not None and at.dirty() == []

    def test_w13_a_replay_costs_one_request_and_finds_nothing_new(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        number = truth(at.vendor, slug)["pull_requests"][0]["id"]
        wish = {"workspace": SPACE, "repository": slug, "do": "comment", "id": number}
        at.vendor.order("/pull-requests", **wish)
        (message,) = at.sent()
        at.deliver([message])
        at.work()
        before = len(at.vendor.requests())
        for other in range(5):
            headers = message.headers | {"x-request-uuid": f"00000000-0000-4000-8000-{other:012}"}
            at.deliver([type(message)(headers, message.body)])
        at.work()

        assert asked(at.vendor, before) == [f"{LIST}/{slug}/pullrequests/{number}"]
        first, *others = at.sender.deliveries()
        assert [one.possible_replay for one in (first, *others)] == [False] + [True] * 5
        assert {one.state for one in (first, *others)} == {"applied"}
        assert {*others[-1].effect["came"].values()} == {"nothing_new"}

    def test_one_object_is_fetched_once_in_two_seconds(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        before, began = len(at.vendor.requests()), time.monotonic()
        for _ in range(3):
            push(at.vendor, slug, branch="busy", commits=1)
            at.deliver(at.sent())
            at.works.drain()
        most = 1 + (time.monotonic() - began) // 2  # a busy machine needs longer for the three
        busy = f"{LIST}/{slug}/refs/branches/busy"
        assert 1 <= asked(at.vendor, before).count(busy) <= most

        with clock.shifted(timedelta(seconds=2.5)):
            at.works.drain()
        assert 2 <= asked(at.vendor, before).count(busy) <= most + 1
        is_equal(at.works, at.vendor, slug)
        for one in at.sender.deliveries():
            assert one.effect["came"]["branches branch:busy"] == "changed"


class TestAnyOrder:
    @pytest.mark.parametrize("order", ["queued", "reversed", "shuffled and doubled"])
    def test_it_ends_as_at_the_vendor(self, order: str, at: Line) -> None:
        at.vendor.order("/switches", pull_requests_move_repository=True)
        for slug in slugs(at.works):
            wish = {"repositories": [slug], "kinds": KINDS, "count": 6, "seed": 3}
            at.vendor.order("/activity", workspace=SPACE, **wish)
        messages = at.sent()
        assert len(messages) > 10
        if order == "reversed":
            messages.reverse()
        if order == "shuffled and doubled":
            messages += messages[::2]
            random.Random(7).shuffle(messages)
        half = len(messages) // 2
        at.deliver(messages[:half])
        at.work()
        at.deliver(messages[half:])
        at.work()
        with clock.shifted(timedelta(seconds=9)):
            at.works.drain()

        for slug in slugs(at.works):
            is_equal(at.works, at.vendor, slug)
        assert {one.state for one in at.sender.deliveries()} == {"applied"}
        assert at.dirty() == []
        with at.works.inside():
            marked = sum(DirtyTarget.objects.values_list("told", flat=True))
        assert marked == sum(len(one.effect["touches"]) for one in at.sender.deliveries())

    def test_w17_a_late_delivery_brings_nothing_old_back(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        push(at.vendor, slug, branch="short", commits=1)
        made = at.sent()
        push(at.vendor, slug, branch="short", delete=True)
        at.deliver(at.sent())
        at.work()
        at.deliver(made)
        at.work()

        assert "branch:short" not in held(at.works, Branch, slug)
        assert at.sender.deliveries()[-1].effect["came"]["branches branch:short"] == "absent"


class TestRepositories:
    def test_a_new_a_renamed_a_deleted_and_a_transferred_one(self, at: Line) -> None:
        old, gone, moved = slugs(at.works)
        at.vendor.order("/repositories", workspace=SPACE, create="brand-new", commits=2)
        at.vendor.order("/repositories", workspace=SPACE, rename=old, new_slug="renamed")
        at.vendor.order("/repositories", workspace=SPACE, delete=[gone])
        with at.works.inside():
            uuid = Repository.objects.get(slug=moved).remote_id
            acme = Workspace.objects.get(slug="acme").remote_id
        at.vendor.order("/repositories", workspace=SPACE, rename=moved, new_slug="moved-away")
        at.vendor.order("/repositories", workspace=SPACE, transfer="moved-away", to="acme")
        home = {"uuid": uuid, "workspace": {"uuid": acme}, "full_name": "acme/moved-away"}
        at.tell({"repository": home}, event="repo:transfer")
        push(at.vendor, "brand-new", branch="main", commits=1)
        push(at.vendor, "renamed", branch="main", commits=1)
        at.deliver(at.sent())
        at.work()
        at.work(seconds=6)

        with at.works.inside():
            rows = Repository.objects.filter(workspace__slug=SPACE)
            present = dict(rows.values_list("slug", "gone_at"))
        assert {slug for slug, at_ in present.items() if at_ is None} == {"brand-new", "renamed"}
        for slug in ("brand-new", "renamed"):
            is_equal(at.works, at.vendor, slug)
        assert {one.state for one in at.sender.deliveries()} == {"applied"}

    def test_a_lost_repository_takes_nothing_in_it_along(self, at: Line) -> None:
        """A repository that is not found says nothing of its branches."""
        slug = slugs(at.works)[0]
        main = main_of(at.works, slug)
        push(at.vendor, slug, branch=main, commits=1)
        at.vendor.order("/faults", match=f"GET {LIST}/*", kind="status", status=404, times=None)
        at.deliver(at.sent())
        at.work()

        assert f"branch:{main}" in held(at.works, Branch, slug)
        assert at.sender.deliveries()[0].effect["came"][f"branches branch:{main}"] == "remote_gone"

    def test_an_endpoint_that_the_vendor_removed_empties_nothing(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        main = main_of(at.works, slug)
        push(at.vendor, slug, branch=main, commits=1)
        body = json.loads((FIXTURES / "error__removed.json").read_text())
        match = f"GET {LIST}/{slug}/refs/*"
        at.vendor.order("/faults", match=match, kind="status", status=410, body=body, times=None)
        at.deliver(at.sent())
        at.work()

        assert f"branch:{main}" in held(at.works, Branch, slug)
        came = at.sender.deliveries()[0].effect["came"]
        assert came[f"branches branch:{main}"] == "endpoint_removed"

    def test_w18_another_workspace_is_kept_apart(self, at: Line) -> None:
        elsewhere = {"uuid": "{9}", "workspace": {"uuid": "{8}"}, "full_name": "x/y"}
        foreign = at.tell({"repository": elsewhere, "push": {"changes": []}})
        with at.works.inside():
            acme = Workspace.objects.get(slug="acme").remote_id
        theirs = {"uuid": "{9}", "workspace": {"uuid": acme}, "full_name": "acme/y"}
        not_chosen = at.tell({"repository": theirs, "push": {"changes": []}})
        before = len(at.vendor.requests())
        at.work()

        found = at.now(foreign)
        assert (found.state, found.error, found.effect["because"]) == (
            *("ignored", "foreign"),
            "foreign",
        )
        assert at.now(not_chosen).effect["because"] == "not_chosen"
        assert asked(at.vendor, before) == []


class TestProjects:
    def test_its_event_names_a_workspace_and_no_repository(self, at: Line) -> None:
        with at.works.inside():
            uuid = Workspace.objects.get(slug=SPACE).remote_id
        project = {"key": "WEB", "workspace": {"uuid": uuid}}
        told = at.tell({"project": project}, event="project:updated")
        at.works.drain()

        found = at.now(told)
        assert (found.state, found.error) == ("applied", "")
        assert found.effect["touches"] == [["projects", ""]]

    def test_an_older_message_names_the_owner_only(self, at: Line) -> None:
        with at.works.inside():
            uuid = Workspace.objects.get(slug=SPACE).remote_id
        new = {"uuid": "{9}", "owner": {"uuid": uuid}, "full_name": f"{SPACE}/y"}
        told = at.tell({"repository": new, "push": {"changes": []}})
        at.works.drain()

        assert at.now(told).effect["touches"] == [["repositories", "{9}"]]


class TestWhatCannotBeRead:
    def test_w19_w21_each_ends_at_once_for_its_own_reason(self, at: Line) -> None:
        slug = slugs(at.works)[0]
        unknown = at.tell({}, event="repo:teleported")
        broken = at.tell(b'{"push": ')
        listed = at.tell(b"[]")
        push(at.vendor, slug, branch="fine", commits=1)
        at.deliver(at.sent())
        at.works.drain()

        assert [(at.now(one).state, at.now(one).error) for one in (unknown, broken, listed)] == [
            *(("ignored", ""), ("dead", "unreadable"), ("dead", "unreadable"))
        ]
        assert at.now(unknown).effect["because"] == "unknown_event"
        assert at.now(broken).error_detail == "The message is not JSON."
        assert at.now(broken).attempts == 1
        assert "branch:fine" in held(at.works, Branch, slug)

    def test_w22_one_that_cannot_be_kept_goes_alone_and_then_no_more(
        self, at: Line, servers: Servers
    ) -> None:
        good = [at.tell({}, event="issue:created") for _ in range(3)]
        poison = at.tell({}, event="repo:poison")
        good += [at.tell({"n": 1}, event="issue:created")]
        name = databases["default"].settings_dict["NAME"]
        with servers.postgres.connect(name) as admin:
            admin.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22000'; END $$"
            )
            admin.execute(
                "CREATE TRIGGER refuse BEFORE UPDATE ON connections_delivery FOR EACH ROW WHEN"
                " (NEW.event_key = 'repo:poison' AND NEW.state = 'ignored')"
                " EXECUTE FUNCTION refuse()"
            )
        at.works.drain()
        assert {at.now(one).state for one in good} == {"ignored"}

        waited, waits = 0.0, []
        for _ in range(4):
            found = at.now(poison)
            assert (found.state, found.error) == ("new", "not_kept")
            waits.append((found.next_at - found.applied_at).total_seconds())
            waited += waits[-1] + 3  # a moment later the sweep believes that nobody has it in hand
            with clock.shifted(timedelta(seconds=waited)), roles.using_role("worker"):
                waking.wake()
                work.drain()
        found = at.now(poison)
        assert (found.state, found.error, found.attempts) == ("dead", "not_kept", 6)
        assert [one["state"] for one in found.tries] == ["new"] * 4 + ["dead"]
        for wait, least in zip(waits, (30, 120, 600, 3600), strict=False):
            assert least <= wait <= least * 1.2 + 1

    def test_w24_one_that_ended_each_worker_is_dead(self, at: Line) -> None:
        poison = at.tell({}, event="repo:push")
        with roles.using_role("worker"), at.works.inside():
            Delivery.objects.filter(id=poison.id).update(attempts=6)
        at.works.drain()

        found = at.now(poison)
        assert (found.state, found.error, found.attempts) == ("dead", "never_finished", 7)

    def test_strange_text_is_no_poison(self, at: Line) -> None:
        with at.works.inside():
            repository = Repository.objects.select_related("workspace").first()
            home = {
                "uuid": repository.remote_id,
                "workspace": {"uuid": repository.workspace.remote_id},
                "full_name": "\ud800\u0000",
            }
        name = "a\u0000b\ud800\u202e"
        ref = {"type": "branch", "name": name, "target": {"hash": "a1" * 20, "message": name}}
        actor = {"uuid": "{7}", "display_name": name, "type": "user"}
        change = {"new": ref, "commits": [{"hash": "a1" * 20, "message": name}]}
        body = {"repository": home, "actor": actor, "push": {"changes": [change]}}
        strange = at.tell(body)
        at.work()

        assert (at.now(strange).state, at.now(strange).error) == ("applied", "")
