"""Many threads of many processes want one expired token: the vendor is asked once."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from connections import places
from connections.models import Connection, Credential, RefreshAttempt
from portal import clock, roles, vault
from tests.connections.crowd import process
from tests.connections.ways import link_by_consent
from tests.vendor import Vendor
from tests.works import Works

# The whole crowd of 5 × 200 asks in `bin/prove refresh`.
PROCESSES, THREADS = 3, 60


@pytest.mark.parametrize("reuse", ["grace", "revokes_family"])
def test_a_crowd_makes_one_call_and_all_get_the_new_token(
    reuse: str, works: Works, vendor: Vendor
) -> None:
    """Also where a second use of the refresh token would revoke the whole grant."""
    connection = works.connection(link_by_consent(works, vendor))
    vendor.order("/switches", refresh_reuse=reuse)
    vendor.order("/latency", ms=1500, match="POST /site/*")
    with works.inside():
        Credential.objects.update(expires_at=clock.now() - timedelta(minutes=1))
    before = calls(vendor)

    got = crowd(works, connection)

    with roles.using_role("worker"), works.inside():
        credential = Credential.objects.get()
        token = vault.open(places.of_credential(credential, places.ACCESS)).reveal()
        assert credential.version == 2
        assert RefreshAttempt.objects.count() == 1
    assert len(got) == PROCESSES * THREADS
    assert set(got) == {hashlib.sha256(token.encode()).hexdigest()}
    assert calls(vendor) == before + 1


def calls(vendor: Vendor) -> int:
    return len([one for one in vendor.requests() if one["path"].endswith("/access_token")])


def crowd(works: Works, connection: Connection) -> list[str]:
    """What every thread of every process got."""
    processes = [process(works, connection, THREADS) for _ in range(PROCESSES)]
    assert all(one.is_ready() for one in processes)
    for one in processes:
        one.begin()
    return [found for one in processes for found in one.got()]
