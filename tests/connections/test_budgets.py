"""What an hour leaves, for whom, and when more comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from connections.budgets import Hour, Purpose, blocked_for, minute

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
FRESH = Hour(1000, NOW)


def spending(*parts: tuple[int, Purpose, int], now: datetime = NOW) -> Hour:
    """So many minutes ago, for this, so many requests."""
    spent: dict[int, dict[str, int]] = {}
    for ago, purpose, count in parts:
        spent.setdefault(minute(now) - ago, {})[purpose] = count
    return Hour(1000, now, spent)


class TestShares:
    def test_a_person_may_use_the_reserve_and_a_full_sync_may_not(self) -> None:
        hour = spending((3, Purpose.INCREMENTAL, 900))
        assert hour.allows(Purpose.INCREMENTAL, 10) == 0
        assert hour.allows(Purpose.FULL, 10) == 0
        assert hour.allows(Purpose.WAITING, 10) == 10
        assert hour.allows(Purpose.REFRESH, 500) == 100

    def test_a_flood_of_webhooks_leaves_half_of_the_hour(self) -> None:
        hour = spending((1, Purpose.TOLD, 500))
        assert hour.allows(Purpose.TOLD, 1) == 0
        assert hour.allows(Purpose.INCREMENTAL, 1000) == 400

    def test_a_first_sync_leaves_room_for_what_changes_meanwhile(self) -> None:
        hour = spending((1, Purpose.FULL, 700))
        assert hour.allows(Purpose.FULL, 1) == 0
        assert hour.allows(Purpose.TOLD, 1000) == 200

    def test_what_is_an_hour_old_counts_no_more(self) -> None:
        assert spending((61, Purpose.FULL, 1000)).left == 1000
        assert spending((60, Purpose.FULL, 1000)).left == 0  # some of it is not quite an hour old


class TestTheVendorsWord:
    def test_what_others_spent_is_missing_from_the_hour(self) -> None:
        hour = replace(FRESH, said_remaining=40, said_at=NOW)
        assert hour.left == 40

    def test_what_was_asked_since_then_is_taken_off(self) -> None:
        hour = replace(
            spending((1, Purpose.TOLD, 15)), said_remaining=40, said_at=NOW - timedelta(minutes=5)
        )
        assert hour.left == 25

    def test_an_old_word_is_forgotten(self) -> None:
        hour = replace(FRESH, said_remaining=0, said_at=NOW - timedelta(hours=1))
        assert hour.left == 1000


class TestWhenMoreComes:
    def test_a_word_that_nothing_is_left_ends_before_our_own_count_does(self) -> None:
        hour = replace(
            spending((5, Purpose.TOLD, 900)), said_remaining=0, said_at=NOW - timedelta(minutes=58)
        )
        assert hour.more_at(Purpose.WAITING) == NOW + timedelta(minutes=2)

    def test_the_first_minute_that_ages_out_gives_it(self) -> None:
        hour = spending((50, Purpose.INCREMENTAL, 20), (10, Purpose.INCREMENTAL, 880))
        at = hour.more_at(Purpose.INCREMENTAL)
        assert timedelta(minutes=10) < at - NOW <= timedelta(minutes=11)

    def test_it_is_now_when_there_is_something(self) -> None:
        assert FRESH.more_at() == NOW

    def test_a_refusal_is_waited_out_by_all_but_people(self) -> None:
        until = NOW + timedelta(minutes=15)
        hour = replace(FRESH, blocked_until=until)
        assert hour.more_at() == until
        assert hour.allows(Purpose.WAITING, 1) == 1

    @given(
        st.lists(
            st.tuples(st.integers(0, 70), st.sampled_from(list(Purpose)), st.integers(0, 400)),
            max_size=8,
        ),
        st.sampled_from(list(Purpose)),
    )
    def test_what_it_promises_is_there(
        self, parts: list[tuple[int, Purpose, int]], purpose: Purpose
    ) -> None:
        hour = spending(*parts)
        at = hour.more_at(purpose)
        later = replace(hour, now=at)
        assert later.allows(purpose, 1) == 1
        assert at - NOW <= timedelta(minutes=61)


def test_what_is_given_back_can_be_taken_again() -> None:
    taken = replace(FRESH, spent=FRESH.add(Purpose.FULL, 25))
    assert taken.used() == 25
    assert replace(taken, spent=taken.add(Purpose.FULL, -25)).used() == 0


@pytest.mark.parametrize(
    ("refusals", "said", "minutes"), [(1, None, 15), (2, None, 30), (9, None, 60), (1, 120.0, 2)]
)
def test_a_refusal_without_a_word_is_waited_out_for_long(
    refusals: int, said: float | None, minutes: int
) -> None:
    assert blocked_for(refusals, said) == timedelta(minutes=minutes)


def test_a_long_first_sync_is_estimated_honestly() -> None:
    assert FRESH.needs(700) == timedelta()
    assert FRESH.needs(7700) == timedelta(hours=10)
