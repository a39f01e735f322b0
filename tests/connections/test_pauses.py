"""What comes in a stream is done in fewer sittings, and the first of it waits for nothing."""

from __future__ import annotations

import time

from connections.flows.pauses import Pauses


def test_who_comes_again_at_once_waits_for_the_rest_of_the_pause() -> None:
    pauses = Pauses(3600)
    pauses.note("here")
    pauses.keep("elsewhere")  # an hour, were it not for the other place
    shorter = Pauses(0.1)
    began = time.monotonic()
    shorter.note("here")
    shorter.keep("here")
    assert time.monotonic() - began >= 0.099
