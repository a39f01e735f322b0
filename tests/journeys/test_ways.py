"""A way of each vendor and of each kind is walked from the wizard to its end.

`bin/prove ways` walks all of them; a way of a manifest that it does not know fails here already.
"""

from __future__ import annotations

import pytest

from tests.journeys.windows import Windows
from tests.live import LivePortal
from tests.prove import ways
from tests.prove.ways_known import Way, in_short, missing
from tests.prove.ways_walk import Walk


def test_every_way_of_the_manifests_is_known() -> None:
    assert not missing()


@pytest.mark.parametrize("way", in_short(), ids=lambda way: str(way.connector))
def test_a_way_is_walked_to_its_end(windows: Windows, portal: LivePortal, way: Way) -> None:
    person, key = ways.newcomer(windows, way.connector)

    seen = ways.walk(Walk(person, portal, way, key))

    assert not seen.missed
