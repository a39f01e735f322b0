"""What the abuse cases share: Alice's browser, and a consumer to link with."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.test import override_settings

from connections import access
from connections.models import Consumer
from portal import keyfile, keyring
from tests import keys
from tests.abuse.bench import Bench
from tests.abuse.browsers import Browser
from tests.vendor import VENDORS, Vendor
from tests.works import Works


@pytest.fixture
def alice(works: Works) -> Browser:
    return Browser(works, works.alice)


@pytest.fixture
def consumer(works: Works, vendor: Vendor) -> Consumer:
    return works.register(vendor.consumer("acme-portal"))


@pytest.fixture(scope="module")
def bench(
    module_database: None, vendor_process: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """One linked connection for a whole module; each test leaves it as alive as it found it."""
    vendor_process.order("/reset")
    texts = keyring.generate()
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    worker_file = tmp_path_factory.mktemp("keys") / "worker.json"
    worker_file.write_text(texts["worker"])
    os.chmod(worker_file, 0o600)
    led = dict.fromkeys(VENDORS, vendor_process.url)
    with (
        override_settings(SANDBOX_ORIGINS=[vendor_process.url], CONNECTOR_ORIGINS=led),
        keys.holding(keys.everything(rings)),
    ):
        access.door.cache_clear()
        yield Bench(worker_file, vendor_process)
    access.door.cache_clear()
