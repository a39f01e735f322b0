"""Looking names up without waiting longer than said, however many resolvers hang."""

from __future__ import annotations

import threading
import time

import pytest

from connections import resolving
from connections.resolving import LookupFailed, SystemResolver, within


class Hanging:
    def __init__(self) -> None:
        self.over = threading.Event()

    def resolve(self, host: str) -> tuple[str, ...]:
        self.over.wait(20)
        return (host,)


class Unknown:
    def resolve(self, host: str) -> tuple[str, ...]:
        raise OSError("no such name")


def test_the_system_knows_its_own_loopback() -> None:
    assert set(SystemResolver().resolve("localhost")) <= {"127.0.0.1", "::1"}
    assert within(SystemResolver(), "localhost", 2)


def test_a_name_that_nobody_knows_is_said_at_once() -> None:
    began = time.monotonic()

    with pytest.raises(LookupFailed, match="unknown"):
        within(Unknown(), "x", 2)

    assert time.monotonic() - began < 2


def test_a_bounded_number_of_lookups_may_hang_and_their_places_come_back() -> None:
    hanging = Hanging()
    for _ in range(resolving.MOST_LOOKUPS):
        with pytest.raises(LookupFailed, match="silent"):
            within(hanging, "x", 0.001)

    with pytest.raises(LookupFailed, match="busy"):
        within(hanging, "x", 0.001)

    hanging.over.set()
    assert eventually(lambda: within(hanging, "x", 1) == ("x",))


def eventually(attempt) -> bool:
    for _ in range(100):
        try:
            return attempt()
        except LookupFailed:
            time.sleep(0.01)
    return False
