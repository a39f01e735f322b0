"""The wizard over HTTP: four steps, back and forth, and every way it can end."""

from __future__ import annotations

import pytest
from django.test import Client

from connections.models import Connection
from tests.connections.pages import begun, signed_in
from tests.vendor import Vendor
from tests.works import Works


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


def test_a_pasted_token_becomes_a_connection(alice: Client, works: Works, vendor: Vendor) -> None:
    steps = begun(alice)
    what = alice.get(steps + "what").content.decode()
    assert "Repositories: Read" in what and "read:repository:bitbucket" in what

    chosen = {"capabilities": ["repositories-read", "workspaces-read"], "reason": ""}
    assert alice.post(steps + "what", chosen)["Location"] == steps + "how"
    assert "Sign in to Bitbucket" in alice.get(steps + "how").content.decode()
    consent = alice.get(steps + "consent?method=api-token").content.decode()
    assert "Create API token with scopes" in consent

    token = vendor.token("dana-full")
    form = {"email": "dana@acme.example", "token": token, "name": "Acme code", "team": ""}
    answer = alice.post(steps + "consent?method=api-token", form)
    assert answer["Location"] == steps + "check"
    waiting = alice.get(steps + "check").content.decode()
    assert "Finding out what this credential may do" in waiting and token not in waiting

    works.drain()
    over = alice.get(steps + "progress")
    assert over["HX-Redirect"] == steps + "check"
    arrived = alice.get(steps + "check")["Location"]
    page = alice.get(arrived).content.decode()
    assert "Which workspaces shall be read?" in page and "Acme" in page

    with works.inside():
        connection = Connection.objects.get(name="Acme code")
        ids = list(connection.workspaces.values_list("id", flat=True))
    base = f"/o/acme/connections/{connection.id}/"
    answer = alice.post(base + "workspaces/choose", {"workspaces": ids})
    assert answer["Location"] == base + "sync"
    assert "Reading now" in alice.get(base + "sync").content.decode()
    works.drain()
    for tab in ("", "verification", "credential", "repositories", "sync", "record", "settings"):
        page = alice.get(base + tab)
        assert page.status_code == 200, tab
        assert token not in page.content.decode()
