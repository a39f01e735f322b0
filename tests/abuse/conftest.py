"""What the abuse cases share: Alice's browser, and a consumer to link with."""

from __future__ import annotations

import pytest

from connections.models import Consumer
from tests.abuse.bench import Bench
from tests.abuse.browsers import Browser
from tests.vendor import Vendor
from tests.works import Works


@pytest.fixture
def alice(works: Works) -> Browser:
    return Browser(works, works.alice)


@pytest.fixture
def consumer(works: Works, vendor: Vendor) -> Consumer:
    return works.register(vendor.consumer("acme-portal"))


@pytest.fixture(scope="module")
def bench(module_works: Works, vendor_process: Vendor) -> Bench:
    """One linked connection for a whole module; each test leaves it as alive as it found it."""
    return Bench(module_works, vendor_process)
