"""Tokens for other services: fresh ones at once, stale ones after a worker, and always on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connections import places
from connections.models import Connection, Credential
from portal import clock, vault
from tests.connections.ways import link_by_consent
from tests.leasing import Service, service
from tests.vendor import Vendor
from tests.works import Works


@pytest.fixture
def code(works: Works, vendor: Vendor) -> Connection:
    """A connection by OAuth whose token is an hour or two from its end."""
    return works.connection(link_by_consent(works, vendor))


@pytest.fixture
def reports(works: Works) -> Service:
    return service(works)


def test_a_fresh_token_with_its_facts(reports: Service, code: Connection, works: Works) -> None:
    response = reports.ask(code, reason="Nightly report")
    assert response.status_code == 200, response.content
    body = response.json()
    with works.inside():
        credential = Credential.objects.get(connection_id=code.id, replaced_at=None)
    assert body["token_type"] == "Bearer"
    assert body["scopes"] == credential.scopes
    assert body["connection"]["id"] == str(code.id)
    assert "refresh" not in response.content.decode()
