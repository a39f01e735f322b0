"""Webhooks at their edges: workers that die, a test on the real way, and a connection that ends."""

from __future__ import annotations

from typing import Any

import pytest

from connections.flows import hook_trial, lifecycle
from connections.hook_matching import Expected, matched
from connections.models import Arrival, Connection, Hook
from connections.queries.hook_inventory import HookWishList, inventory
from connections.queries.hooks import hooks_tab
from connections.records import HookRecord
from portal.policy import Role
from tests import ingesting
from tests.connections.hooking import (
    OWN,
    Bitbucket,
    choose,
    do,
    now,
    plan,
    settle,
    stands,
)
from tests.connections.pages import base_of, refused, signed_in, text
from tests.connections.test_self_hosted import linked as linked_at_home
from tests.vendor import Vendor, free_port
from tests.works import Works

ADDRESS = "https://hooks.example/hooks/v1/" + "a" * 43
OTHER = "https://hooks.example/hooks/v1/" + "b" * 43
EVENTS = ("repo:push",)


def hook(**changed: Any) -> HookRecord:
    usual = {"remote_id": "1", "url": ADDRESS, "active": True, "events": EVENTS}
    return HookRecord(**{**usual, "title": "Portal: Acme", "secret_set": True, **changed})


@pytest.mark.parametrize(
    ("hooks", "stand", "remote_id"),
    [
        ([], "missing", ""),
        ([hook(url=OTHER, remote_id="9")], "missing", ""),  # looks like ours, and is not
        ([hook(url="https://ci.example/", remote_id="7", title="CI")], "missing", ""),  # taken over
        ([hook(url="https://ci.example/", remote_id="7")], "address", "7"),
        ([hook(url="http://hooks.example/hooks/v1/" + "a" * 43)], "address", "1"),
        ([hook(active=False), hook(remote_id="2")], "present", "2"),
        ([hook(secret_set=False)], "no_secret", "1"),
        ([hook(secret_set=None)], "present", "1"),
        ([hook(events=("repo:push", "repo:fork"))], "events", "1"),
        ([hook(url="https://ci.example/", title="x", remote_id=str(n)) for n in range(50)],
         "full", ""),
    ],
)  # fmt: skip
def test_ours_is_told_from_all_others(hooks: list[HookRecord], stand: str, remote_id: str) -> None:
    wish = Expected(ADDRESS, "Portal: Acme", frozenset(EVENTS), 50, "7", has_newest_secret=True)
    found = matched(hooks, wish)
    assert (found.stand, found.remote_id) == (stand, remote_id)
    assert found.strangers == len(hooks) - bool(remote_id) - len(found.extras)


class TestTheConnectionEnds:
    def test_our_hooks_go_before_the_credential(
        self, works: Works, vendor: Vendor, account: Connection
    ) -> None:
        connection, bitbucket = account, Bitbucket(vendor)
        places = bitbucket.places(works)
        bitbucket.add(places[0])
        choose(works, connection, mends_itself=True)
        before = len(bitbucket.hooks(places[0]))
        revoke(works, connection)
        settle(works)
        assert [bitbucket.ours(place) for place in places] == [[], [], []]
        assert len(bitbucket.hooks(places[0])) == before - 1
        assert plan(works, connection).left_behind == []

    def test_what_could_not_be_removed_is_named(
        self, works: Works, vendor: Vendor, account: Connection
    ) -> None:
        connection, bitbucket = account, Bitbucket(vendor)
        choose(works, connection, mends_itself=True)
        name = bitbucket.places(works)[1].removeprefix("repositories/")
        match = f"DELETE /2.0/repositories/{name}/hooks/*"
        vendor.order("/faults", match=match, kind="status", status=403, times=9)
        revoke(works, connection)
        settle(works)
        (left,) = plan(works, connection).left_behind
        assert left["name"] == name
        page = text(signed_in(works.alice).get(f"{base_of(connection)}hooks/"))
        assert name in page and "Remove them at Bitbucket Cloud" in page


def revoke(works: Works, connection: Connection) -> None:
    with works.inside():
        lifecycle.revoke(actor=works.alice, connection=here(connection), typed_name=connection.name)


def here(connection: Connection) -> Connection:
    found: Connection = Connection.objects.get(id=connection.id)
    return found


def test_a_test_goes_the_real_way(
    works: Works, vendor: Vendor, account: Connection, settings: Any
) -> None:
    """Arrived means stored; else the reason is named, with what to do about it."""
    connection = account
    with ingesting.process(works) as running:
        settings.HOOKS_URL = f"http://127.0.0.1:{running.port}"
        choose(works, connection)
        do(works, hook_trial.ask, connection)
        assert tried(works, connection) == ("arrived", 202)
        a_server_is_asked_for_its_own(works, vendor)
        settings.HOOKS_URL = f"http://127.0.0.1:{free_port()}"
        do(works, hook_trial.ask, connection)
        assert tried(works, connection) == ("unreachable", None)
        settings.HOOKS_URL = vendor.url
        do(works, hook_trial.ask, connection)
        assert tried(works, connection) == ("not_found", 404)
    with works.inside():
        shown = hooks_tab(here(connection), "Bitbucket Cloud")
        assert shown.trial is not None and "leads somewhere else" in shown.trial.remedy


def tried(works: Works, connection: Connection) -> tuple[str, int | None]:
    found = plan(works, connection)
    return found.test_stand, found.test_status


def a_server_is_asked_for_its_own(works: Works, vendor: Vendor) -> None:
    """Data Center sends one on request; there the hook of a project serves its repositories."""
    connection = linked_at_home(works, vendor, token="dana-admin")
    with works.inside():
        capabilities = [*connection.capabilities, "webhooks-manage"]
        Connection.objects.filter(id=connection.id).update(capabilities=capabilities)
    works.sync(connection, "PAY")
    wish = ["repo:refs_changed", "project:modified"]
    choose(works, now(works, connection), Arrival.WORKSPACE, events=wish, mends_itself=True)
    assert stands(works, connection) == ["present"]
    do(works, hook_trial.ask, connection)
    assert tried(works, connection)[0] == "by_vendor"


class TestPages:
    def test_the_address_is_for_those_who_manage_it(
        self, works: Works, vendor: Vendor, account: Connection
    ) -> None:
        connection = account
        client, base = signed_in(works.alice), f"{base_of(connection)}hooks/"
        page = text(client.get(base))
        assert "Changes at Bitbucket Cloud are found by asking at intervals" in page
        triggers = ["repo:push", "pullrequest:created"]
        wish = {"hooks-arrival": "repository", "hooks-events": triggers}
        made = client.post(f"{base}choose", wish)
        shown = text(made)
        address = shown.split("/hooks/v1/")[1][:43]
        assert "shown only now" in shown and made["Cache-Control"] == "no-store"
        settle(works)

        page = text(client.get(base))
        assert address in page and "Missing" in page
        assert address in refused(client.post(f"{base}choose", wish | {"hooks-events": []}))
        auditor = works.person("otto@acme.example", "Otto", Role.AUDITOR)
        read = text(signed_in(auditor).get(base))
        assert address not in read and "Missing" in read
        assert signed_in(auditor).post(f"{base}look").status_code == 403

        assert "3 webhooks to make" in text(client.get(f"{base}repair"))
        client.post(f"{base}repair")
        settle(works)
        assert "3 of 3 webhooks are as they should be" in text(client.get(base))
        assert "told" in text(client.get(f"{base}secret"))
        again = text(client.post(f"{base}secret"))
        assert "shown only now" in again
        settle(works)
        page = text(client.get(base))
        assert "End the former now" in page
        client.post(f"{base}secret/end")
        works.drain()
        assert "End the former now" not in text(client.get(base))
        assert "in 3 places" in text(client.get(f"{base}polling"))
        client.post(f"{base}polling")
        settle(works)
        assert "No webhooks are used" in text(client.get(base))

    def test_filters_count_and_find(
        self, works: Works, vendor: Vendor, account: Connection
    ) -> None:
        connection = account
        choose(works, connection)
        with works.inside():
            one = Hook.objects.select_related("repository").first()
            assert one is not None and one.repository is not None
            found = inventory(
                here(connection),
                product="Bitbucket Cloud",
                wish=HookWishList.read({"q": one.repository.slug, "state": "missing"}),
                cursor="",
            )
            assert [row.name for row in found.rows] == [one.repository.full_name]
            assert (found.total, found.right, found.wrong) == (3, 0, 3)
        base = f"{base_of(connection)}hooks/"
        assert signed_in(works.alice).get(f"{base}?state=odd").status_code == 400
        assert OWN in text(signed_in(works.alice).get(f"{base}?state=wrong"))


def test_without_webhooks_the_page_says_why(
    works: Works, vendor: Vendor, account: Connection, settings: Any
) -> None:
    connection = account
    settings.HOOKS_URL = ""
    page = text(signed_in(works.alice).get(f"{base_of(connection)}hooks/"))
    assert "no public address for webhooks" in page and "Use webhooks" not in page
