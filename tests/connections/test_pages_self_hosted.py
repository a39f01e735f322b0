"""The wizard and the consumers' page for a product that runs at an address people type."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from connections.flows import hosts
from connections.models import LinkRequest
from tests.connections.pages import base_of, refused, signed_in, text
from tests.connections.test_self_hosted import SLUG, linked, place, token
from tests.vendor import Vendor
from tests.works import Works

CHOSEN = {"capabilities": ["repositories-read", "projects-read"], "reason": ""}
TABS = (
    *("", "verification", "credential", "repositories", "workspaces", "sync", "leases"),
    *("record", "settings", "rotation", "replace"),
)
WORDS = "The portal could not connect to this address"


@pytest.fixture
def ada(works: Works) -> Client:
    return signed_in(works.admin)


def begun(client: Client) -> str:
    steps = client.post(f"/o/acme/catalogue/{SLUG}/link")["Location"].removesuffix("what")
    client.post(steps + "what", CHOSEN)
    return steps


def test_the_form_asks_for_the_address_and_keeps_it_but_not_the_token(
    ada: Client, works: Works, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "FLOOR_SECONDS", 0.0)
    steps = begun(ada)
    page = text(ada.get(steps + "consent?method=user-token"))
    assert "Base URL of your Bitbucket" in page and "REPO_READ" in page

    secret = token(vendor, "dana-read")
    form = {"base_url": "https://10.1.2.3", "token": secret, "name": "Ours", "team": ""}
    page = refused(ada.post(steps + "consent?method=user-token", form))
    assert WORDS in page and "Reference: " in page
    assert "https://10.1.2.3" in page and secret not in page

    vendor.order("/outage", kind="refused")
    answer = ada.post(steps + "consent?method=user-token", form | {"base_url": place(vendor)})
    assert answer["Location"] == steps + "check"
    works.drain()
    vendor.order("/outage", kind="")
    page = text(ada.get(steps + "check"))
    assert WORDS in page and "Reference: " in page and "Enter it again" in page

    again = text(ada.get(steps + "consent?method=password"))
    assert place(vendor) in again, "the address is known when another way is tried"
    ada.post(steps + "consent?method=user-token", form | {"base_url": place(vendor)})
    works.drain()
    arrived = ada.get(steps + "check")["Location"]
    assert "Payments" in text(ada.get(arrived))


def test_a_consumer_names_its_server_where_people_choose_it(
    ada: Client, works: Works, vendor: Vendor
) -> None:
    known = vendor.state()["data_center"]["clients"][0]
    own = "/o/acme/settings/consumers/"
    form = {
        "connector": SLUG,
        "name": "Ours",
        "client_id": known["client_id"],
        "secret": known["secret"],
    }
    page = refused(ada.post(own, form))
    assert 'id="id_base_url_error"' in page
    page = refused(ada.post(own, form | {"base_url": "https://metadata.google.internal"}))
    assert WORDS in page and known["secret"] not in page

    assert ada.post(own, form | {"base_url": place(vendor)})["Location"] == own
    works.drain()

    steps = begun(ada)
    page = text(ada.get(steps + "consent?method=oauth"))
    assert f"Ours ({place(vendor)})" in page and "Base URL of your" not in page


def test_every_tab_of_its_connection_answers(ada: Client, works: Works, vendor: Vendor) -> None:
    connection = linked(works, vendor)
    works.sync(connection, "PAY")
    base = base_of(connection)
    for tab in TABS:
        page = text(ada.get(base + tab))
        assert connection.name in page, tab


def test_who_may_not_name_a_new_server_asks_for_it_from_the_wizard(
    works: Works, vendor: Vendor, ada: Client
) -> None:
    alice = signed_in(works.alice)
    steps = begun(alice)
    form = {"base_url": place(vendor), "token": token(vendor, "dana-read"), "name": "Ours"}
    page = refused(alice.post(steps + "consent?method=user-token", form))
    assert hosts.ASK_FIRST in page and "Ask for this server" in page
    door = unescape(page.split('href="/o/acme/requests/new?')[1].split('"')[0])
    door = f"/o/acme/requests/new?{door}"
    assert place(vendor) in text(alice.get(door))

    asked = {"base_url": place(vendor), "why": "The build runs against it."}
    alice.post(door, asked)
    with works.inside():
        one = LinkRequest.objects.get()
    assert one.kind == "host" and one.state == "open"
    page = refused(alice.post(steps + "consent?method=user-token", form))
    assert hosts.ASK_FIRST in page  # asking alone allows nothing
    assert place(vendor) in text(ada.get(f"/o/acme/requests/{one.id}/"))
    ada.post(f"/o/acme/requests/{one.id}/approve")

    answer = alice.post(steps + "consent?method=user-token", form)
    assert answer["Location"] == steps + "check"
    works.drain()
    assert "Payments" in text(alice.get(alice.get(steps + "check")["Location"]))
