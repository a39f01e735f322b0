"""Abuse case F03: the same form sent many times at once does its deed once, without an error."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from connections.models import (
    Connection,
    Consumer,
    Credential,
    Replacement,
    SyncRun,
    Verification,
    Workspace,
)
from portal.models import AuditEvent, Team
from tests.abuse.browsers import Browser
from tests.connections.test_replacement import another, hand_in
from tests.connections.test_self_hosted import linked as self_hosted
from tests.importing import api_tokens, checked, csv_of, outcomes
from tests.vendor import Vendor
from tests.works import Works

TIMES = 8


def at_once(browser: Browser, url: str, form: dict[str, Any]) -> list[HttpResponse]:
    """The answers to the same form, sent from eight tabs of one browser at the same moment."""
    found: list[HttpResponse] = []
    begin = threading.Barrier(TIMES)

    def send() -> None:
        client = Client(raise_request_exception=False)
        client.cookies = browser.client.cookies.copy()
        begin.wait(10)
        try:
            found.append(client.post(url, form))  # type: ignore[arg-type]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(TIMES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == TIMES
    assert not [answer.status_code for answer in found if answer.status_code >= 500]
    return found


def test_F03_a_pasted_token_links_once(works: Works, alice: Browser, vendor: Vendor) -> None:
    begun = alice.client.post(reverse("link_begin", args=["acme", "bitbucket-cloud"]))
    steps = begun["Location"].removesuffix("what")
    form = {"email": "dana@acme.example", "token": vendor.token("dana-full"), "name": "Acme code"}
    at_once(alice, steps + "consent?method=api-token", form | {"team": ""})
    works.drain()
    with works.inside():
        assert Connection.objects.count() == Credential.objects.count() == 1
        assert Verification.objects.count() == 1


def test_F03_many_links_of_one_account_make_one(
    works: Works, alice: Browser, vendor: Vendor
) -> None:
    with works.inside():
        team = Team.objects.create(name="Red")
    form = {"email": "dana@acme.example", "token": vendor.token("dana-full")}
    for number in range(3):
        begun = alice.client.post(reverse("link_begin", args=["acme", "bitbucket-cloud"]))
        where = begun["Location"].removesuffix("what") + "consent?method=api-token"
        filled = form | {"name": f"Code {number}", "team": str(team.id)}
        assert alice.client.post(where, filled).status_code == 303
    works.drain()
    with works.inside():
        assert Connection.objects.count() == 1


def test_F03_a_consumer_is_registered_once(works: Works, vendor: Vendor) -> None:
    ada = Browser(works, works.admin)
    form = {"connector": "bitbucket-cloud", "name": "Ours", "client_id": "key", "secret": "s" * 20}
    at_once(ada, reverse("consumers", args=["acme"]), form)
    works.drain()
    with works.inside():
        assert Consumer.objects.count() == 1


def test_F03_an_import_starts_once_and_is_undone_once(works: Works, vendor: Vendor) -> None:
    ada = Browser(works, works.admin)
    ada.client.post("/accounts/reauthenticate/", {"password": "a long enough password"})
    with works.inside():
        team = Team.objects.create(name="Red")
    batch = checked(works, csv_of(api_tokens(vendor, 1)), team_id=team.id)
    for name, form in (("import_start", {}), ("import_undo", {"confirm_name": batch.file_name})):
        at_once(ada, reverse(name, args=["acme", batch.id]), form)
        works.drain()
    with works.inside():
        told = Counter(AuditEvent.objects.values_list("action", flat=True))
    assert (told["import.started"], told["import.finished"], told["import.undone"]) == (1, 1, 1)
    assert outcomes(works, batch) == {"undone": 1}


def count_verifications() -> int:
    return int(Verification.objects.filter(outcome="running").count())


def count_runs() -> int:
    return int(SyncRun.objects.count())


def count_revocations() -> int:
    return int(AuditEvent.objects.filter(action="connection.revoked").count())


def count_pauses() -> int:
    return int(AuditEvent.objects.filter(action="connection.paused").count())


@pytest.mark.parametrize(
    ("name", "form", "count"),
    [
        pytest.param("connection_verify", {}, count_verifications, id="F03-verify"),
        pytest.param("connection_sync_start", {}, count_runs, id="F03-sync"),
        pytest.param("connection_pause", {}, count_pauses, id="F03-pause"),
        pytest.param(
            "connection_revoke",
            {"typed_name": "Acme code", "confirm_name": "Acme code"},
            count_revocations,
            id="F03-revoke",
        ),
    ],
)
def test_a_deed_is_done_once(
    name: str, form: dict[str, str], count: Callable[[], int], works: Works, alice: Browser,
    vendor: Vendor,
) -> None:  # fmt: skip
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    with works.inside():
        Workspace.objects.filter(slug="yarden").update(selected=True)
    at_once(alice, reverse(name, args=["acme", connection.id]), form)
    with works.inside():
        assert count() == 1
    works.drain()
    with works.inside():
        connection.refresh_from_db()
    assert connection.last_error == ""


def test_F03_a_rotation_begins_once(works: Works, alice: Browser, vendor: Vendor) -> None:
    connection = self_hosted(works, vendor)
    at_once(alice, reverse("connection_rotate", args=["acme", connection.id]), {})
    works.drain()
    with works.inside():
        (one,) = Replacement.objects.all()
    assert one.stage == Replacement.Stage.DONE
    known = vendor.state()["data_center"]["tokens"]
    assert len([row for row in known if row["name"].startswith("portal-")]) == 1


def test_F03_a_checked_credential_is_switched_to_once(
    works: Works, alice: Browser, vendor: Vendor
) -> None:
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    one = hand_in(works, connection, another(vendor))
    url = reverse("connection_replace_act", args=["acme", connection.id, "switch"])
    at_once(alice, url, {"replacement": str(one.id)})
    works.drain()
    with works.inside():
        assert AuditEvent.objects.filter(action="credential.replaced").count() == 1
        assert Replacement.objects.get().stage == Replacement.Stage.SWITCHED
