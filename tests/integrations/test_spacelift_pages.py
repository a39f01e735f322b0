"""What people see of Spacelift: the catalogue, the wizard, and a connection that copies nothing."""

from __future__ import annotations

from html import unescape

from tests.connections.pages import base_of, signed_in, text
from tests.integrations.test_spacelift_flows import ACME, WRITE, key_of, linked

BILLED = "as a user"
GONE = ("Sync", "Deliveries", "Webhooks", "Repositories")


def test_the_catalogue_and_the_wizard_show_what_a_key_costs_and_where_to_click(works, vendor):
    ada = signed_in(works.admin)
    card = unescape(text(ada.get("/o/acme/catalogue/")))
    card = card[card.index("Stacks that build from your repositories") :]
    assert BILLED in card and "first sync" not in card

    product = unescape(text(ada.get("/o/acme/catalogue/spacelift/")))
    assert BILLED in product and "first sync" not in product and "Space Reader" not in product

    steps = ada.post("/o/acme/catalogue/spacelift/link")["Location"].removesuffix("what")
    assert "Space Reader" in text(ada.get(steps + "what"))
    how = ada.post(steps + "what", {"capabilities": ["spaces-read"], "reason": ""})["Location"]
    page = unescape(text(ada.get(how)))
    assert BILLED in page and "OAuth consumer" not in page

    page = unescape(text(ada.get(steps + "consent?method=api-key")))
    assert "Address of your Spacelift account" in page and "API key secret" in page
    assert "Create API key" in page and "type OIDC has no secret" in page

    key = key_of(vendor, "reader")
    form = {"base_url": ACME, "key_id": key["id"], "secret": key["secret"], "name": "Stacks"}
    short = ada.post(steps + "consent?method=api-key", form | {"key_id": "01J8", "team": ""})
    assert short.status_code == 400 and key["secret"] not in short.content.decode()
    ada.post(steps + "consent?method=api-key", form | {"team": ""})
    works.drain()
    arrived = ada.get(steps + "check")["Location"]
    assert arrived.endswith("/verification")
    assert "Platform &amp; &lt;Reliability&gt;" in text(ada.get(arrived))


def test_a_connection_that_copies_nothing_promises_no_sync_and_shows_its_spaces(works, vendor):
    connection = linked(works, vendor, "payments-writer", capabilities=WRITE)
    ada, base = signed_in(works.admin), base_of(connection)

    page = unescape(text(ada.get(base)))
    tabs = page[page.index('class="tabs') :].partition("</nav>")[0]
    assert not [word for word in GONE if f">{word}<" in tabs] and ">Spaces" in tabs
    assert "Choose what to read" not in page
    spaces = unescape(text(ada.get(base + "repositories")))
    assert "Payments · production" in spaces and "Nothing of Spacelift is copied" in spaces

    matrix = text(ada.get(base + "verification"))
    places = matrix[matrix.index("In each place") :].partition("</table>")[0]
    assert (places.count("4 of 5"), places.count("3 of 5")) == (2, 1)
    assert places.count("Not: Start runs, Keep integrations with code hosts in order") == 1
    assert "right:" not in matrix and "Allowed here" not in matrix

    settings = unescape(text(ada.get(base + "settings")))
    assert "works at Spacelift until you delete it there" in settings
