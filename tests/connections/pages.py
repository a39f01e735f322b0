"""What the page tests share: a browser that is signed in, and a connection to look at."""

from __future__ import annotations

from typing import Any

from django.test import Client

from connections.models import Connection
from portal.models import User
from portal.policy import Actor
from tests.vendor import Vendor
from tests.works import Works

BASE = "/o/acme/connections/"


def signed_in(actor: Actor) -> Client:
    client = Client()
    client.force_login(User.objects.get(id=actor.id))
    return client


def proven(actor: Actor) -> Client:
    """The same, and they have just confirmed that it is them."""
    client = signed_in(actor)
    client.post("/accounts/reauthenticate/", {"password": "a long enough password"})
    return client


def text(answer: Any) -> str:
    """The page, without the places where a line may break."""
    assert answer.status_code == 200, answer.status_code
    return str(answer.content.decode().replace("<wbr>", ""))


def refused(answer: Any) -> str:
    """The form again, with what is wrong."""
    assert answer.status_code == 400, answer.status_code
    return str(answer.content.decode())


def begun(client: Client) -> str:
    """A link begun; the address of its steps."""
    answer = client.post("/o/acme/catalogue/bitbucket-cloud/link")
    assert answer.status_code == 303
    return str(answer["Location"]).removesuffix("what")


def linked(works: Works, vendor: Vendor, *, token: str = "dana-full", **rest: Any) -> Connection:
    return works.connection(works.link_by_token(vendor.token(token), **rest))


def base_of(connection: Connection) -> str:
    return f"{BASE}{connection.id}/"
