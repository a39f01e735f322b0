"""What several files of this folder stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connections.models import Connection
from tests.connections.hook_line import Line, line
from tests.vendor import Vendor
from tests.works import Works


@pytest.fixture
def at(works: Works, vendor: Vendor, connection: Connection) -> Iterator[Line]:
    """The way of webhooks to the `connection` that the file itself makes."""
    with line(works, vendor, connection) as opened:
        yield opened
