"""What tests of the first floor may ask for beside the database: the sandbox, keys, a small cast."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import keys
from tests.vendor import vendor, vendor_process
from tests.works import Works

__all__ = ["vendor", "vendor_process"]


@pytest.fixture
def works(db: None) -> Iterator[Works]:
    """An organization with people, and a way to do what waits for workers."""
    with keys.holding(keys.everything(keys.rings())):
        yield Works()
