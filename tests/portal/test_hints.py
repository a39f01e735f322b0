"""A hint wakes a worker at once; a burst of them costs few messages, and its last is not lost."""

from __future__ import annotations

import time

import pytest

from portal.celery import BETWEEN_HINTS_SECONDS, Hints


def test_the_last_of_a_burst_is_sent():
    sent: list[float] = []
    hints = Hints(lambda: sent.append(time.monotonic()))

    for _ in range(100):
        hints()
    burst_ended = time.monotonic()
    time.sleep(3 * BETWEEN_HINTS_SECONDS)

    assert 2 <= len(sent) <= 3
    assert sent[-1] >= burst_ended


def test_a_hint_after_a_pause_is_sent_at_once():
    sent: list[None] = []
    hints = Hints(lambda: sent.append(None))
    hints()
    time.sleep(2 * BETWEEN_HINTS_SECONDS)

    hints()

    assert len(sent) == 2


def test_a_dead_broker_is_asked_once_and_left_alone():
    asked: list[None] = []

    def refused() -> None:
        asked.append(None)
        raise ConnectionRefusedError

    hints = Hints(refused)
    with pytest.raises(ConnectionRefusedError):
        hints()
    for _ in range(100):
        hints()
    time.sleep(2 * BETWEEN_HINTS_SECONDS)

    assert len(asked) == 1
