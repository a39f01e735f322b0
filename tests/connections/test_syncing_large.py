"""Ten thousand repositories arrive, each once, in bounded time and memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from connections import access
from connections.models import Repository, Workspace
from tests.vendor import VENDORS, Vendor
from tests.works import Works

MANY = 10_000
GROWTH_KIB = 64 * 1024


@pytest.fixture
def large_vendor() -> Iterator[Vendor]:
    """A sandbox whose first workspace has ten thousand repositories."""
    vendor = Vendor("--repositories", str(MANY))
    origins = dict.fromkeys(VENDORS, vendor.url)
    try:
        with override_settings(SANDBOX_ORIGINS=[vendor.url], CONNECTOR_ORIGINS=origins):
            access.door.cache_clear()
            yield vendor
    finally:
        access.door.cache_clear()
        vendor.stop()


def resident_kib() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_ten_thousand_arrive_once_and_again(works: Works, large_vendor: Vendor) -> None:
    connection = works.connection(
        works.link_by_token(large_vendor.token("dana-full"), capabilities=["repositories-read"])
    )
    works.sync(connection, "yarden")
    before, began = resident_kib(), time.monotonic()
    first = works.sync(connection, "acme")
    took, grown = time.monotonic() - began, resident_kib() - before

    assert (first.state, first.done, first.total) == ("done", MANY, MANY)
    with works.inside():
        kept = Repository.objects.filter(workspace__slug="acme", gone_at=None)
        assert kept.count() == kept.values("remote_id").distinct().count() == MANY
        assert Workspace.objects.get(slug="acme").repository_count == MANY
    assert first.requests == MANY // 100
    assert grown < GROWTH_KIB, f"{grown} KiB more after {first.requests} requests"
    assert took < 60, f"{took:.0f} s"

    large_vendor.order("/repositories", workspace="acme", count=MANY - 40)
    second = works.sync(connection, "acme")
    assert second.state == "done"
    with works.inside():
        assert Repository.objects.filter(workspace__slug="acme", gone_at=None).count() == MANY - 40
