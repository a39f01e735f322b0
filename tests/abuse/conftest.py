"""What the abuse cases share: Alice's browser, and a consumer to link with."""

from __future__ import annotations

import pytest

from connections.models import Consumer
from tests.abuse.browsers import Browser
from tests.vendor import Vendor
from tests.works import Works


@pytest.fixture
def alice(works: Works) -> Browser:
    return Browser(works, works.alice)


@pytest.fixture
def consumer(works: Works, vendor: Vendor) -> Consumer:
    return works.register(vendor.consumer("acme-portal"))
