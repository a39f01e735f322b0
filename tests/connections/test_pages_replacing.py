"""The pages of a replacement without a browser: each step, its buttons, and what is over."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from connections.flows import replacement
from connections.models import Connection, Replacement
from tests.connections.pages import signed_in
from tests.connections.test_replacement import another, do, hand_in, linked, now
from tests.vendor import Vendor
from tests.works import Works


def page(client: Client, connection: Connection, name: str = "connection_replace") -> str:
    answer = client.get(reverse(name, args=["acme", connection.id]), follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, connection: Connection, deed: str, **sent: str) -> str:
    """Where the deed's form leads to."""
    url = reverse("connection_replace_act", args=["acme", connection.id, deed])
    answer = client.post(url, sent)
    assert answer.status_code in (303, 400, 404)
    return str(answer.get("Location", answer.status_code))


def test_each_step_says_what_is_next(works: Works, vendor: Vendor) -> None:
    connection = linked(works, vendor)
    client = signed_in(works.alice)
    assert "Step 1 of 4" in page(client, connection)
    url = reverse("connection_replace", args=["acme", connection.id])
    form = {"email": "dana@acme.example", "token": "••••"}
    refused = client.post(f"{url}?method=api-token", form)
    assert refused.status_code == 400 and b"Those are only dots" in refused.content  # F20

    form["token"] = another(vendor)
    assert client.post(f"{url}?method=api-token", form).status_code == 303
    assert "A worker is at it" in page(client, connection)
    works.drain()
    shown = page(client, connection)
    assert "Switch to the new one" in shown and form["token"] not in shown  # F18

    with works.inside():
        one = replacement.under_way(connection)
    assert one is not None
    assert act(client, connection, "switch", replacement=str(connection.id)) == "400"  # F06
    assert act(client, connection, "erase") == "404"
    assert act(client, connection, "switch").endswith(f"?of={one.id}")
    works.drain()
    assert "I have withdrawn it" in page(client, connection)
    tab = page(client, connection, "connection_credential")
    assert "A replacement is under way" in tab

    act(client, connection, "withdrawn", replacement=str(one.id))
    works.drain()
    assert now(works, one).stage == Replacement.Stage.DONE
    over = client.get(f"{url}?of={one.id}")
    assert over["Location"].endswith("/credential")
    assert "Withdrawn by hand" in page(client, connection, "connection_credential")


def test_a_replacement_that_failed_says_why(works: Works, vendor: Vendor) -> None:

    connection = linked(works, vendor)
    one = hand_in(works, connection, another(vendor))
    works.link_by_token(vendor.token("dana-full"), relink=connection)
    one = do(works, replacement.switch, one)

    tab = page(signed_in(works.alice), connection, "connection_credential")
    assert "The connection moved on meanwhile" in tab
